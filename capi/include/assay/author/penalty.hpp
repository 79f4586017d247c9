// SPDX-License-Identifier: Apache-2.0
// The vtable of a penalty: value, and those of these the class has (const but for bind):
//   prox(F, step), mu_add(F, num, den), grad_add(F, grad), quad_add(diag, lin, lower, upper),
//   bind(Call, assay_factor_facts), whole(F, num, den) -> curvature, project(F), kkt(F, G), bounds(first, lower, upper).
// facts(side) may look at the factor; value and prox may take the first row before F, and value, prox, project and whole
// the Call, whose scratch a step may use instead of allocating.
#ifndef ASSAY_AUTHOR_PENALTY_HPP
#define ASSAY_AUTHOR_PENALTY_HPP

#include <concepts>
#include <cstdint>
#include <span>
#include <string>

#include "call.hpp"

namespace assay::author {

template <class P>
constexpr assay_penalty penalty_table() {
  assay_penalty t{};
  t.struct_size = sizeof t;
  t.create = create_from_options<P>;
  t.destroy = destroy<P>;
  t.describe = [](void *self, assay_penalty_facts *out) -> int32_t {
    const uint32_t size = out->struct_size;
    const int32_t side = ASSAY_HAS(out, side) ? out->side : -1;
    return on<P>(self, nullptr, [&](P &p) {
      assay_penalty_facts facts{};
      if constexpr (requires { p.facts(side); })
        facts = p.facts(side);
      else
        facts = p.facts();
      facts.struct_size = size;
      facts.side = side;
      std::memcpy(out, &facts, size < sizeof facts ? size : sizeof facts);
    });
  };
  t.value = [](void *self, assay_ctx *ctx, const assay_view *F, double *out) -> int32_t {
    return on<P>(self, ctx, [&](const P &p) {
      if constexpr (requires { p.value(Call{}, ConstMatrix(*F)); })
        *out = p.value(Call{host_of<P>(self), ctx}, ConstMatrix(*F));
      else if constexpr (requires { p.value(int64_t{0}, ConstMatrix(*F)); })
        *out = p.value(host_of<P>(self)->first_row(ctx), ConstMatrix(*F));
      else
        *out = p.value(ConstMatrix(*F));
    });
  };
  if constexpr (requires(const P &p, Matrix F) { p.prox(F, 1.0); })
    t.prox = [](void *self, assay_ctx *ctx, assay_view *F, double step) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.prox(Matrix(*F), step); });
    };
  else if constexpr (requires(const P &p, Matrix F) { p.prox(Call{}, F, 1.0); })
    t.prox = [](void *self, assay_ctx *ctx, assay_view *F, double step) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) {
        p.prox(Call{host_of<P>(self), ctx}, Matrix(*F), step);
      });
    };
  else if constexpr (requires(const P &p, Matrix F) { p.prox(int64_t{0}, F, 1.0); })
    t.prox = [](void *self, assay_ctx *ctx, assay_view *F, double step) -> int32_t {
      return on<P>(self, ctx,
                   [&](const P &p) { p.prox(host_of<P>(self)->first_row(ctx), Matrix(*F), step); });
    };
  if constexpr (requires(const P &p, ConstMatrix F, Matrix m) { p.mu_add(F, m, m); })
    t.mu_add = [](void *self, assay_ctx *ctx, const assay_view *F, assay_view *num,
                  assay_view *den) -> int32_t {
      return on<P>(self, ctx,
                   [&](const P &p) { p.mu_add(ConstMatrix(*F), Matrix(*num), Matrix(*den)); });
    };
  if constexpr (requires(const P &p, ConstMatrix F, Matrix m) { p.grad_add(F, m); })
    t.grad_add = [](void *self, assay_ctx *ctx, const assay_view *F, assay_view *grad) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.grad_add(ConstMatrix(*F), Matrix(*grad)); });
    };
  if constexpr (requires(const P &p, std::span<double> s) { p.quad_add(s, s, s, s); })
    t.quad_add = [](void *self, assay_ctx *ctx, const assay_view *F, double *diag, double *lin,
                    double *lower, double *upper) -> int32_t {
      const int64_t k = F->flags & ASSAY_BY_COMPONENT ? F->rows : F->cols;
      return on<P>(self, ctx, [&](const P &p) {
        p.quad_add(detail::span(diag, k), detail::span(lin, k), detail::span(lower, k),
                   detail::span(upper, k));
      });
    };
  if constexpr (requires(P & p, Call c, const assay_factor_facts &f) { p.bind(c, f); })
    t.bind = [](void *self, assay_ctx *ctx, const assay_factor_facts *f) -> int32_t {
      return on<P>(self, ctx, [&](P &p) { p.bind(Call{host_of<P>(self), ctx}, *f); });
    };
  if constexpr (requires(const P &p, ConstMatrix F, Matrix m) { p.whole(F, m, m); })
    t.whole = [](void *self, assay_ctx *ctx, const assay_view *F, assay_view *num, assay_view *den,
                 double *curvature) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) {
        *curvature += p.whole(ConstMatrix(*F), Matrix(*num), Matrix(*den));
      });
    };
  else if constexpr (requires(const P &p, ConstMatrix F, Matrix m) { p.whole(Call{}, F, m, m); })
    t.whole = [](void *self, assay_ctx *ctx, const assay_view *F, assay_view *num, assay_view *den,
                 double *curvature) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) {
        *curvature +=
            p.whole(Call{host_of<P>(self), ctx}, ConstMatrix(*F), Matrix(*num), Matrix(*den));
      });
    };
  if constexpr (requires(const P &p, Matrix F) { p.project(F); })
    t.project = [](void *self, assay_ctx *ctx, assay_view *F) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.project(Matrix(*F)); });
    };
  else if constexpr (requires(const P &p, Matrix F) { p.project(Call{}, F); })
    t.project = [](void *self, assay_ctx *ctx, assay_view *F) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) {
        p.project(Call{host_of<P>(self), ctx}, Matrix(*F));
      });
    };
  if constexpr (requires(const P &p, Matrix m) { p.bounds(int64_t{0}, m, m); })
    t.bounds = [](void *self, assay_ctx *ctx, assay_view *lower, assay_view *upper) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) {
        p.bounds(host_of<P>(self)->first_row(ctx), Matrix(*lower), Matrix(*upper));
      });
    };
  if constexpr (requires(const P &p, ConstMatrix F, Matrix G) { p.kkt(F, G); })
    t.kkt = [](void *self, assay_ctx *ctx, const assay_view *F, assay_view *G) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.kkt(ConstMatrix(*F), Matrix(*G)); });
    };
  return t;
}

// Option `axis` of penalties on lines of a factor as users see it (W n x k, H k x d): true where the lines are components,
// which run along the long side (columns of W, rows of H).
inline constexpr const char *kAxes[] = {"components", "rows", "columns", nullptr};
inline bool along_components(const std::string &axis, int32_t side) {
  return axis == "components" || (axis == "rows") == (side == 1);
}
// The lines of a block: its columns (along) or its rows.
template <class T>
class Lines {
 public:
  Lines(Block2d<T> F, bool along)
      : data_(F.data()),
        count_(along ? F.cols() : F.rows()),
        length_(along ? F.rows() : F.cols()),
        next_(along ? 1 : F.stride()),
        step_(along ? F.stride() : 1) {}
  int64_t count() const { return count_; }
  int64_t length() const { return length_; }
  T &operator()(int64_t line, int64_t i) const { return data_[line * next_ + i * step_]; }

 private:
  T *data_;
  int64_t count_, length_, next_, step_;
};

}  // namespace assay::author

#endif
