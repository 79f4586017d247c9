// SPDX-License-Identifier: Apache-2.0
// Cosines between rows of W.
#include "core/experiment/nearest_rows.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/experiment/new_rows.hpp"
#include "core/experiment/open_model.hpp"

namespace assay::experiment {
namespace {

// Later decimals of a cosine are rounding: they differ between builds, and must not order rows that
// are equally near.
constexpr double kDecimals = 1e12;

// Rows of length 1, or of zeros.
struct Directions {
  int64_t rows, width;
  std::vector<double> values;

  explicit Directions(const kernels::Member& m) : rows(m.rows), width(m.cols) {
    const graph::Buffer W = storage_view(m, 0);
    values.resize(static_cast<size_t>(rows * width));
    for (int64_t i = 0; i < rows; ++i) {
      double largest = 0, squares = 0;
      for (int64_t a = 0; a < width; ++a) largest = std::max(largest, std::abs(W.get(i, a)));
      if (!(largest > 0)) continue;
      double* row = values.data() + i * width;
      for (int64_t a = 0; a < width; ++a) {
        row[a] = W.get(i, a) / largest;
        squares += row[a] * row[a];
      }
      for (int64_t a = 0; a < width; ++a) row[a] /= std::sqrt(squares);
    }
  }
  double cosine(int64_t i, const Directions& other, int64_t j) const {
    double sum = 0;
    for (int64_t a = 0; a < width; ++a)
      sum += values[static_cast<size_t>(i * width + a)] *
             other.values[static_cast<size_t>(j * width + a)];
    return std::round(std::clamp(sum, -1.0, 1.0) * kDecimals) / kDecimals;
  }
  bool zero(int64_t i) const {
    const auto row = values.begin() + i * width;
    return std::all_of(row, row + width, [](double v) { return v == 0; });
  }
};

std::vector<Neighbour> nearest(const Directions& queries,
                               int64_t i,
                               const Directions& known,
                               int64_t count) {
  if (queries.zero(i)) return {};
  std::vector<Neighbour> all;
  all.reserve(static_cast<size_t>(known.rows));
  for (int64_t j = 0; j < known.rows; ++j) all.push_back({j, queries.cosine(i, known, j)});
  const auto kept = all.begin() + std::min(count, known.rows);
  std::partial_sort(all.begin(), kept, all.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
  });
  all.erase(kept, all.end());
  return all;
}

}  // namespace

Expected<NearestRows> nearest_rows(const std::string& model_path,
                                   const std::string& data_path,
                                   int64_t count,
                                   std::shared_ptr<plugin::Registry> registry,
                                   const ApplyOptions& options) {
  auto opened = open_model(model_path, data_path, std::move(registry), options);
  if (!opened) return std::move(opened.error());
  const auto given = opened->rows->names;
  auto rows = transform_rows(opened->saved, opened->rows, opened->runtime);
  if (!rows) return std::move(rows.error());
  const kernels::Member* W = opened->saved.find("W");
  if (!W)
    return Error(ASSAY_E_COMBINATION, "E0212", "the model stores no W to be near to").with_help(
        "its rows have clusters, not directions: `assay predict`");
  const Directions known(*W), queries(rows->W);
  NearestRows out;
  for (int64_t i = 0; i < queries.rows; ++i) out.of.push_back(nearest(queries, i, known, count));
  if (given) out.queries = given->rows;
  data::Names names = names_of(opened->saved);
  out.rows = std::move(names.rows);
  out.labels = std::move(names.labels);
  return out;
}

}  // namespace assay::experiment
