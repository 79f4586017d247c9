// SPDX-License-Identifier: Apache-2.0
// A loss in use: created, described, checked, and its span functions behind the exception wall.
#include "core/plugin/instance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/plugin/guard.hpp"
#include "core/plugin/probe.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

// What stands behind `self` of the walled functions.
const Loss& loss_of(void* self) { return *static_cast<const Loss*>(self); }

// What the header calls a function of the table.
template <auto Member>
constexpr const char* name_of() {
  using Slot = std::remove_const_t<decltype(Member)>;
  const auto is = [](auto slot) {
    if constexpr (std::is_same_v<Slot, decltype(slot)>) return Member == slot;
    return false;
  };
  if (is(&assay_loss::value)) return "value";
  if (is(&assay_loss::value_f32)) return "value_f32";
  if (is(&assay_loss::grad)) return "grad";
  if (is(&assay_loss::grad_f32)) return "grad_f32";
  if (is(&assay_loss::curvature)) return "curvature";
  if (is(&assay_loss::curvature_f32)) return "curvature_f32";
  if (is(&assay_loss::mu_split)) return "mu_split";
  if (is(&assay_loss::mu_split_f32)) return "mu_split_f32";
  return "log_density";
}

// A status below 0 with the loss, and with its function where it gave no message.
int32_t told(assay_ctx* ctx, const Loss& l, const char* function, int32_t status) {
  if (status >= 0 || ctx == nullptr) return status;
  const bool silent = !ctx->failed;
  attribute(ctx, l.id(), status);
  if (silent) ctx->error.message = fmt::format("`{}` of {}", function, ctx->error.message);
  return status;
}

// f(x, m, out) and f(x, m, num, den) of the table behind the wall; Member points at the function's
// slot.
template <class T, auto Member>
int32_t walled(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m, T* out) {
  const Loss& l = loss_of(self);
  const int32_t status =
      guarded(ctx, l.id(), [&] { return (l.table()->*Member)(l.self(), ctx, n, x, m, out); });
  return told(ctx, l, name_of<Member>(), status);
}

int32_t squares_at_mean(void* self,
                        assay_ctx*,
                        int64_t n,
                        const double* x,
                        const double* m,
                        double* out) {
  std::copy_n(m, n, out);
  loss_of(self).to_means(n, out);
  for (int64_t i = 0; i < n; ++i) out[i] = 0.5 * (x[i] - out[i]) * (x[i] - out[i]);
  return ASSAY_OK;
}

template <class T, auto Member>
int32_t
walled_split(void* self, assay_ctx* ctx, int64_t n, const T* x, const T* m, T* num, T* den) {
  const Loss& l = loss_of(self);
  const int32_t status =
      guarded(ctx, l.id(), [&] { return (l.table()->*Member)(l.self(), ctx, n, x, m, num, den); });
  return told(ctx, l, name_of<Member>(), status);
}

// The closed end the model is kept at. At an open end: so near to it that no data notice, so far
// that x / m and its square stay finite.
template <class T>
T closed_lo(double lo, bool open) {
  constexpr double kGap = sizeof(T) == 8 ? 0x1p-500 : 0x1p-60;
  if (!std::isfinite(lo)) return -std::numeric_limits<T>::max();
  if (!open) return static_cast<T>(lo);
  return static_cast<T>(lo + std::max(kGap, std::abs(lo) * 4 * std::numeric_limits<T>::epsilon()));
}

template <class T>
T closed_hi(double hi, bool open) {
  return -closed_lo<T>(-hi, open);
}

Error bad_facts(const std::string& id, const std::string& what) {
  return Error(ASSAY_E_PLUGIN, "E0414",
               fmt::format("loss `{}` describes itself wrongly: {}", id, what))
      .with_help("mend `describe` of the plugin");
}

// Facts a plugin may leave at 0 get their meaning.
void fill_unknown(assay_loss_facts& f) {
  if (f.mu_exponent == 0) f.mu_exponent = 1;
  if (f.curvature_bound == 0) f.curvature_bound = std::numeric_limits<double>::infinity();
  if (!(f.den_is > 0)) f.den_is = std::nan("");
}

Expected<void> check(const std::string& id, const assay_loss_facts& f) {
  if (!(f.x_lo < f.x_hi)) return bad_facts(id, "the domain of x is empty");
  if (!(f.m_lo < f.m_hi)) return bad_facts(id, "the domain of m is empty");
  if (!(f.mu_exponent > 0 && f.mu_exponent <= 1))
    return bad_facts(id, fmt::format("mu_exponent is {}, not in (0, 1]", f.mu_exponent));
  if (f.zero_term < ASSAY_ZERO_NONE || f.zero_term > ASSAY_ZERO_QUADRATIC)
    return bad_facts(id, fmt::format("zero_term is {}", f.zero_term));
  if (!std::isfinite(f.zero_a)) return bad_facts(id, "zero_a is not finite");
  return {};
}

}  // namespace

