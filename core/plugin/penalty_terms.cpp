// SPDX-License-Identifier: Apache-2.0
// The penalties of one factor on a block of its rows. The prox of their sum is exact: with a set
// within f >= 0 that is more than bounds, |f| is linear, so the argument is moved and shrunk before
// the projection; else in the order l1, quadratic, set (soft threshold, shrink, projection), which
// is exact where the set is an interval for each entry.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/plugin/guard.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int32_t lacks(assay_ctx* ctx, const PenaltySet::Item& item, const char* what) {
  return guarded(ctx, item.id, [&] {
    const std::string text =
        fmt::format("penalty `{}` has no {}, which this solver calls", item.id, what);
    return host()->set_error(ctx, ASSAY_E_COMBINATION, text.c_str());
  });
}

double& cell(const assay_view& v, int64_t i, int64_t a) {
  return static_cast<double*>(
      v.data)[v.flags & ASSAY_BY_COMPONENT ? a * v.stride + i : i * v.stride + a];
}
int64_t width(const assay_view& v) { return v.flags & ASSAY_BY_COMPONENT ? v.rows : v.cols; }
int64_t rows(const assay_view& v) { return v.flags & ASSAY_BY_COMPONENT ? v.cols : v.rows; }

// Diagonal, linear term and bounds of quad_add, empty: four runs of k numbers, or null.
double* empty_form(assay_ctx* ctx, int64_t k) {
  auto* form =
      static_cast<double*>(ctx->scratch.take(4 * k * static_cast<int64_t>(sizeof(double))));
  if (!form) return nullptr;
  std::fill_n(form, 2 * k, 0.0);
  std::fill_n(form + 2 * k, k, -kInfinity);
  std::fill_n(form + 3 * k, k, kInfinity);
  return form;
}

// Calls fn(cell of the block, entry of the expansion) for every entry of the block.
template <class Fn>
int32_t with_whole(assay_ctx* ctx,
                   const PenaltySet::Item& item,
                   const assay_view& F,
                   const WholeTerms* whole,
                   Fn fn) {
  if (!whole || whole->width != width(F) || ctx->first + rows(F) > whole->rows)
    return lacks(ctx, item, "value on a part of the factor");
  for (int64_t i = 0; i < rows(F); ++i)
    for (int64_t a = 0; a < whole->width; ++a) fn(i, a, (ctx->first + i) * whole->width + a);
  return ASSAY_OK;
}

}  // namespace

