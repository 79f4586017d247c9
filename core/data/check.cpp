// SPDX-License-Identifier: Apache-2.0
// The check that every observed entry is a number, and what else deserves a word about the data.
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/number.hpp"
#include "core/data/observe.hpp"
#include "core/data/tile.hpp"

namespace assay::data {
namespace {

// The row of the data as read that row i of x is: what people find in their file.
int64_t source_row(const Data& x, int64_t i) {
  return x.source_rows ? (*x.source_rows)[static_cast<size_t>(i)] : i;
}

struct Bad {
  int64_t count = 0, row = 0, col = 0;
  double value = 0;
  void add(double v, int64_t i, int64_t j) {
    if (count++ > 0) return;
    row = i;
    col = j;
    value = v;
  }
};

// Hidden entries load as 0, so what is not finite here is observed.
Bad scan_dense(const Data& x) {
  Bad bad;
  std::vector<double> row(static_cast<size_t>(x.cols));
  for (int64_t i = 0; i < x.rows; ++i) {
    load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
    double probe = 0;  // 0 * v is 0 for numbers and NaN for the rest
    for (const double v : row) probe += 0 * v;
    if (probe == 0) continue;
    for (int64_t j = 0; j < x.cols; ++j)
      if (!std::isfinite(row[static_cast<size_t>(j)])) bad.add(row[static_cast<size_t>(j)], i, j);
  }
  return bad;
}

Bad scan_sparse(const Data& x) {
  Bad bad;
  const Lines& csr = x.csr;
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t p = csr.indptr[i]; p < csr.indptr[i + 1]; ++p) {
      if (csr.weights && !(csr.weights[p] > 0)) continue;
      const double v = csr.dtype == ASSAY_F64
                           ? static_cast<const double*>(csr.values)[p]
                           : static_cast<double>(static_cast<const float*>(csr.values)[p]);
      if (!std::isfinite(v)) bad.add(v, i, csr.indices[p]);
    }
  }
  return bad;
}

std::string line_notice(const char* what, const std::vector<int64_t>& lines, const char* is) {
  std::string text =
      std::to_string(lines.size()) + " " + what + (lines.size() == 1 ? " " : "s ") + is + ": ";
  for (size_t p = 0; p < lines.size() && p < 5; ++p)
    text += (p ? ", " : "") + std::to_string(lines[p] + 1);
  return text + (lines.size() > 5 ? " ..." : "");
}

std::vector<int64_t> without_weight(const AlignedArray<double>& counts) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < counts.size(); ++i)
    if (!(counts[i] > 0)) out.push_back(i);
  return out;
}

// Rows and columns that are observed and hold nothing but zeros.
void find_zero_lines(const Data& x,
                     const AlignedArray<double>& rows,
                     const AlignedArray<double>& cols,
                     std::vector<int64_t>& zero_rows,
                     std::vector<int64_t>& zero_cols) {
  std::vector<char> row_used(static_cast<size_t>(x.rows)), col_used(static_cast<size_t>(x.cols));
  if (x.sparse) {
    for (int64_t i = 0; i < x.rows; ++i)
      for (int64_t p = x.csr.indptr[i]; p < x.csr.indptr[i + 1]; ++p)
        row_used[static_cast<size_t>(i)] = col_used[static_cast<size_t>(x.csr.indices[p])] = 1;
  } else {
    std::vector<double> row(static_cast<size_t>(x.cols));
    for (int64_t i = 0; i < x.rows; ++i) {
      load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
      char any = 0;
      for (size_t j = 0; j < row.size(); ++j) {
        const char used = row[j] != 0;
        col_used[j] = static_cast<char>(col_used[j] | used);
        any = static_cast<char>(any | used);
      }
      row_used[static_cast<size_t>(i)] = any;
    }
  }
  for (int64_t i = 0; i < x.rows; ++i)
    if (!row_used[static_cast<size_t>(i)] && rows[i] > 0) zero_rows.push_back(i);
  for (int64_t j = 0; j < x.cols; ++j)
    if (!col_used[static_cast<size_t>(j)] && cols[j] > 0) zero_cols.push_back(j);
}

}  // namespace

std::string place_of(const Data& x, int64_t i, int64_t j) {
  std::string text = "row " + std::to_string(source_row(x, i) + 1) + ", column " + std::to_string(j + 1);
  if (x.names && !x.names->cols.empty())
    text += " (`" + x.names->cols[static_cast<size_t>(j)] + "`)";
  return text;
}

Expected<void> check_observed(const Data& x, const char* kind) {
  const bool numbers_only = !x.sparse && !x.table && !x.scale && !x.shift &&
                            (x.dense.dtype == ASSAY_U8 || x.dense.dtype == ASSAY_U16);
  const Bad bad = x.sparse ? scan_sparse(x) : numbers_only ? Bad{} : scan_dense(x);
  if (bad.count > 0) {
    const bool nan = std::isnan(bad.value);
    Error error(ASSAY_E_NON_FINITE, "",
                std::string("the data have ") + (nan ? "NaN" : "infinity") + " at " +
                    (std::string_view(kind) == "observed" ? "an " : "a ") + kind + " entry");
    error.place = place_of(x, bad.row, bad.col);
    error.found.push_back(
        std::to_string(bad.count) + (bad.count == 1 ? " entry that is" : " entries that are") +
        " not finite; the first is " + format_shortest(bad.value) + " at " + error.place);
    error.help.push_back(nan ? "`missing: nan` takes NaN as unobserved; a mask hides single entries"
                             : "replace infinite entries, or hide them with a mask");
    return error;
  }
  const AlignedArray<double> counts = row_counts(x);
  if (std::none_of(counts.begin(), counts.end(), [](double c) { return c > 0; }))
    return Error(ASSAY_E_EMPTY, "", "the data have no observed entry")
        .with_found("all " + std::to_string(x.rows) + " x " + std::to_string(x.cols) +
                    " entries are hidden or missing")
        .with_help("check the mask, the weights and `missing`");
  return {};
}

std::vector<std::string> notices(const Data& x) {
  std::vector<std::string> out;
  const AlignedArray<double> rows = row_counts(x), cols = col_counts(x);
  auto missing_rows = without_weight(rows);
  const auto missing_cols = without_weight(cols);
  for (int64_t& i : missing_rows) i = source_row(x, i);
  if (!missing_rows.empty())
    out.push_back(line_notice("row", missing_rows,
                              "without an observed entry (nothing can be learnt about them)"));
  if (!missing_cols.empty())
    out.push_back(line_notice("column", missing_cols,
                              "without an observed entry (nothing can be learnt about them)"));
  std::vector<int64_t> zero_rows, zero_cols;
  find_zero_lines(x, rows, cols, zero_rows, zero_cols);
  for (int64_t& i : zero_rows) i = source_row(x, i);
  if (!zero_rows.empty()) out.push_back(line_notice("row", zero_rows, "with zeros only"));
  if (!zero_cols.empty()) out.push_back(line_notice("column", zero_cols, "with zeros only"));
  return out;
}

}  // namespace assay::data
