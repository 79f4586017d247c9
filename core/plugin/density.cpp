// SPDX-License-Identifier: Apache-2.0
// Creation and checks of a density, and the service "assay.density/1", which finds the one of the
// call in progress in its context.
#include "core/plugin/density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "core/plugin/context.hpp"
#include "core/plugin/guard.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

Error bad(const std::string& id, const std::string& what) {
  return Error(ASSAY_E_PLUGIN, "E0414",
               fmt::format("density `{}` describes itself wrongly: {}", id, what))
      .with_help("mend `describe` of the plugin");
}

Expected<void> check(const std::string& id, const assay_density& t, const assay_density_facts& f) {
  constexpr int64_t kMost = int64_t{1} << 40;
  for (const int64_t size : {f.params, f.shared, f.derived, f.stats, f.work})
    if (size < 0 || size > kMost) return bad(id, fmt::format("a size is {}", size));
  const bool linear = (f.flags & ASSAY_DENSITY_LINEAR) != 0;
  const bool free = (f.flags & ASSAY_DENSITY_FREE) != 0;
  if (!linear && !free) return bad(id, "it is neither linear nor free");
  if (f.params < 1) return bad(id, "a component has no parameters");
  if (linear && (!t.linear || !t.offsets)) return bad(id, "linear, without `linear` and `offsets`");
  if (free && (!t.log_density || !t.accumulate))
    return bad(id, "free, without `log_density` and `accumulate`");
  if (free && f.stats < 1) return bad(id, "free, without statistics");
  if (!(f.x_lo < f.x_hi)) return bad(id, "the domain of x is empty");
  return {};
}

// Calls the model's density behind the wall; absent: what a missing optional function answers.
template <class F>
int32_t call(assay_ctx* ctx, bool absent, F&& f) {
  if (!ctx) return ASSAY_E_ARGUMENT;
  if (!ctx->density)
    return host()->set_error(ctx, ASSAY_E_PLUGIN, "asks for the density of a model that has none");
  if (absent) return ASSAY_OK;
  const Density& d = *ctx->density;
  const int32_t status = guarded(ctx, d.id(), [&] { return f(d.table(), d.self()); });
  if (status < 0) attribute(ctx, d.id(), status);
  return status;
}

template <auto Member, class... Args>
int32_t forward(assay_ctx* ctx, Args... args) {
  const bool absent = ctx && ctx->density && ctx->density->table().*Member == nullptr;
  return call(ctx, absent,
              [&](const assay_density& t, void* self) { return (t.*Member)(self, ctx, args...); });
}

int32_t sample(assay_ctx* ctx,
               const assay_density_model* m,
               int64_t c,
               uint64_t stream,
               int64_t index,
               int64_t n,
               assay_view* out) {
  if (ctx && ctx->density && !ctx->density->table().sample)
    return host()->set_error(ctx, ASSAY_E_COMBINATION, "the density draws no samples");
  return forward<&assay_density::sample>(ctx, m, c, stream, index, n, out);
}

int32_t base(assay_ctx* ctx, int64_t n, const double* x, double* out) {
  if (out) *out = 0;
  return forward<&assay_density::base>(ctx, n, x, out);
}

int32_t log_prior(assay_ctx* ctx, const assay_density_model* m, double* out) {
  if (out) *out = 0;
  return forward<&assay_density::log_prior>(ctx, m, out);
}

}  // namespace

Density::~Density() {
  if (created_ && table_->destroy) table_->destroy(self_);
}

Expected<std::shared_ptr<Density>> Density::create(const Descriptor& d,
                                                   const Options& options,
                                                   const assay_problem& problem,
                                                   double dirichlet,
                                                   int32_t compute,
                                                   int64_t saved,
                                                   std::vector<double> most) {
  auto complete = Options::complete(d.plugin->options, options, d.id);
  if (!complete) return std::move(complete.error());
  std::shared_ptr<Density> density(new Density);
  density->id_ = d.id;
  density->table_ = static_cast<const assay_density*>(d.plugin->vtable);
  assay_problem p = problem;
  p.options = complete->handle();
  assay_ctx ctx;
  int32_t status = guarded(
      &ctx, d.id, [&] { return density->table_->create(host(), &ctx, &p, &density->self_); });
  if (status < 0) return ctx.take_error(status, d.id).at("model.density");
  density->created_ = true;
  assay_density_facts& facts = density->facts_;
  facts.struct_size = sizeof facts;
  density->most_ = std::move(most);
  if (static_cast<int64_t>(density->most_.size()) == problem.d) facts.most = density->most_.data();
  facts.dirichlet = dirichlet;
  facts.saved = static_cast<int32_t>(std::clamp<int64_t>(saved, 0, INT32_MAX));
  status = guarded(&ctx, d.id, [&] { return density->table_->describe(density->self_, &facts); });
  if (status < 0) return ctx.take_error(status, d.id).at("model.density");
  facts.dirichlet = dirichlet;
  facts.f32 = compute == ASSAY_F32 ? 1 : 0;
  ASSAY_TRY(check(d.id, *density->table_, facts));
  return density;
}

const assay_density_calls* density_service() {
  static const assay_density_calls table = {sizeof(assay_density_calls),
                                            0,
                                            forward<&assay_density::start>,
                                            forward<&assay_density::prepare>,
                                            forward<&assay_density::linear>,
                                            forward<&assay_density::offsets>,
                                            base,
                                            forward<&assay_density::log_density>,
                                            forward<&assay_density::accumulate>,
                                            forward<&assay_density::maximise>,
                                            forward<&assay_density::maximise_shared>,
                                            log_prior,
                                            forward<&assay_density::moments>,
                                            sample,
                                            forward<&assay_density::recentre>};
  return &table;
}

}  // namespace assay::plugin
