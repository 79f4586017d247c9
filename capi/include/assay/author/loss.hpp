// SPDX-License-Identifier: Apache-2.0
// The vtable of a loss: value and grad; mu_split and curvature where the class has them; float twins where they are templates.
#ifndef ASSAY_AUTHOR_LOSS_HPP
#define ASSAY_AUTHOR_LOSS_HPP

#include <cstdint>
#include <span>

#include "call.hpp"

namespace assay::author {

namespace detail {

#define ASSAY_AUTHOR_SPAN_(name)                                                                \
  template <class L, class R>                                                                   \
  concept has_##name = requires(const L &l, std::span<const R> x, std::span<R> out) {           \
    l.name(x, x, out);                                                                          \
  };                                                                                            \
  template <class L, class R>                                                                   \
  int32_t name(void *self, assay_ctx *ctx, int64_t n, const R *x, const R *m, R *out) {         \
    return on<L>(self, ctx, [&](const L &l) { l.name(span(x, n), span(m, n), span(out, n)); }); \
  }
ASSAY_AUTHOR_SPAN_(value)
ASSAY_AUTHOR_SPAN_(grad)
ASSAY_AUTHOR_SPAN_(curvature)
#undef ASSAY_AUTHOR_SPAN_

template <class L, class R>
concept has_mu_split = requires(const L &l, std::span<const R> x, std::span<R> out) {
  l.mu_split(x, x, out, out);
};
template <class L, class R>
int32_t mu_split(void *self, assay_ctx *ctx, int64_t n, const R *x, const R *m, R *num, R *den) {
  return on<L>(self, ctx,
               [&](const L &l) { l.mu_split(span(x, n), span(m, n), span(num, n), span(den, n)); });
}

}  // namespace detail

template <class L>
constexpr assay_loss loss_table() {
  assay_loss t{};
  t.struct_size = sizeof t;
  t.create = create_from_options<L>;
  t.destroy = destroy<L>;
  t.describe = [](void *self, assay_loss_facts *out) -> int32_t {
    const uint32_t size = out->struct_size;
    return on<L>(self, nullptr, [&](const L &l) {
      *out = l.facts();
      out->struct_size = size;
    });
  };
  t.value = detail::value<L, double>;
  t.grad = detail::grad<L, double>;
  if constexpr (detail::has_mu_split<L, double>) t.mu_split = detail::mu_split<L, double>;
  if constexpr (detail::has_curvature<L, double>) t.curvature = detail::curvature<L, double>;
  if constexpr (detail::has_value<L, float>) t.value_f32 = detail::value<L, float>;
  if constexpr (detail::has_grad<L, float>) t.grad_f32 = detail::grad<L, float>;
  if constexpr (detail::has_mu_split<L, float>) t.mu_split_f32 = detail::mu_split<L, float>;
  if constexpr (detail::has_curvature<L, float>) t.curvature_f32 = detail::curvature<L, float>;
  return t;
}

}  // namespace assay::author

#endif
