// SPDX-License-Identifier: Apache-2.0
// Services "assay.tile/1" and "assay.loss/1": X and the loss of the call in progress, found in its
// context.
#include "core/plugin/context.hpp"
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

int32_t refuse(assay_ctx* ctx, const char* why) {
  return host()->set_error(ctx, ASSAY_E_PLUGIN, why);
}

int32_t line(assay_ctx* ctx, int64_t i, assay_line* out) {
  if (!ctx || !out) return ASSAY_E_ARGUMENT;
  if (!ctx->tile)
    return refuse(ctx, "asks for a line of X in a function that was not flagged ASSAY_EACH_X");
  return ctx->tile->line(i, out);
}

int32_t entries(assay_ctx* ctx, assay_entries* out) {
  if (!ctx || !out) return ASSAY_E_ARGUMENT;
  if (!ctx->tile) return refuse(ctx, "asks for a grid's entries outside a grid");
  return ctx->tile->entries(out);
}

int32_t dense(assay_ctx* ctx, int64_t first, int64_t count, assay_view* out) {
  if (!ctx || !out) return ASSAY_E_ARGUMENT;
  if (!ctx->tile) return refuse(ctx, "asks for rows of X in a function not flagged ASSAY_EACH_X");
  return ctx->tile->dense(first, count, out);
}

int32_t times(assay_ctx* ctx,
              int64_t n,
              const int64_t* rows,
              const assay_view* B,
              double* out,
              int64_t ldo) {
  if (!ctx || !B || !out) return ASSAY_E_ARGUMENT;
  if (!ctx->tile) return refuse(ctx, "asks for rows of X in a function not flagged ASSAY_EACH_X");
  return ctx->tile->times(n, rows, *B, out, ldo);
}

int32_t distances(assay_ctx* ctx,
                  int64_t n,
                  const int64_t* rows,
                  const int32_t* lines,
                  const assay_view* P,
                  const double* squares,
                  double* out) {
  if (!ctx || !lines || !P || !out) return ASSAY_E_ARGUMENT;
  if (!ctx->tile) return refuse(ctx, "asks for rows of X in a function not flagged ASSAY_EACH_X");
  return ctx->tile->distances(n, rows, lines, *P, squares, out);
}

using Span = int32_t (*kernels::LossFunctions<double>::*)(void*,
                                                          assay_ctx*,
                                                          int64_t,
                                                          const double*,
                                                          const double*,
                                                          double*);

template <Span Which>
int32_t span(assay_ctx* ctx, int64_t n, const double* x, const double* m, double* out) {
  if (!ctx || !x || !m || !out || n < 1) return ASSAY_E_ARGUMENT;
  if (!ctx->loss) return refuse(ctx, "asks for the loss of a model that has none");
  const kernels::LossFunctions<double> f = ctx->loss->functions<double>();
  if (!(f.*Which)) return host()->set_error(ctx, ASSAY_E_COMBINATION, "the loss has no curvature");
  return (f.*Which)(f.self, ctx, n, x, m, out);
}

}  // namespace

const assay_tile* tile_service() {
  static const assay_tile table = {sizeof(assay_tile), 0, line, entries, dense, times, distances};
  return &table;
}

const assay_loss_calls* loss_service() {
  using F = kernels::LossFunctions<double>;
  static const assay_loss_calls table = {sizeof(assay_loss_calls), 0, span<&F::value>,
                                         span<&F::grad>, span<&F::curvature>};
  return &table;
}

}  // namespace assay::plugin
