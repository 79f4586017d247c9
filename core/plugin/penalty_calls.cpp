// SPDX-License-Identifier: Apache-2.0
// Service "assay.penalty/1": the penalties of the factor a call is about, found in its context.
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

const PenaltySet& set_of(const assay_ctx* ctx, int32_t side) {
  static const PenaltySet none;
  const PenaltySet* set = ctx->penalties[side];
  return set ? *set : none;
}

bool usable(const assay_ctx* ctx, int32_t side) { return ctx != nullptr && side >= 0 && side < 3; }

// While H's penalties are called from a grid, the first row is that of H's slice.
class Placed {
 public:
  Placed(assay_ctx* ctx, int32_t side) : ctx_(ctx), before_(ctx->first) {
    if (side == 1 && ctx->first_column >= 0) ctx->first = ctx->first_column;
  }
  ~Placed() { ctx_->first = before_; }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

 private:
  assay_ctx* ctx_;
  int64_t before_;
};

const WholeTerms* terms_of(const assay_ctx* ctx, int32_t side) { return ctx->whole[side]; }

int32_t mu(assay_ctx* ctx, int32_t side, const assay_view* F, assay_view* num, assay_view* den) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).mu(ctx, F, num, den, terms_of(ctx, side));
}

int32_t quad(assay_ctx* ctx,
             int32_t side,
             const assay_view* F,
             double* diag,
             double* lin,
             double* lower,
             double* upper) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).quad(ctx, F, diag, lin, lower, upper);
}

int32_t quad_rows(assay_ctx* ctx,
                  int32_t side,
                  const assay_view* F,
                  double* diag,
                  assay_view* lin,
                  assay_view* lower,
                  assay_view* upper) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).quad_rows(ctx, F, diag, lin, lower, upper, terms_of(ctx, side));
}

int32_t prox(assay_ctx* ctx, int32_t side, assay_view* F, double step) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).prox(ctx, F, step, terms_of(ctx, side));
}

int32_t prox_rows(assay_ctx* ctx, int32_t side, assay_view* F, const double* steps) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).prox_rows(ctx, F, steps, terms_of(ctx, side));
}

int32_t grad(assay_ctx* ctx, int32_t side, const assay_view* F, assay_view* g) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).grad(ctx, F, g, terms_of(ctx, side));
}

int32_t value(assay_ctx* ctx, int32_t side, const assay_view* F, double* out) {
  if (!usable(ctx, side)) return ASSAY_E_ARGUMENT;
  const Placed placed(ctx, side);
  return set_of(ctx, side).block_value(ctx, F, out, terms_of(ctx, side));
}

}  // namespace

const assay_penalty_calls* penalty_service() {
  static const assay_penalty_calls table = {
      sizeof(assay_penalty_calls), 0, mu, quad, prox, grad, value, prox_rows, quad_rows};
  return &table;
}

}  // namespace assay::plugin
