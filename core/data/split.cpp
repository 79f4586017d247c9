// SPDX-License-Identifier: Apache-2.0
// Held-out entries and rows.
#include "core/data/split.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <new>
#include <numeric>
#include <string>

#include "core/base/hash.hpp"
#include "core/data/lines.hpp"
#include "core/data/select.hpp"
#include "core/data/tile.hpp"

namespace assay::data {
namespace {

constexpr int64_t kRun = 1024;  // draws at a time

// The candidates of one row: its observed entries, and a draw for each.
struct Row {
  std::vector<int32_t> cols;
  std::vector<double> draws;
};

void draw_row(const Data& x,
              int64_t i,
              uint64_t stream,
              const assay_rng& rng,
              std::vector<double>& weights,
              Row& row) {
  row.cols.clear();
  row.draws.clear();
  if (x.sparse && !x.unstored_zero) {
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p) {
      if (x.csr.weights && !(x.csr.weights[p] > 0)) continue;
      row.cols.push_back(x.csr.indices[p]);
      double draw = 0;
      rng.uniform(stream, static_cast<uint64_t>(i * x.cols + x.csr.indices[p]), 1, &draw);
      row.draws.push_back(draw);
    }
    return;
  }
  double draws[kRun];
  for (int64_t j0 = 0; j0 < x.cols; j0 += kRun) {
    const int64_t n = std::min(kRun, x.cols - j0);
    rng.uniform(stream, static_cast<uint64_t>(i * x.cols + j0), n, draws);
    load_weights<double>(x, i, 1, j0, n, weights.data(), n);
    for (int64_t j = 0; j < n; ++j) {
      if (!(weights[static_cast<size_t>(j)] > 0)) continue;
      row.cols.push_back(static_cast<int32_t>(j0 + j));
      row.draws.push_back(draws[j]);
    }
  }
}

// The places in row.cols that are held out.
std::vector<size_t> chosen(const Row& row, double test, int64_t keep) {
  std::vector<size_t> out;
  for (size_t p = 0; p < row.cols.size(); ++p)
    if (row.draws[p] < test) out.push_back(p);
  const int64_t spare = std::max<int64_t>(0, static_cast<int64_t>(row.cols.size()) - keep);
  if (static_cast<int64_t>(out.size()) > spare) {
    std::sort(out.begin(), out.end(),
              [&](size_t a, size_t b) { return row.draws[a] < row.draws[b]; });
    out.resize(static_cast<size_t>(spare));
  }
  return out;
}

// Only the held-out entries of x, with their weights: dense by a mask, sparse by storing nothing
// else.
Expected<Data> complement(const Data& x, const Data& train, const HideRow& hidden) {
  if (!x.sparse) {
    return hide(x, [&](int64_t i, uint64_t* words) {
      const uint64_t* kept = train.mask->bits.data() + i * train.mask->words;
      std::copy_n(kept, train.mask->words, words);
    });
  }
  const double zero = 0;
  auto store = std::make_shared<LineStore>(x.csr.dtype);
  std::vector<uint64_t> words(static_cast<size_t>((x.cols + 63) / 64));
  for (int64_t i = 0; i < x.rows; ++i) {
    std::fill(words.begin(), words.end(), 0);
    hidden(i, words.data());
    int64_t p = x.csr.indptr[i];
    for (size_t w = 0; w < words.size(); ++w) {
      for (uint64_t left = words[w]; left; left &= left - 1) {
        const auto j = static_cast<int32_t>(static_cast<int64_t>(w) * 64 + std::countr_zero(left));
        while (p < x.csr.indptr[i + 1] && x.csr.indices[p] < j) ++p;
        const bool stored = p < x.csr.indptr[i + 1] && x.csr.indices[p] == j;
        if (!stored && !x.unstored_zero) continue;
        const float weight = stored && x.csr.weights ? x.csr.weights[p] : 1.0f;
        store->entry(j, stored ? value_at(x.csr, p) : &zero, weight);
      }
    }
    store->end_line();
  }
  Data out = x;
  out.unstored_zero = false;
  out.csr = LineStore::finish(std::move(store));
  return out;
}

// `help`: how to mend a split with nothing on one side; nullptr: by the options of the draw.
Expected<Split> split_by(const Data& x, const HideRow& hidden, const char* help = nullptr) {
  auto train = hide(x, hidden);
  if (!train) return std::move(train.error());
  auto held = complement(x, *train, hidden);
  if (!held) return std::move(held.error());
  Split split;
  split.held_entries = measure(*held).entries;
  if (split.held_entries == 0)
    return Error(ASSAY_E_EMPTY, "", "the split holds out nothing")
        .with_help(help ? help : "raise `test`, or lower `keep_per_row`");
  if (measure(*train).entries == 0)
    return Error(ASSAY_E_EMPTY, "", "the split leaves nothing to fit")
        .with_help(help ? help : "lower `test`");
  split.train = std::move(*train);
  split.held = std::move(*held);
  return split;
}

Expected<Split> split_rows(const Data& x, const std::vector<char>& is_held, const char* help) {
  Split split;
  for (int64_t i = 0; i < x.rows; ++i)
    (is_held[static_cast<size_t>(i)] ? split.held_rows : split.train_rows).push_back(i);
  if (split.held_rows.empty() || split.train_rows.empty())
    return Error(ASSAY_E_EMPTY, "",
                 split.held_rows.empty() ? "the split holds out no row"
                                         : "the split leaves no row to fit")
        .with_found(std::to_string(x.rows) + (x.rows == 1 ? " row" : " rows"))
        .with_help(help);
  auto train = take_rows(x, split.train_rows);
  if (!train) return std::move(train.error());
  auto held = take_rows(x, split.held_rows);
  if (!held) return std::move(held.error());
  split.held_entries = static_cast<int64_t>(split.held_rows.size());
  split.train = std::move(*train);
  split.held = std::move(*held);
  return split;
}

// Row indices by rising draw; equal draws by index.
std::vector<int64_t> drawn_order(int64_t rows, uint64_t stream, const assay_rng& rng) {
  std::vector<double> draws(static_cast<size_t>(rows));
  rng.uniform(stream, 0, rows, draws.data());
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return draws[static_cast<size_t>(a)] < draws[static_cast<size_t>(b)];
  });
  return order;
}

