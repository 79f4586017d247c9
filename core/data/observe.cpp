// SPDX-License-Identifier: Apache-2.0
// Hidden entries, masks and weights.
#include "core/data/observe.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>

#include "core/base/number.hpp"
#include "core/data/lines.hpp"

namespace assay::data {
namespace {

bool bit(const uint64_t* words, int64_t j) { return (words[j / 64] >> (j % 64)) & 1u; }
void set_bit(uint64_t* words, int64_t j) { words[j / 64] |= uint64_t{1} << (j % 64); }

Data hide_dense(const Data& x, const HideRow& hidden) {
  auto mask = std::make_shared<Bitmap>();
  mask->rows = x.rows;
  mask->cols = x.cols;
  mask->words = (x.cols + 63) / 64;
  mask->bits = AlignedArray<uint64_t>(x.rows * mask->words);
  std::vector<uint64_t> words(static_cast<size_t>(mask->words));
  const uint64_t last = x.cols % 64 ? (uint64_t{1} << (x.cols % 64)) - 1 : ~uint64_t{0};
  for (int64_t i = 0; i < x.rows; ++i) {
    std::fill(words.begin(), words.end(), 0);
    hidden(i, words.data());
    uint64_t* to = mask->bits.data() + i * mask->words;
    for (int64_t w = 0; w < mask->words; ++w) {
      const uint64_t before =
          x.mask ? x.mask->bits[i * mask->words + w] : (w + 1 == mask->words ? last : ~uint64_t{0});
      to[w] = before & ~words[static_cast<size_t>(w)];
    }
  }
  Data out = x;
  out.mask = std::move(mask);
  return out;
}

// Writes line i with weights, zeros of weight 0 inserted where hidden places are not stored.
void write_line(const Data& x,
                int64_t i,
                const uint64_t* words,
                int64_t n_words,
                LineStore& store) {
  const Lines& csr = x.csr;
  const double zero = 0;
  int64_t p = csr.indptr[i];
  const int64_t end = csr.indptr[i + 1];
  const auto stored_below = [&](int64_t limit) {
    for (; p < end && csr.indices[p] < limit; ++p)
      store.entry(csr.indices[p], value_at(csr, p),
                  bit(words, csr.indices[p]) ? 0.0f : (csr.weights ? csr.weights[p] : 1.0f));
  };
  if (x.unstored_zero) {
    for (int64_t w = 0; w < n_words; ++w) {
      for (uint64_t left = words[w]; left; left &= left - 1) {
        const auto j = static_cast<int32_t>(w * 64 + std::countr_zero(left));
        stored_below(j);
        if (p == end || csr.indices[p] != j) store.entry(j, &zero, 0.0f);
      }
    }
  }
  stored_below(x.cols);
  store.end_line();
}

Expected<Data> hide_sparse(const Data& x, const HideRow& hidden, int64_t max_inserted) {
  auto store = std::make_shared<LineStore>(x.csr.dtype);
  store->reserve(x.rows, x.csr.nnz, true);
  const int64_t n_words = (x.cols + 63) / 64;
  std::vector<uint64_t> words(static_cast<size_t>(n_words));
  for (int64_t i = 0; i < x.rows; ++i) {
    std::fill(words.begin(), words.end(), 0);
    hidden(i, words.data());
    write_line(x, i, words.data(), n_words, *store);
    if (store->nnz() - x.csr.nnz > max_inserted)
      return Error(ASSAY_E_RESOURCE, "", "too many zeros of sparse data would be hidden")
          .with_note("each hidden zero is stored with weight 0")
          .with_help(
              "hide a smaller fraction, or say `unstored: unobserved` when unstored entries are "
              "unknown");
  }
  Data out = x;
  out.csr = LineStore::finish(std::move(store));
  return out;
}

Error wrong_shape(const char* what, const Matrix& m, const std::string& expected) {
  return Error(ASSAY_E_SHAPE, "", std::string("the ") + what + " do not fit the data")
      .with_found(std::to_string(m.rows) + " x " + std::to_string(m.cols))
      .with_expected(expected);
}

constexpr auto kLargest = static_cast<double>(std::numeric_limits<float>::max());
constexpr auto kSmallest = static_cast<double>(std::numeric_limits<float>::denorm_min());

Error wrong_number(const Matrix& m, size_t p, const char* message) {
  Error error(ASSAY_E_DATA, "", message);
  error.found.push_back(format_shortest(m.values[p]));
  error.place = "row " + std::to_string(static_cast<int64_t>(p) / m.cols + 1) + ", column " +
                std::to_string(static_cast<int64_t>(p) % m.cols + 1);
  return error;
}

Expected<void> check_weights(const Matrix& m) {
  for (size_t p = 0; p < m.values.size(); ++p) {
    if (m.values[p] >= 0 && std::isfinite(m.values[p])) continue;
    return wrong_number(m, p, "weights must be finite and not negative");
  }
  return {};
}

// Weights of entries are kept as float32, in which what is positive must stay positive and finite.
Expected<void> check_entry_weights(const Matrix& m) {
  ASSAY_TRY(check_weights(m));
  for (size_t p = 0; p < m.values.size(); ++p) {
    const double w = m.values[p];
    if (w == 0 || (w <= kLargest && w >= kSmallest)) continue;
    return wrong_number(m, p,
                        "a weight does not fit the float32 that weights of entries are kept in")
        .with_expected("0, or a number from " + format_shortest(kSmallest) + " to " +
                       format_shortest(kLargest))
        .with_help("scale all weights alike: without penalties only their ratios matter");
  }
  return {};
}

Expected<Data> hide_zeros(const Data& x, const Matrix& m) {
  return hide(x, [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x.cols; ++j)
      if (m.values[static_cast<size_t>(i * x.cols + j)] == 0) set_bit(words, j);
  });
}

// Weights of one axis: a row or a column of numbers.
Expected<std::shared_ptr<const AlignedArray<double>>> axis_weights(const Matrix& m,
                                                                   int64_t size,
                                                                   const char* axis) {
  if (m.rows * m.cols != size || (m.rows != 1 && m.cols != 1))
    return wrong_shape("weights", m, std::to_string(size) + " numbers, one for each " + axis);
  ASSAY_TRY(check_weights(m));
  AlignedArray<double> out(size);
  std::copy(m.values.begin(), m.values.end(), out.begin());
  return std::make_shared<const AlignedArray<double>>(std::move(out));
}

Expected<Data> weigh_stored(const Data& x, const Matrix& m) {
  auto store = std::make_shared<LineStore>(x.csr.dtype);
  store->reserve(x.rows, x.csr.nnz, true);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p) {
      const auto weight =
          static_cast<float>(m.values[static_cast<size_t>(i * x.cols + x.csr.indices[p])]);
      store->entry(x.csr.indices[p], value_at(x.csr, p),
                   weight * (x.csr.weights ? x.csr.weights[p] : 1.0f));
    }
    store->end_line();
  }
  Data out = x;
  out.csr = LineStore::finish(std::move(store));
  return out;
}

