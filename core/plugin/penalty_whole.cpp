// SPDX-License-Identifier: Apache-2.0
// The penalties of one factor on the whole of it: values, expansions, projections.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/plugin/guard.hpp"
#include "core/plugin/penalty_set.hpp"

namespace assay::plugin {

namespace {

// Length of the step of a residual |F - P(F - s G)| / s, as a share of |F|: short enough that the
// set is flat, long enough for rounding to stay below 1e-12 of the gradient.
constexpr double kProbe = 1e-4;

double norm(const assay_view& v) {
  double sum = 0;
  for (int64_t i = 0; i < v.rows; ++i) {
    const double* row = static_cast<const double*>(v.data) + i * v.stride;
    for (int64_t a = 0; a < v.cols; ++a) sum += row[a] * row[a];
  }
  return std::sqrt(sum);
}

}  // namespace

int32_t PenaltySet::value(assay_ctx* ctx, const assay_view* F, double* out) const {
  double total = 0;
  for (const Item& item : items_) {
    if (item.relaxed) continue;
    double part = 0;
    const int32_t status =
        guarded(ctx, item.id, [&] { return item.table->value(item.self, ctx, F, &part); });
    if (status < 0) return status;
    total += part;
  }
  *out = total;
  return ASSAY_OK;
}

int32_t PenaltySet::expand(assay_ctx* ctx, const assay_view* F, WholeTerms& out) const {
  const auto size = static_cast<size_t>(F->rows * F->cols);
  const int32_t memory = guarded(ctx, "penalty", [&] {
    for (std::vector<double>* v : {&out.at, &out.num, &out.den}) v->resize(size);
    return ASSAY_OK;
  });
  if (memory < 0) return memory;
  out.rows = F->rows;
  out.width = F->cols;
  out.curvature = 0;
  for (int64_t i = 0; i < F->rows; ++i)
    std::copy_n(static_cast<const double*>(F->data) + i * F->stride, F->cols,
                out.at.data() + i * F->cols);
  std::fill(out.num.begin(), out.num.end(), 0.0);
  std::fill(out.den.begin(), out.den.end(), 0.0);
  const assay_view at = {out.at.data(), F->rows, F->cols, F->cols, 0, ASSAY_F64, ASSAY_READ_ONLY};
  assay_view num = {out.num.data(), F->rows, F->cols, F->cols, 0, ASSAY_F64, 0};
  assay_view den = num;
  den.data = out.den.data();
  for (const Item& item : items_) {
    if (item.set() || !item.whole()) continue;
    const int32_t status = guarded(ctx, item.id, [&] {
      return item.table->whole(item.self, ctx, &at, &num, &den, &out.curvature);
    });
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::project(assay_ctx* ctx, assay_view* F) const {
  const Item* set = constraint();
  if (!set) return ASSAY_OK;
  if (!set->whole()) return prox(ctx, F, 0);
  return guarded(ctx, set->id, [&] { return set->table->project(set->self, ctx, F); });
}

int32_t PenaltySet::project_gradient(assay_ctx* ctx, const assay_view* F, assay_view* G) const {
  const Item* set = constraint();
  if (!set || set->relaxed) return ASSAY_OK;
  if (set->table->kkt)
    return guarded(ctx, set->id, [&] { return set->table->kkt(set->self, ctx, F, G); });
  const double length = norm(*F), slope = norm(*G);
  if (length == 0 || slope == 0) return ASSAY_OK;
  const double step = kProbe * length / slope;
  auto* moved = static_cast<double*>(
      ctx->scratch.take(F->rows * F->cols * static_cast<int64_t>(sizeof(double))));
  if (!moved) return ASSAY_E_MEMORY;
  assay_view to = {moved, F->rows, F->cols, F->cols, 0, ASSAY_F64, 0};
  const auto at = [](const assay_view& v, int64_t i, int64_t a) -> double& {
    return static_cast<double*>(v.data)[i * v.stride + a];
  };
  for (int64_t i = 0; i < F->rows; ++i)
    for (int64_t a = 0; a < F->cols; ++a) at(to, i, a) = at(*F, i, a) - step * at(*G, i, a);
  const int32_t status = project(ctx, &to);
  if (status < 0) return status;
  for (int64_t i = 0; i < F->rows; ++i)
    for (int64_t a = 0; a < F->cols; ++a) at(*G, i, a) = (at(*F, i, a) - at(to, i, a)) / step;
  return ASSAY_OK;
}

}  // namespace assay::plugin
