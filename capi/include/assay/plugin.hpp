// SPDX-License-Identifier: Apache-2.0
// Comfort for authors in C++20 over plugin.h: a class becomes a vtable whose thunks catch everything, options are typed,
// views are spans. Header-only and not part of the ABI.
//
//   struct MyLoss {
//     MyLoss(assay::author::Call, assay::author::Options);
//     assay_loss_facts facts() const;
//     void value(std::span<const double> x, std::span<const double> m, std::span<double> out) const;
//     void grad(std::span<const double> x, std::span<const double> m, std::span<double> out) const;
//   };
//   static const assay_loss vtable = assay::author::loss_table<MyLoss>();
#ifndef ASSAY_PLUGIN_HPP
#define ASSAY_PLUGIN_HPP

#include <concepts>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "factors.h"
#include "plugin.h"

namespace assay::author {

// What a thunk turns into a status and a message. Functions of a plugin throw it; nothing leaves the module.
class Failure : public std::exception {
 public:
  Failure(int32_t status, std::string text) : status_(status), text_(std::move(text)) {}
  Failure &&help(std::string text) && {
    help_ = std::move(text);
    return std::move(*this);
  }
  int32_t status() const { return status_; }
  const std::string &help() const { return help_; }
  const char *what() const noexcept override { return text_.c_str(); }

 private:
  int32_t status_;
  std::string text_, help_;
};

// Thrown where a service has already recorded the message of its status.
struct Recorded {
  int32_t status;
};

// The host and the call in progress.
struct Call {
  const assay_host *host = nullptr;
  assay_ctx *ctx = nullptr;

  // n elements of this worker's scratch, valid until the callback returns.
  template <class T>
  std::span<T> scratch(int64_t n) const {
    void *p = host->scratch(ctx, n * static_cast<int64_t>(sizeof(T)));
    if (p == nullptr) throw std::bad_alloc();
    return {static_cast<T *>(p), static_cast<size_t>(n)};
  }
  // The table of a service: service<assay_rng>("assay.rng/1").
  template <class Table>
  const Table *service(const char *id) const {
    const void *table = host->service(id);
    if (table == nullptr)
      throw Failure(ASSAY_E_NOT_FOUND, "this host has no service `" + std::string(id) + "`");
    return static_cast<const Table *>(table);
  }
  void log(const std::string &text, int32_t level = ASSAY_LOG_INFO) const {
    host->log(ctx, level, text.c_str());
  }
  // Turns a status of a service, which has recorded its message, into an exception.
  static void check(int32_t status) {
    if (status < 0) throw Recorded{status};
  }
};

// A plugin's parsed options.
class Options {
 public:
  Options(const assay_host *host, const assay_options *options) : host_(host), options_(options) {}
  double number(const char *name) const { return host_->option_number(options_, name); }
  int64_t integer(const char *name) const { return static_cast<int64_t>(number(name)); }
  bool flag(const char *name) const { return number(name) != 0; }
  bool given(const char *name) const { return host_->option_given(options_, name) != 0; }
  std::optional<std::string> text(const char *name) const {
    const char *t = host_->option_text(options_, name);
    return t ? std::optional<std::string>(t) : std::nullopt;
  }
  std::span<const double> list(const char *name) const {
    const double *p = nullptr;
    const int64_t n = host_->option_list(options_, name, &p);
    return {p, static_cast<size_t>(n)};
  }

 private:
  const assay_host *host_;
  const assay_options *options_;
};

// A row-major block: rows as spans, entries by (row, column).
template <class T>
class Block2d {
 public:
  explicit Block2d(const assay_view &v)
      : data_(static_cast<T *>(v.data)), rows_(v.rows), cols_(v.cols), stride_(v.stride) {}
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }
  T *data() const { return data_; }
  T &operator()(int64_t i, int64_t j) const { return data_[i * stride_ + j]; }
  std::span<T> row(int64_t i) const { return {data_ + i * stride_, static_cast<size_t>(cols_)}; }

 private:
  T *data_;
  int64_t rows_, cols_, stride_;
};
using Matrix = Block2d<double>;
using ConstMatrix = Block2d<const double>;

// Runs f behind the wall: 0, or the status of what was thrown, with its message recorded.
template <class F>
int32_t catching(const assay_host *host, assay_ctx *ctx, F &&f) noexcept {
  const auto failed = [&](int32_t status, const char *text) {
    return host ? host->set_error(ctx, status, text) : status;
  };
  try {
    std::forward<F>(f)();
    return ASSAY_OK;
  } catch (const Failure &e) {
    const int32_t status = failed(e.status(), e.what());
    if (host && !e.help().empty()) host->add_detail(ctx, ASSAY_DETAIL_HELP, e.help().c_str());
    return status;
  } catch (const Recorded &e) {
    return e.status;
  } catch (const std::bad_alloc &) {
    return failed(ASSAY_E_MEMORY, "no memory left");
  } catch (const std::exception &e) {
    return failed(ASSAY_E_PLUGIN, e.what());
  } catch (...) {
    return failed(ASSAY_E_PLUGIN, "an exception of unknown type");
  }
}