template <class T>
void hash_array(const char* name, const std::shared_ptr<const AlignedArray<T>>& a, Hasher& hasher) {
  if (a) hasher.update(name).update(a->data(), static_cast<size_t>(a->size()) * sizeof(T));
}

}  // namespace

std::string identify_pattern(const Data& x) {
  Hasher hasher;
  const int64_t head[4] = {x.rows, x.cols, x.sparse, x.unstored_zero};
  hasher.update(head, sizeof head);
  if (x.sparse) {
    hasher.update(x.csr.indptr, static_cast<size_t>(x.csr.lines + 1) * 8);
    hasher.update(x.csr.indices, static_cast<size_t>(x.csr.nnz) * 4);
    if (x.csr.weights) hasher.update(x.csr.weights, static_cast<size_t>(x.csr.nnz) * 4);
  } else if (x.mask) {
    hasher.update(x.mask->bits.data(), static_cast<size_t>(x.mask->bits.size()) * 8);
  }
  hash_array("entries", x.entry_weights, hasher);
  hash_array("rows", x.row_weights, hasher);
  hash_array("cols", x.col_weights, hasher);
  return hasher.hex();
}

Expected<Split> hold_out_entries(const Data& x,
                                 double test,
                                 int64_t keep_per_row,
                                 uint64_t stream,
                                 const assay_rng& rng) {
  try {
    std::vector<double> weights(kRun);
    Row row;
    return split_by(x, [&](int64_t i, uint64_t* words) {
      draw_row(x, i, stream, rng, weights, row);
      for (const size_t p : chosen(row, test, keep_per_row))
        words[row.cols[p] / 64] |= uint64_t{1} << (row.cols[p] % 64);
    });
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory for the split");
  }
}

Expected<Split> hold_out_masked(const Data& x, const Matrix& mask) {
  constexpr const char* kHelp = "in the file, 1 holds out and 0 keeps";
  const bool by_rows = mask.cols == 1 && x.cols > 1;
  if (mask.rows != x.rows || (mask.cols != x.cols && !by_rows))
    return Error(ASSAY_E_SHAPE, "", "the mask of what is held out does not fit the data")
        .with_found(std::to_string(mask.rows) + " x " + std::to_string(mask.cols))
        .with_expected(std::to_string(x.rows) + " x " + std::to_string(x.cols) + ", or " +
                       std::to_string(x.rows) + " x 1 for whole rows");
  ASSAY_TRY(check_mask(mask));
  if (by_rows) {
    std::vector<char> is_held;
    for (const double held : mask.values) is_held.push_back(held != 0);
    return split_rows(x, is_held, kHelp);
  }
  const auto hidden = [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x.cols; ++j)
      if (mask.values[static_cast<size_t>(i * x.cols + j)] != 0)
        words[j / 64] |= uint64_t{1} << (j % 64);
  };
  return split_by(x, hidden, kHelp);
}

Expected<Split> hold_out_rows(const Data& x, double test, uint64_t stream, const assay_rng& rng) {
  const auto wanted = static_cast<int64_t>(std::llround(test * static_cast<double>(x.rows)));
  const int64_t count = std::clamp<int64_t>(wanted, 1, x.rows);
  const auto order = drawn_order(x.rows, stream, rng);
  std::vector<char> is_held(static_cast<size_t>(x.rows));
  for (int64_t r = 0; r < count; ++r)
    is_held[static_cast<size_t>(order[static_cast<size_t>(r)])] = 1;
  return split_rows(x, is_held, "lower `test`");
}

std::vector<int64_t> folds(int64_t rows, int64_t count, uint64_t stream, const assay_rng& rng) {
  const auto order = drawn_order(rows, stream, rng);
  std::vector<int64_t> fold(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r)
    fold[static_cast<size_t>(order[static_cast<size_t>(r)])] = r % count;
  return fold;
}

Expected<Split> hold_out_fold(const Data& x, const std::vector<int64_t>& fold, int64_t which) {
  std::vector<char> is_held(static_cast<size_t>(x.rows));
  for (size_t i = 0; i < is_held.size(); ++i) is_held[i] = fold[i] == which;
  return split_rows(x, is_held, "lower `count`: a fold has at least one row");
}

}  // namespace assay::data
