// SPDX-License-Identifier: Apache-2.0
// Sums and counts over observed entries: one pass in blocks, in order, eight running sums combined
// in a fixed order.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/data/data.hpp"
#include "core/data/tile.hpp"

namespace assay::data {
namespace {

constexpr int64_t kBlock = 4096;  // entries of a row at a time: values and weights stay in L1
constexpr int kSums = 8;

struct Running {
  Facts facts;
  Running() {
    facts.min = std::numeric_limits<double>::infinity();
    facts.max = -facts.min;
  }
  void minimum(double value, int64_t i, int64_t j) {
    if (value >= facts.min) return;
    facts.min = value;
    facts.min_row = i;
    facts.min_col = j;
  }
  void add(double value, double weight, int64_t i, int64_t j) {
    if (!(weight > 0)) return;
    facts.observed += weight;
    ++facts.entries;
    facts.sum += weight * value;
    facts.sumsq += weight * value * value;
    facts.max = std::max(facts.max, value);
    facts.negative += value < 0;
    minimum(value, i, j);
  }
};

// A run of entries of row i from column j, all observed with weight 1.
void add_plain(Running& r, const double* v, int64_t n, int64_t i, int64_t j) {
  double sum[kSums] = {}, square[kSums] = {};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  int64_t negative = 0, p = 0;
  for (; p + kSums <= n; p += kSums) {
    for (int s = 0; s < kSums; ++s) {
      const double x = v[p + s];
      sum[s] += x;
      square[s] += x * x;
      low = x < low ? x : low;
      high = x > high ? x : high;
      negative += x < 0;
    }
  }
  for (; p < n; ++p) {
    sum[p % kSums] += v[p];
    square[p % kSums] += v[p] * v[p];
    low = std::min(low, v[p]);
    high = std::max(high, v[p]);
    negative += v[p] < 0;
  }
  for (int s = 1; s < kSums; ++s) {
    sum[0] += sum[s];
    square[0] += square[s];
  }
  r.facts.observed += static_cast<double>(n);
  r.facts.entries += n;
  r.facts.sum += sum[0];
  r.facts.sumsq += square[0];
  r.facts.negative += negative;
  r.facts.max = std::max(r.facts.max, high);
  if (low < r.facts.min) r.minimum(low, i, j + (std::find(v, v + n, low) - v));
}

void measure_dense(const Data& x, Running& r) {
  std::vector<double> values(kBlock), weights(kBlock);
  const bool plain = !x.mask && !x.weighted();
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j0 = 0; j0 < x.cols; j0 += kBlock) {
      const int64_t n = std::min(kBlock, x.cols - j0);
      load<double>(x, i, 1, j0, n, values.data(), n);
      if (plain) {
        add_plain(r, values.data(), n, i, j0);
        continue;
      }
      load_weights<double>(x, i, 1, j0, n, weights.data(), n);
      for (int64_t j = 0; j < n; ++j)
        r.add(values[static_cast<size_t>(j)], weights[static_cast<size_t>(j)], i, j0 + j);
    }
  }
}

double row_weight(const Data& x, int64_t i) { return x.row_weights ? (*x.row_weights)[i] : 1; }
double col_weight(const Data& x, int64_t j) { return x.col_weights ? (*x.col_weights)[j] : 1; }
double stored_weight(const Data& x, int64_t i, int64_t p) {
  return row_weight(x, i) * col_weight(x, x.csr.indices[p]) *
         (x.csr.weights ? static_cast<double>(x.csr.weights[p]) : 1);
}
double shift_of(const Data& x, int64_t j) { return x.shift ? (*x.shift)[j] : 0; }
double stored_value(const Data& x, int64_t p) {
  const int64_t j = x.csr.indices[p];
  const double v = x.csr.dtype == ASSAY_F64
                       ? static_cast<const double*>(x.csr.values)[p]
                       : static_cast<double>(static_cast<const float*>(x.csr.values)[p]);
  return v * (x.scale ? (*x.scale)[j] : 1) + shift_of(x, j);
}

double total(const std::shared_ptr<const AlignedArray<double>>& weights, int64_t n) {
  if (!weights) return static_cast<double>(n);
  double sum = 0;
  for (const double w : *weights) sum += w;
  return sum;
}