// What stands behind `self`: the author's object and the host it was made for.
template <class T>
struct Instance {
  const assay_host *host;
  T object;
};

template <class T>
void destroy(void *self) {
  delete static_cast<Instance<T> *>(self);
}

// Calls f(object) behind the wall.
template <class T, class F>
int32_t on(void *self, assay_ctx *ctx, F &&f) noexcept {
  auto *instance = static_cast<Instance<T> *>(self);
  return catching(instance->host, ctx, [&] { f(instance->object); });
}

template <class T>
const assay_host *host_of(void *self) {
  return static_cast<Instance<T> *>(self)->host;
}

// create of losses and penalties, and of kinds that are given a problem.
template <class T>
int32_t create_from_options(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                            void **self) {
  return catching(host, ctx, [&] {
    *self = new Instance<T>{host, T(Call{host, ctx}, Options(host, options))};
  });
}
template <class T>
int32_t create_from_problem(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                            void **self) {
  return catching(host, ctx, [&] { *self = new Instance<T>{host, T(Call{host, ctx}, *problem)}; });
}

// ---- Losses: value and grad; mu_split and curvature where the class has them; float twins where they are templates ----

namespace detail {

template <class T>
std::span<T> span(T *p, int64_t n) {
  return {p, static_cast<size_t>(n)};
}

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

// ---- Penalties: value, and those of these the class has (const but for bind):
//   prox(F, step), mu_add(F, num, den), grad_add(F, grad), quad_add(diag, lin, lower, upper),
//   bind(Call, assay_factor_facts), whole(F, num, den) -> curvature, project(F), kkt(F, G), bounds(first, lower, upper).
// facts(side) may look at the factor; value and prox may take the first row before F. ----

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
      if constexpr (requires { p.value(int64_t{0}, ConstMatrix(*F)); })
        *out = p.value(host_of<P>(self)->first_row(ctx), ConstMatrix(*F));
      else
        *out = p.value(ConstMatrix(*F));
    });
  };
  if constexpr (requires(const P &p, Matrix F) { p.prox(F, 1.0); })
    t.prox = [](void *self, assay_ctx *ctx, assay_view *F, double step) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.prox(Matrix(*F), step); });
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
  if constexpr (requires(const P &p, Matrix F) { p.project(F); })
    t.project = [](void *self, assay_ctx *ctx, assay_view *F) -> int32_t {
      return on<P>(self, ctx, [&](const P &p) { p.project(Matrix(*F)); });
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

// ---- Programs: solvers, inits, metrics ----

// One call of a block function.
class Block {
 public:
  Block(const assay_host *host, const assay_block &b) : call_{host, b.ctx}, b_(b) {}
  int64_t first() const { return b_.first; }
  int64_t count() const { return b_.count; }
  int32_t axis() const { return b_.axis; }
  int32_t tag() const { return b_.tag; }
  Matrix matrix(int32_t arg) const { return Matrix(b_.arg[arg]); }
  const assay_view &view(int32_t arg) const { return b_.arg[arg]; }
  double &number(int32_t arg) const { return *static_cast<double *>(b_.arg[arg].data); }
  const Call &call() const { return call_; }

 private:
  Call call_;
  const assay_block &b_;
};

namespace detail {

template <class>
struct member_of;
template <class T>
struct member_of<void (T::*)(const Block &) const> {
  using type = T;
};

template <auto Member>
int32_t block_thunk(void *self, const assay_block *b) {
  using T = typename member_of<decltype(Member)>::type;
  auto *instance = static_cast<Instance<T> *>(self);
  return catching(instance->host, b->ctx,
                  [&] { (instance->object.*Member)(Block(instance->host, *b)); });
}

}  // namespace detail

// The builder with names for what programs are made of. Errors are sticky: status() has the first.
class Builder {
 public:
  explicit Builder(assay_builder *b) : b_(b) {}
  assay_buf factor(int32_t side) const { return b_->factor(b_, side); }
  assay_buf given(int32_t which) const { return b_->given(b_, which); }
  assay_buf buffer(const char *name, int32_t axis, int32_t role, int64_t rows, int64_t width,
                   bool zero = false, uint32_t flags = 0) const {
    assay_buffer d{};
    d.struct_size = sizeof d;
    d.flags = flags;
    d.name = name;
    d.axis = axis;
    d.role = role;
    d.dtype = role == ASSAY_SUM ? ASSAY_F64 : ASSAY_NUM;
    d.zero = zero ? 1 : 0;
    d.rows = rows;
    d.width = width;
    return b_->buffer(b_, &d);
  }
  // Of width `width` (0: the rank) on ROWS or COLS.
  assay_buf local(const char *name, int32_t axis, int64_t width = 0) const {
    return buffer(name, axis, ASSAY_LOCAL, 0, width);
  }
  // rows x width on neither axis.
  assay_buf small(const char *name, int64_t rows, int64_t width) const {
    return buffer(name, ASSAY_ONE, ASSAY_LOCAL, rows, width);
  }
  assay_buf sum(const char *name, int64_t rows, int64_t width) const {
    return buffer(name, ASSAY_ONE, ASSAY_SUM, rows, width);
  }
  void times(assay_buf out, assay_buf left, assay_buf right, uint32_t flags = 0) const {
    b_->times(b_, out, left, right, flags);
  }
  void gram(assay_buf out, assay_buf left, assay_buf right) const {
    b_->gram(b_, out, left, right);
  }
  // The loss at M = left right': see assay_terms.
  struct Terms {
    int32_t what, axis;
    assay_buf left, right, out0, out1, value;
    uint32_t flags;
  };
  void terms(const Terms &given) const {
    assay_terms t{};
    t.struct_size = sizeof t;
    t.flags = given.flags;
    t.what = given.what;
    t.axis = given.axis;
    t.left = given.left;
    t.right = given.right;
    t.out0 = given.out0;
    t.out1 = given.out1;
    t.value = given.value;
    b_->terms(b_, &t);
  }
  // At the model: M = W H', or W S H'.
  void terms(int32_t what, int32_t axis, assay_buf out0, assay_buf out1, assay_buf value = ASSAY_NO,
             uint32_t flags = 0) const {
    terms({what, axis, factor(ASSAY_LEFT), factor(1), out0, out1, value, flags});
  }
  // Member: void (T::*)(const Block&) const, T the plugin's class.
  template <auto Member>
  void each(const char *name, int32_t axis, std::initializer_list<assay_arg> args,
            int32_t tag = 0) const {
    assay_each e{};
    e.struct_size = sizeof e;
    e.name = name;
    e.axis = axis;
    e.n_args = static_cast<int32_t>(args.size());
    e.fn = detail::block_thunk<Member>;
    e.args = args.begin();
    e.tag = tag;
    b_->each(b_, &e);
  }
  void report(const char *name, assay_buf buffer) const { b_->report(b_, name, buffer); }
  int32_t status() const { return b_->status(b_); }

 private:
  assay_builder *b_;
};

// build of solvers, inits and metrics: T::build(Builder, purpose).
template <class T>
int32_t build(void *self, assay_builder *b, int32_t purpose) {
  const Builder builder(b);
  const int32_t status =
      on<T>(self, nullptr, [&](const T &object) { object.build(builder, purpose); });
  return status < 0 ? status : builder.status();
}

template <class T>
constexpr assay_init init_table() {
  return {sizeof(assay_init), 0, create_from_problem<T>, build<T>, destroy<T>};
}
template <class T>
constexpr assay_solver solver_table(uint32_t needs_loss, uint32_t needs_penalty, uint32_t takes_data,
                                    const char *implies, uint32_t flags = 0) {
  return {sizeof(assay_solver), flags,   needs_loss,
          needs_penalty,        takes_data, 0,
          implies,              create_from_problem<T>, build<T>, destroy<T>};
}
template <class T>
constexpr assay_metric metric_table(uint32_t flags) {
  return {sizeof(assay_metric), flags, create_from_problem<T>, build<T>, destroy<T>, nullptr};
}

// A descriptor: kind, id and what the card says; options and vtable live as long as the module.
constexpr assay_plugin describe(const char *kind, const char *id, const char *summary,
                                const char *citation, const char *maths,
                                const assay_option *options, const void *vtable,
                                uint32_t flags = 0) {
  return {
      sizeof(assay_plugin), flags, kind, id, summary, citation, maths, options, vtable, nullptr};
}

// An entry of an option table.
constexpr assay_option number_option(const char *name, const char *doc, double def, double lo,
                                     double hi) {
  return {name, doc, ASSAY_OPT_FLOAT, 0, def, lo, hi, nullptr, nullptr};
}
constexpr assay_option integer_option(const char *name, const char *doc, int64_t def, int64_t lo,
                                      int64_t hi) {
  return {name,
          doc,
          ASSAY_OPT_INT,
          0,
          static_cast<double>(def),
          static_cast<double>(lo),
          static_cast<double>(hi),
          nullptr,
          nullptr};
}
constexpr assay_option text_option(const char *name, const char *doc, const char *def) {
  return {name, doc, ASSAY_OPT_STRING, 0, 0, 0, 0, def, nullptr};
}
constexpr assay_option path_option(const char *name, const char *doc, uint32_t flags) {
  return {name, doc, ASSAY_OPT_PATH, flags, 0, 0, 0, nullptr, nullptr};
}
constexpr assay_option bool_option(const char *name, const char *doc, bool def) {
  return {name, doc, ASSAY_OPT_BOOL, 0, def ? 1.0 : 0.0, 0, 1, nullptr, nullptr};
}
constexpr assay_option enum_option(const char *name, const char *doc, const char *def,
                                   const char *const *values) {
  return {name, doc, ASSAY_OPT_ENUM, 0, 0, 0, 0, def, values};
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
inline constexpr assay_option kNoMoreOptions{nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr};

}  // namespace assay::author

#endif