Loss::~Loss() {
  if (table_ && table_->destroy && self_) table_->destroy(self_);
}

Expected<std::shared_ptr<Loss>> Loss::create(const Descriptor& d, const Options& options) {
  if (d.kind != "loss")
    return Error(ASSAY_E_COMBINATION, "E0207",
                 fmt::format("`{}` is a {}, not a loss", d.id, d.kind));
  auto complete = Options::complete(d.plugin->options, options, d.id);
  if (!complete) return std::move(complete.error());
  std::shared_ptr<Loss> loss(new Loss);
  loss->id_ = d.id;
  const auto* table = static_cast<const assay_loss*>(d.plugin->vtable);
  assay_ctx ctx;
  int32_t status = guarded(&ctx, d.id, [&] {
    return table->create ? table->create(host(), &ctx, complete->handle(), &loss->self_) : ASSAY_OK;
  });
  if (status < 0) return ctx.take_error(status, d.id);
  loss->table_ = table;
  loss->facts_.struct_size = sizeof(assay_loss_facts);
  status = guarded(&ctx, d.id, [&] { return table->describe(loss->self_, &loss->facts_); });
  if (status < 0) return ctx.take_error(status, d.id);
  fill_unknown(loss->facts_);
  ASSAY_TRY(check(d.id, loss->facts_));
  ASSAY_TRY(probe(*loss));
  return loss;
}

bool Loss::has_mu_split() const { return table_->mu_split != nullptr; }
bool Loss::has_curvature() const { return table_->curvature != nullptr; }
bool Loss::has_log_density() const {
  return ASSAY_HAS(table_, log_density) && table_->log_density != nullptr &&
         facts_.noise != ASSAY_NOISE_NONE;
}

template <>
kernels::LossFunctions<double> Loss::functions() const {
  kernels::LossFunctions<double> f;
  f.self = const_cast<Loss*>(this);
  f.value = walled<double, &assay_loss::value>;
  f.grad = walled<double, &assay_loss::grad>;
  if (table_->curvature) f.curvature = walled<double, &assay_loss::curvature>;
  if (table_->mu_split) f.mu_split = walled_split<double, &assay_loss::mu_split>;
  f.tag = facts_.tag;
  f.m_lo = closed_lo<double>(facts_.m_lo, facts_.flags & ASSAY_LOSS_M_LO_OPEN);
  f.m_hi = closed_hi<double>(facts_.m_hi, facts_.flags & ASSAY_LOSS_M_HI_OPEN);
  return f;
}

template <>
kernels::LossFunctions<float> Loss::functions() const {
  kernels::LossFunctions<float> f;
  f.self = const_cast<Loss*>(this);
  if (table_->value_f32) f.value = walled<float, &assay_loss::value_f32>;
  if (table_->grad_f32) f.grad = walled<float, &assay_loss::grad_f32>;
  if (table_->curvature_f32) f.curvature = walled<float, &assay_loss::curvature_f32>;
  if (table_->mu_split_f32) f.mu_split = walled_split<float, &assay_loss::mu_split_f32>;
  f.tag = facts_.tag;
  f.m_lo = closed_lo<float>(facts_.m_lo, facts_.flags & ASSAY_LOSS_M_LO_OPEN);
  f.m_hi = closed_hi<float>(facts_.m_hi, facts_.flags & ASSAY_LOSS_M_HI_OPEN);
  return f;
}

bool Loss::has_link() const {
  return facts_.tag == ASSAY_TAG_LOGISTIC || facts_.tag == ASSAY_TAG_POISSON_LOG;
}

void Loss::to_means(int64_t n, double* m) const {
  if (!has_link()) return;
  const bool odds = facts_.tag == ASSAY_TAG_LOGISTIC;
  for (int64_t i = 0; odds && i < n; ++i) m[i] = -m[i];
  math_service()->exp(n, m, m);
  for (int64_t i = 0; odds && i < n; ++i) m[i] = 1 / (1 + m[i]);
}

kernels::LossFunctions<double> Loss::squared_at_mean() const {
  kernels::LossFunctions<double> f = functions<double>();
  f.value = squares_at_mean;
  f.tag = ASSAY_TAG_NONE;
  return f;
}

kernels::LossFunctions<double> Loss::density() const {
  kernels::LossFunctions<double> f = functions<double>();
  f.value = walled<double, &assay_loss::log_density>;
  f.tag = ASSAY_TAG_NONE;
  return f;
}

}  // namespace assay::plugin