int32_t PenaltySet::mu(assay_ctx* ctx,
                       const assay_view* F,
                       assay_view* num,
                       assay_view* den,
                       const WholeTerms* whole) const {
  for (const Item& item : items_) {
    if (item.set() || item.relaxed) continue;
    int32_t status = ASSAY_OK;
    if (item.whole()) {
      status = with_whole(ctx, item, *F, whole, [&](int64_t i, int64_t a, int64_t at) {
        cell(*num, i, a) += whole->num[static_cast<size_t>(at)];
        cell(*den, i, a) += whole->den[static_cast<size_t>(at)];
      });
    } else if (!item.table->mu_add) {
      return lacks(ctx, item, "multiplicative form");
    } else {
      status =
          guarded(ctx, item.id, [&] { return item.table->mu_add(item.self, ctx, F, num, den); });
    }
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::quad(assay_ctx* ctx,
                         const assay_view* F,
                         double* diag,
                         double* lin,
                         double* lower,
                         double* upper) const {
  const int64_t k = width(*F);
  std::fill_n(diag, k, 0.0);
  std::fill_n(lin, k, 0.0);
  std::fill_n(lower, k, -kInfinity);
  std::fill_n(upper, k, kInfinity);
  for (const Item& item : items_) {
    if (item.relaxed) {
      if (item.set() && item.facts.flags & ASSAY_PENALTY_NONNEG) std::fill_n(lower, k, 0.0);
      continue;
    }
    if (!item.table->quad_add || item.whole()) return lacks(ctx, item, "quadratic form");
    // weight * |f| is linear on f >= 0 only.
    if (item.has(ASSAY_PENALTY_L1) && !nonneg())
      return lacks(ctx, item, "quadratic form for a signed factor");
    const int32_t status = guarded(ctx, item.id, [&] {
      return item.table->quad_add(item.self, ctx, F, diag, lin, lower, upper);
    });
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::quad_rows(assay_ctx* ctx,
                              const assay_view* F,
                              double* diag,
                              assay_view* lin,
                              assay_view* lower,
                              assay_view* upper,
                              const WholeTerms* whole) const {
  const int64_t k = width(*F), n = rows(*F);
  double* form = empty_form(ctx, k);
  if (!form) return ASSAY_E_MEMORY;
  int32_t status = bounds(ctx, F, lower, upper);
  if (status < 0) return status;
  for (const Item& item : items_) {
    if (item.set() || item.whole() || item.relaxed) continue;
    if (!item.table->quad_add) return lacks(ctx, item, "quadratic form");
    if (item.has(ASSAY_PENALTY_L1) && !nonneg())
      return lacks(ctx, item, "quadratic form for a signed factor");
    status = guarded(ctx, item.id, [&] {
      return item.table->quad_add(item.self, ctx, F, form, form + k, form + 2 * k, form + 3 * k);
    });
    if (status < 0) return status;
  }
  std::copy_n(form, k, diag);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t a = 0; a < k; ++a) cell(*lin, i, a) = form[k + a];
  for (const Item& item : items_) {
    if (item.set() || !item.whole()) continue;
    if (item.facts.flags & ASSAY_PENALTY_NO_MAJORISER) return lacks(ctx, item, "quadratic form");
    status = with_whole(ctx, item, *F, whole, [&](int64_t i, int64_t a, int64_t at) {
      cell(*lin, i, a) += whole->slope(at) - whole->curvature * whole->at[static_cast<size_t>(at)];
    });
    if (status < 0) return status;
    for (int64_t a = 0; a < k; ++a) diag[a] += whole->curvature;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::bounds(assay_ctx* ctx,
                           const assay_view* F,
                           assay_view* lower,
                           assay_view* upper) const {
  const int64_t k = width(*F), n = rows(*F);
  const Item* item = constraint();
  double* form = empty_form(ctx, k);
  if (!form) return ASSAY_E_MEMORY;
  double *lo = form + 2 * k, *hi = form + 3 * k;
  if (item && item->facts.flags & ASSAY_PENALTY_NONNEG) std::fill_n(lo, k, 0.0);
  const bool asked = item && !item->relaxed;
  if (asked && item->table->quad_add) {
    const int32_t status = guarded(ctx, item->id, [&] {
      return item->table->quad_add(item->self, ctx, F, form, form + k, lo, hi);
    });
    if (status < 0) return status;
  } else if (asked && !item->table->bounds) {
    return lacks(ctx, *item, "bounds for single entries");
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t a = 0; a < k; ++a) {
      cell(*lower, i, a) = lo[a];
      cell(*upper, i, a) = hi[a];
    }
  }
  if (!asked || !item->table->bounds) return ASSAY_OK;
  if (!(F->flags & ASSAY_BY_COMPONENT)) {
    return guarded(ctx, item->id,
                   [&] { return item->table->bounds(item->self, ctx, lower, upper); });
  }
  auto* turned =
      static_cast<double*>(ctx->scratch.take(2 * n * k * static_cast<int64_t>(sizeof(double))));
  if (!turned) return ASSAY_E_MEMORY;
  assay_view low = {turned, n, k, k, 0, ASSAY_F64, 0}, high = low;
  high.data = turned + n * k;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t a = 0; a < k; ++a) {
      cell(low, i, a) = cell(*lower, i, a);
      cell(high, i, a) = cell(*upper, i, a);
    }
  }
  const int32_t status =
      guarded(ctx, item->id, [&] { return item->table->bounds(item->self, ctx, &low, &high); });
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t a = 0; a < k; ++a) {
      cell(*lower, i, a) = cell(low, i, a);
      cell(*upper, i, a) = cell(high, i, a);
    }
  }
  return status;
}

// Soft threshold and shrinkage, or the same as linear and quadratic terms where f >= 0.
int32_t PenaltySet::thresholds(assay_ctx* ctx, assay_view* F, Steps steps) const {
  const Item* set = constraint();
  const bool linear = set && !set->relaxed && nonneg() && set->facts.scope != ASSAY_SCOPE_ELEMENT;
  for (const int32_t kind :
       {ASSAY_PENALTY_L1, ASSAY_PENALTY_QUADRATIC_L1, ASSAY_PENALTY_QUADRATIC}) {
    for (const Item& item : items_) {
      if (item.facts.kind != kind || item.whole() || item.relaxed) continue;
      int32_t status = ASSAY_OK;
      if (linear && item.table->quad_add) {
        const int64_t k = F->cols;
        double* diag = empty_form(ctx, k);
        if (!diag) return ASSAY_E_MEMORY;
        double* lin = diag + k;
        status = guarded(ctx, item.id, [&] {
          return item.table->quad_add(item.self, ctx, F, diag, lin, diag + 2 * k, diag + 3 * k);
        });
        for (int64_t i = 0; i < F->rows; ++i) {
          for (int64_t a = 0; a < k; ++a) {
            double& f = cell(*F, i, a);
            f = (f - steps[i] * lin[a]) / (1 + steps[i] * diag[a]);
          }
        }
      } else if (!item.table->prox) {
        return lacks(ctx, item, "prox");
      } else if (!steps.rows) {
        status =
            guarded(ctx, item.id, [&] { return item.table->prox(item.self, ctx, F, steps.one); });
      } else {
        for (int64_t i = 0; i < F->rows && status >= 0; ++i) {
          assay_view row = *F;
          row.data = &cell(*F, i, 0);
          row.rows = 1;
          status = guarded(ctx, item.id,
                           [&] { return item.table->prox(item.self, ctx, &row, steps[i]); });
        }
      }
      if (status < 0) return status;
    }
  }
  return ASSAY_OK;
}