// The zeros that are not stored, column by column: what a full column of them would add, less the
// places taken.
void add_unstored(const Data& x, Running& r) {
  AlignedArray<double> taken(x.cols);
  AlignedArray<int64_t> stored(x.cols);
  int64_t rows = 0;  // those that count
  for (int64_t i = 0; i < x.rows; ++i) {
    if (!(row_weight(x, i) > 0)) continue;
    ++rows;
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p) {
      taken[x.csr.indices[p]] += row_weight(x, i);
      ++stored[x.csr.indices[p]];
    }
  }
  const double all_rows = total(x.row_weights, x.rows);
  for (int64_t j = 0; j < x.cols; ++j) {
    const int64_t zeros = rows - stored[j];
    if (zeros == 0 || !(col_weight(x, j) > 0)) continue;
    const double weight = (all_rows - taken[j]) * col_weight(x, j), value = shift_of(x, j);
    r.facts.observed += weight;
    r.facts.entries += zeros;
    r.facts.sum += weight * value;
    r.facts.sumsq += weight * value * value;
    r.facts.max = std::max(r.facts.max, value);
    if (value < 0) r.facts.negative += zeros;
    r.minimum(value, 0, j);
  }
}

void measure_sparse(const Data& x, Running& r) {
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p) {
      const double weight = stored_weight(x, i, p);
      if (weight > 0) r.add(stored_value(x, p), weight, i, x.csr.indices[p]);
    }
  if (x.unstored_zero) add_unstored(x, r);
}

// Adds the weight of every entry to out[axis index]; `by_row` picks the axis.
AlignedArray<double> counts_dense(const Data& x, bool by_row) {
  AlignedArray<double> out(by_row ? x.rows : x.cols);
  if (!x.mask && !x.weighted()) {
    std::fill(out.begin(), out.end(), static_cast<double>(by_row ? x.cols : x.rows));
    return out;
  }
  std::vector<double> weights(static_cast<size_t>(x.cols));
  for (int64_t i = 0; i < x.rows; ++i) {
    load_weights<double>(x, i, 1, 0, x.cols, weights.data(), x.cols);
    double* to = by_row ? out.data() + i : out.data();
    for (int64_t j = 0; j < x.cols; ++j) to[by_row ? 0 : j] += weights[static_cast<size_t>(j)];
  }
  return out;
}

AlignedArray<double> counts_sparse(const Data& x, bool by_row) {
  AlignedArray<double> out(by_row ? x.rows : x.cols);
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p) {
      const int64_t j = x.csr.indices[p];
      const double unstored = x.unstored_zero ? row_weight(x, i) * col_weight(x, j) : 0;
      out[by_row ? i : j] += stored_weight(x, i, p) - unstored;
    }
  if (!x.unstored_zero) return out;
  const double other = by_row ? total(x.col_weights, x.cols) : total(x.row_weights, x.rows);
  for (int64_t i = 0; i < out.size(); ++i)
    out[i] += other * (by_row ? row_weight(x, i) : col_weight(x, i));
  return out;
}

}  // namespace

Facts measure(const Data& x) {
  Running r;
  if (x.sparse) {
    measure_sparse(x, r);
  } else {
    measure_dense(x, r);
  }
  if (r.facts.entries == 0) r.facts.min = r.facts.max = 0;
  return r.facts;
}

std::vector<double> col_max(const Data& x) {
  std::vector<double> out(static_cast<size_t>(x.cols), 0.0), row(out.size()), weights(out.size());
  for (int64_t i = 0; i < x.rows; ++i) {
    load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
    load_weights<double>(x, i, 1, 0, x.cols, weights.data(), x.cols);
    for (size_t j = 0; j < out.size(); ++j)
      if (weights[j] > 0) out[j] = std::max(out[j], row[j]);
  }
  return out;
}

AlignedArray<double> row_counts(const Data& x) {
  return x.sparse ? counts_sparse(x, true) : counts_dense(x, true);
}
AlignedArray<double> col_counts(const Data& x) {
  return x.sparse ? counts_sparse(x, false) : counts_dense(x, false);
}

}  // namespace assay::data
