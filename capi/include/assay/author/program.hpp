// SPDX-License-Identifier: Apache-2.0
// Step programs: the builder with names, block functions as members, and the vtables of solvers, inits and metrics.
#ifndef ASSAY_AUTHOR_PROGRAM_HPP
#define ASSAY_AUTHOR_PROGRAM_HPP

#include <cstdint>
#include <initializer_list>

#include "call.hpp"

namespace assay::author {

// One call of a block function.
class Block {
 public:
  Block(const assay_host *host, const assay_block &b) : call_{host, b.ctx}, b_(b) {}
  int64_t first() const { return b_.first; }
  int64_t count() const { return b_.count; }
  // Which row (column) of X row i of the block is.
  int64_t index(int64_t i) const { return b_.row ? b_.row[i] : b_.first + i; }
  int64_t step() const { return b_.step; }
  int64_t turn() const { return b_.turn; }
  int32_t axis() const { return b_.axis; }
  int32_t tag() const { return b_.tag; }
  Matrix matrix(int32_t arg) const { return Matrix(b_.arg[arg]); }
  Block2d<float> floats(int32_t arg) const { return Block2d<float>(b_.arg[arg]); }
  Block2d<int32_t> labels(int32_t arg) const { return Block2d<int32_t>(b_.arg[arg]); }
  const assay_view &view(int32_t arg) const { return b_.arg[arg]; }
  double &number(int32_t arg) const { return *static_cast<double *>(b_.arg[arg].data); }
  int32_t views() const { return b_.n_args; }
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

template <auto Member, class T>
int32_t block_thunk(void *self, const assay_block *b) {
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
    d.dtype = role >= ASSAY_SUM ? ASSAY_F64 : ASSAY_NUM;
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
  // The m least keys of a sweep and their rows.
  assay_buf smallest(const char *name, int64_t m) const {
    return buffer(name, ASSAY_ONE, ASSAY_SMALLEST, m, 2);
  }
  // Integers on ROWS, `width` to a row: labels for times.
  assay_buf labels(const char *name, int32_t role, int64_t width, uint32_t flags = 0) const {
    assay_buffer d{};
    d.struct_size = sizeof d;
    d.flags = flags;
    d.name = name;
    d.axis = ASSAY_ROWS;
    d.role = role;
    d.dtype = ASSAY_I32;
    d.zero = role == ASSAY_STATE ? 1 : 0;
    d.width = width;
    return b_->buffer(b_, &d);
  }
  // float32, a Block2d<float> to functions: STATE on ROWS, or a LOCAL of `rows` on ONE.
  assay_buf floats(const char *name, int32_t role, int64_t rows, int64_t width) const {
    assay_buffer d{};
    d.struct_size = sizeof d;
    d.name = name;
    d.axis = role == ASSAY_STATE ? ASSAY_ROWS : ASSAY_ONE;
    d.role = role;
    d.dtype = ASSAY_F32;
    d.zero = role == ASSAY_STATE ? 1 : 0;
    d.rows = rows;
    d.width = width;
    return b_->buffer(b_, &d);
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
  // Normal equations of every row of the factor on axis at M = W H': gram k x k a row, right side.
  void normals(int32_t axis, assay_buf gram, assay_buf rhs) const {
    assay_normals t{};
    t.struct_size = sizeof t;
    t.axis = axis;
    t.left = factor(0);
    t.right = factor(1);
    t.gram = gram;
    t.rhs = rhs;
    b_->normals(b_, &t);
  }
  // Member: void (T::*)(const Block&) const, T the plugin's class (given where Member is of a base); flags: ASSAY_EACH_X.
  template <auto Member, class T = typename detail::member_of<decltype(Member)>::type>
  void each(const char *name, int32_t axis, std::initializer_list<assay_arg> args, int32_t tag = 0,
            uint32_t flags = 0) const {
    each<Member, T>(name, axis, std::span<const assay_arg>(args.begin(), args.size()), tag, flags);
  }
  template <auto Member, class T = typename detail::member_of<decltype(Member)>::type>
  void each(const char *name, int32_t axis, std::span<const assay_arg> args, int32_t tag = 0,
            uint32_t flags = 0) const {
    assay_each e{};
    e.struct_size = sizeof e;
    e.flags = flags;
    e.name = name;
    e.axis = axis;
    e.n_args = static_cast<int32_t>(args.size());
    e.fn = detail::block_thunk<Member, T>;
    e.args = args.data();
    e.tag = tag;
    b_->each(b_, &e);
  }
  // The lines up to end(): see assay_builder.
  void batches(int64_t size, int32_t order, uint64_t stream) const {
    b_->batches(b_, size, order, stream);
  }
  void loop(int64_t max, assay_buf until) const { b_->loop(b_, max, until); }
  void end() const { b_->end(b_); }
  void gather(assay_buf out, assay_buf rows) const { b_->gather(b_, out, rows); }
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
constexpr assay_solver solver_table(uint32_t needs_loss, uint32_t needs_penalty,
                                    uint32_t takes_data, const char *implies, uint32_t flags = 0,
                                    const char *transforms = nullptr,
                                    const char *start = nullptr) {
  assay_solver t{sizeof(assay_solver),   flags,    needs_loss, needs_penalty, takes_data, 0,
                 implies,                create_from_problem<T>, build<T>, destroy<T>, transforms,
                 start,                  nullptr};
  if constexpr (requires(const T &object) { object.starts(); })
    t.starts = [](void *self) -> int64_t {
      int64_t starts = 1;
      on<T>(self, nullptr, [&](const T &object) { starts = object.starts(); });
      return starts;
    };
  return t;
}
template <class T>
constexpr assay_metric metric_table(uint32_t flags) {
  return {sizeof(assay_metric), flags, create_from_problem<T>, build<T>, destroy<T>, nullptr};
}

}  // namespace assay::author

#endif