int32_t PenaltySet::prox_items(assay_ctx* ctx,
                               assay_view* F,
                               Steps steps,
                               const WholeTerms* whole) const {
  const bool moves = steps.rows || steps.one != 0;
  const Item* seen = nullptr;
  for (const Item& item : items_)
    if (moves && !item.set() && item.whole()) seen = &item;
  if (seen && seen->facts.flags & ASSAY_PENALTY_NO_MAJORISER) return lacks(ctx, *seen, "prox");
  if (seen) {
    const int32_t status = with_whole(ctx, *seen, *F, whole, [&](int64_t i, int64_t a, int64_t at) {
      cell(*F, i, a) -=
          steps[i] * (whole->slope(at) - whole->curvature * whole->at[static_cast<size_t>(at)]);
    });
    if (status < 0) return status;
  }
  if (moves) {
    const int32_t status = thresholds(ctx, F, steps);
    if (status < 0) return status;
  }
  if (seen) {
    for (int64_t i = 0; i < F->rows; ++i)
      for (int64_t a = 0; a < F->cols; ++a) cell(*F, i, a) /= 1 + steps[i] * whole->curvature;
  }
  const Item* set = constraint();
  if (!set || set->whole()) return ASSAY_OK;
  if (set->relaxed) {
    if (!nonneg()) return ASSAY_OK;
    for (int64_t i = 0; i < F->rows; ++i)
      for (int64_t a = 0; a < F->cols; ++a) cell(*F, i, a) = std::max(cell(*F, i, a), 0.0);
    return ASSAY_OK;
  }
  if (!set->table->prox) return lacks(ctx, *set, "projection");
  return guarded(ctx, set->id,
                 [&] { return set->table->prox(set->self, ctx, F, steps.rows ? 1 : steps.one); });
}

int32_t PenaltySet::prox(assay_ctx* ctx,
                         assay_view* F,
                         double step,
                         const WholeTerms* whole) const {
  return prox_items(ctx, F, {step, nullptr}, whole);
}

int32_t PenaltySet::prox_rows(assay_ctx* ctx,
                              assay_view* F,
                              const double* steps,
                              const WholeTerms* whole) const {
  return prox_items(ctx, F, {0, steps}, whole);
}

int32_t PenaltySet::grad(assay_ctx* ctx,
                         const assay_view* F,
                         assay_view* g,
                         const WholeTerms* whole) const {
  for (const Item& item : items_) {
    if (item.set() || item.relaxed) continue;
    int32_t status = ASSAY_OK;
    if (item.whole()) {
      status = with_whole(ctx, item, *F, whole, [&](int64_t i, int64_t a, int64_t at) {
        const double moved = cell(*F, i, a) - whole->at[static_cast<size_t>(at)];
        cell(*g, i, a) += whole->slope(at) + whole->curvature * moved;
      });
    } else if (!item.table->grad_add) {
      return lacks(ctx, item, "gradient");
    } else {
      status = guarded(ctx, item.id, [&] { return item.table->grad_add(item.self, ctx, F, g); });
    }
    if (status < 0) return status;
  }
  return ASSAY_OK;
}

int32_t PenaltySet::block_value(assay_ctx* ctx,
                                const assay_view* F,
                                double* out,
                                const WholeTerms* whole) const {
  double total = 0;
  for (const Item& item : items_) {
    double part = 0;
    int32_t status = ASSAY_OK;
    if (item.relaxed || (item.set() && item.whole())) continue;
    if (item.whole()) {
      status = with_whole(ctx, item, *F, whole, [&](int64_t i, int64_t a, int64_t at) {
        const double moved = cell(*F, i, a) - whole->at[static_cast<size_t>(at)];
        part += whole->slope(at) * moved + 0.5 * whole->curvature * moved * moved;
      });
    } else {
      status = guarded(ctx, item.id, [&] { return item.table->value(item.self, ctx, F, &part); });
    }
    if (status < 0) return status;
    total += part;
  }
  *out = total;
  return ASSAY_OK;
}

}  // namespace assay::plugin