Error no_memory() {
  return Error(ASSAY_E_MEMORY, "", "not enough memory for the mask or the weights of the data");
}

template <class V>
Data hide_nan_stored(const Data& x) {
  const V* values = static_cast<const V*>(x.csr.values);
  return *hide(x, [&](int64_t i, uint64_t* words) {
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p)
      if (std::isnan(values[p])) set_bit(words, x.csr.indices[p]);
  });
}

template <class V>
Expected<Data> hide_nan_dense(const Data& x) {
  const V* values = static_cast<const V*>(x.dense.data);
  bool any = false;
  for (int64_t i = 0; i < x.rows && !any; ++i)
    for (int64_t j = 0; j < x.cols && !any; ++j) any = std::isnan(values[i * x.dense.stride + j]);
  if (!any) return x;
  return hide(x, [&](int64_t i, uint64_t* words) {
    for (int64_t j = 0; j < x.cols; ++j)
      if (std::isnan(values[i * x.dense.stride + j])) set_bit(words, j);
  });
}

}  // namespace

Expected<Data> hide(const Data& x, const HideRow& hidden, int64_t max_inserted) {
  try {
    if (x.sparse) return hide_sparse(x, hidden, max_inserted);
    return hide_dense(x, hidden);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Expected<Data> hide_nan(const Data& x) {
  try {
    if (x.sparse)
      return x.csr.dtype == ASSAY_F64 ? hide_nan_stored<double>(x) : hide_nan_stored<float>(x);
    if (x.dense.dtype == ASSAY_F64) return hide_nan_dense<double>(x);
    if (x.dense.dtype == ASSAY_F32) return hide_nan_dense<float>(x);
    return x;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Expected<void> check_mask(const Matrix& mask) {
  for (size_t p = 0; p < mask.values.size(); ++p) {
    if (mask.values[p] == 0 || mask.values[p] == 1) continue;
    return wrong_number(mask, p, "a mask has an entry that is neither 0 nor 1")
        .with_help("numbers that say how much entries count are `data.weights: { path: ... }`");
  }
  return {};
}

Expected<Data> apply_mask(const Data& x, const Matrix& mask) {
  if (mask.rows != x.rows || mask.cols != x.cols)
    return wrong_shape("entries of the mask", mask,
                       std::to_string(x.rows) + " x " + std::to_string(x.cols));
  ASSAY_TRY(check_mask(mask));
  return hide_zeros(x, mask);
}

Expected<Data> weigh_entries(const Data& x, const Matrix& m) {
  if (m.rows != x.rows || m.cols != x.cols)
    return wrong_shape("weights", m, std::to_string(x.rows) + " x " + std::to_string(x.cols));
  ASSAY_TRY(check_entry_weights(m));
  try {
    if (x.sparse && x.unstored_zero)
      return Error(ASSAY_E_SHAPE, "",
                   "weights of entries do not fit sparse data whose unstored entries are zeros")
          .with_help("use weights of rows and columns, dense data, or `unstored: unobserved`");
    if (x.sparse) return weigh_stored(x, m);
    const bool zeros = std::find(m.values.begin(), m.values.end(), 0.0) != m.values.end();
    auto out = zeros ? hide_zeros(x, m) : Expected<Data>(x);
    if (!out) return out;
    AlignedArray<float> weights(x.rows * x.cols);
    std::transform(m.values.begin(), m.values.end(), weights.begin(),
                   [](double w) { return static_cast<float>(w); });
    out->entry_weights = std::make_shared<const AlignedArray<float>>(std::move(weights));
    return out;
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Expected<Data> weigh_rows(const Data& x, const Matrix& m) {
  auto weights = axis_weights(m, x.rows, "row");
  if (!weights) return std::move(weights.error());
  Data out = x;
  out.row_weights = *weights;
  return out;
}

Expected<Data> weigh_cols(const Data& x, const Matrix& m) {
  auto weights = axis_weights(m, x.cols, "column");
  if (!weights) return std::move(weights.error());
  Data out = x;
  out.col_weights = *weights;
  return out;
}

}  // namespace assay::data
