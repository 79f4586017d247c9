// SPDX-License-Identifier: Apache-2.0
// The E-step of a mixture as lines of a program, for solvers that fit one and metrics that read it. The model is STATE on
// ONE, of these names: `weights` 1 x k, `parameters` and `shared` as density.h has them. For every row
//   a_c = log pi_c + log p(x | c),   log p(x) = log sum_c exp a_c,   r_c = exp(a_c - log p(x)).
#ifndef ASSAY_AUTHOR_MIXTURE_HPP
#define ASSAY_AUTHOR_MIXTURE_HPP

#include <algorithm>
#include <cmath>
#include <vector>

#include "../density.h"
#include "program.hpp"

namespace assay::author {

// The weight of a component that is gone, in logarithms: finite, and its exponential is 0 beside any other.
constexpr double kNoWeight = -1e290;

// Sums over rows, with their weights: log p(x); sum_c r_c a_c, the expected complete log-likelihood; the largest a_c; the
// rows themselves.
enum { kLogLikelihood, kComplete, kHard, kRows, kSums };

namespace detail {

// Lines of 64 doubles, one a component: a becomes r, `top` log p. One exponential an entry, the largest subtracted first.
ASSAY_SIMD static inline void largest_of(int64_t n, int64_t k, const double *__restrict__ a,
                                         double *__restrict__ top) {
  for (int64_t i = 0; i < n; ++i) top[i] = a[i];
  for (int64_t c = 1; c < k; ++c)
    for (int64_t i = 0; i < n; ++i)
      top[i] = a[c * ASSAY_DENSITY_ROWS + i] > top[i] ? a[c * ASSAY_DENSITY_ROWS + i] : top[i];
}
ASSAY_SIMD static inline void less(int64_t n, int64_t k, const double *__restrict__ top,
                                   const double *__restrict__ a, double *__restrict__ r) {
  for (int64_t c = 0; c < k; ++c)
    for (int64_t i = 0; i < n; ++i)
      r[c * ASSAY_DENSITY_ROWS + i] = a[c * ASSAY_DENSITY_ROWS + i] - top[i];
}
ASSAY_SIMD static inline void total(int64_t n, int64_t k, const double *__restrict__ r,
                                    double *__restrict__ sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] = r[i];
  for (int64_t c = 1; c < k; ++c)
    for (int64_t i = 0; i < n; ++i) sum[i] += r[c * ASSAY_DENSITY_ROWS + i];
}
ASSAY_SIMD static inline void divide(int64_t n, int64_t k, const double *__restrict__ sum,
                                     double *__restrict__ r) {
  for (int64_t c = 0; c < k; ++c)
    for (int64_t i = 0; i < n; ++i) r[c * ASSAY_DENSITY_ROWS + i] /= sum[i];
}
// sum_c r_c a_c of each row; what has no weight adds nothing.
ASSAY_SIMD static inline void expect(int64_t n, int64_t k, const double *__restrict__ r,
                                     const double *__restrict__ a, double *__restrict__ sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] = 0;
  for (int64_t c = 0; c < k; ++c)
    for (int64_t i = 0; i < n; ++i)
      sum[i] += r[c * ASSAY_DENSITY_ROWS + i] > 0
                    ? r[c * ASSAY_DENSITY_ROWS + i] * a[c * ASSAY_DENSITY_ROWS + i]
                    : 0;
}

}  // namespace detail

// Base of a plugin that states E-steps. T: the class itself.
template <class T>
class Mixture {
 public:
  // needed: false where a model that is no mixture will do, and no line below is asked for.
  Mixture(Call call, const assay_problem &p, bool needed = true)
      : n_(p.n), d_(p.d), k_(p.k[0]), unequal_((p.flags & ASSAY_PROBLEM_UNEQUAL) != 0) {
    if (p.density == nullptr && !needed) return;
    if (p.density == nullptr)
      throw Failure(ASSAY_E_COMBINATION, "the model is no mixture")
          .help("`model: { kind: mixture, components: 3, density: gaussian }`");
    facts_ = *p.density;
    density_ = call.service<assay_density_calls>("assay.density/1");
    tile_ = call.service<assay_tile>("assay.tile/1");
    math_ = call.service<assay_math>("assay.math/1");
    const bool linear = (facts_.flags & ASSAY_DENSITY_LINEAR) != 0;
    const bool free = (facts_.flags & ASSAY_DENSITY_FREE) != 0;
    const bool stable = (facts_.flags & ASSAY_DENSITY_STABLE) != 0;
    // Sparse X with a quarter of its entries stored is as fast made dense, and loses no digits.
    const bool thin = p.sparse != 0 && p.nnz < p.n * p.d / 4;
    linear_ = linear && (!free || thin || stable);
    if (unequal_) {
      linear_ = linear_ && !free;
      missing_ = (facts_.flags & ASSAY_DENSITY_MISSING) != 0;
    }
  }

 protected:
  struct Lines {
    assay_buf weights, params, shared, equal, derived, offsets, prior, B, B2;
  };

  // The model's buffers. equal: 1 where weights are held equal and are no parameters.
  Lines state(const Builder &b) const {
    Lines m{};
    m.weights = b.buffer("weights", ASSAY_ONE, ASSAY_STATE, 1, k_, true, ASSAY_BUFFER_OUTPUT);
    m.params = b.buffer("parameters", ASSAY_ONE, ASSAY_STATE, k_, facts_.params, true);
    m.shared =
        b.buffer("shared", ASSAY_ONE, ASSAY_STATE, 1, std::max<int64_t>(1, facts_.shared), true);
    m.equal = b.buffer("equal_weights", ASSAY_ONE, ASSAY_STATE, 1, 1, true);
    m.derived = m.offsets = m.prior = m.B = m.B2 = ASSAY_NO;
    return m;
  }

  // What the E-step reads: Cholesky factors, say, once per step. prefix: of the names.
  void prepare(const Builder &b, Lines &m, const std::string &prefix) const {
    m.derived = b.small((prefix + "derived").c_str(), k_, std::max<int64_t>(1, facts_.derived));
    m.offsets = b.small((prefix + "offsets").c_str(), 1, k_);
    m.prior = b.small((prefix + "prior").c_str(), 1, 1);
    b.each<&Mixture::prepare_model, T>((prefix + "prepare").c_str(), ASSAY_ONE,
                                       {{m.params, ASSAY_IN},
                                        {m.shared, ASSAY_IN},
                                        {m.weights, ASSAY_IN},
                                        {m.derived, ASSAY_OUT},
                                        {m.offsets, ASSAY_OUT},
                                        {m.prior, ASSAY_OUT}});
    if (!linear_) return;
    m.B = b.local((prefix + "B").c_str(), ASSAY_COLS);
    std::vector<assay_arg> args = {
        {m.params, ASSAY_IN}, {m.shared, ASSAY_IN}, {m.derived, ASSAY_IN}, {m.B, ASSAY_OUT}};
    if (squares()) {
      m.B2 = b.local((prefix + "B2").c_str(), ASSAY_COLS);
      args.push_back({m.B2, ASSAY_OUT});
    }
    b.each<&Mixture::state_linear, T>((prefix + "linear").c_str(), ASSAY_COLS, args);
  }

  // What an E-step leaves, ASSAY_NO for what is not wanted: on ROWS responsibilities (n x k) and log p(x) (n x 1); SUMs
  // on ONE: kSums numbers, the statistics (FREE: k x stats; LINEAR: k x 1, N alone).
  struct Wanted {
    assay_buf resp = ASSAY_NO, log_density = ASSAY_NO, sums = ASSAY_NO, stats = ASSAY_NO;
    int32_t tag = 0;    // more bits for temperature(), from 1 << 16 on
    bool base = false;  // LINEAR: log p(x) with base(x), which asks for X once more
  };
  void expect(const Builder &b, const Lines &m, const Wanted &w, const std::string &prefix) const {
    std::vector<assay_arg> args = {{m.params, ASSAY_IN},
                                   {m.shared, ASSAY_IN},
                                   {m.derived, ASSAY_IN},
                                   {m.offsets, ASSAY_IN},
                                   {b.given(ASSAY_ROW_WEIGHTS), ASSAY_IN},
                                   {w.sums, ASSAY_ADD}};
    int32_t tag = w.tag;
    const auto want = [&](assay_buf buffer, int32_t access, int32_t bit) {
      if (buffer == ASSAY_NO) return;
      args.push_back({buffer, access});
      tag |= bit;
    };
    want(w.resp, ASSAY_OUT, kResp);
    want(w.log_density, ASSAY_OUT, kLog);
    want(w.stats, ASSAY_ADD, kStats);
    uint32_t flags = linear_ && !w.base ? 0 : uint32_t{ASSAY_EACH_X};
    if (linear_) {
      const assay_buf R = b.local((prefix + "R").c_str(), ASSAY_ROWS);
      b.times(R, ASSAY_X, m.B);
      want(R, ASSAY_IN, kProduct);
      if (squares()) {
        const assay_buf R2 = b.local((prefix + "R2").c_str(), ASSAY_ROWS);
        b.times(R2, ASSAY_X, m.B2, ASSAY_SQUARE);
        want(R2, ASSAY_IN, kSquare);
      }
      if (w.base) tag |= kBase;
    }
    b.each<&Mixture::respond, T>((prefix + "expect").c_str(), ASSAY_ROWS, args, tag, flags);
  }

  bool squares() const { return (facts_.flags & ASSAY_DENSITY_SQUARES) != 0; }

  assay_density_model model(const assay_view &params, const assay_view &shared,
                            const assay_view &derived) const {
    assay_density_model m{};
    m.struct_size = sizeof m;
    m.d = d_;
    m.k = k_;
    m.params = params;
    m.shared = shared;
    m.derived = derived;
    m.raw = linear_ ? 1 : 0;
    m.f32 = facts_.f32;
    return m;
  }

  // 64 rows of the block and memory to see them with.
  class Rows {
   public:
    Rows(const Mixture &mixture, const Block &b) : mixture_(mixture), block_(b) {
      const Call &call = b.call();
      rows_.struct_size = sizeof rows_;
      rows_.d = mixture.d_;
      if (mixture.facts_.work > 0 && !mixture.linear_)
        rows_.work = call.scratch<double>(mixture.facts_.work).data();
      if (mixture.unequal_) seen_ = call.scratch<uint8_t>(ASSAY_DENSITY_ROWS * mixture.d_).data();
    }
    const assay_density_rows &take(int64_t first, int64_t n) {
      assay_view x{};
      Call::check(mixture_.tile_->dense(block_.call().ctx, first, n, &x));
      rows_.n = n;
      rows_.x = static_cast<const double *>(x.data);
      rows_.ld = x.stride;
      if (seen_) see(first, n);
      return rows_;
    }

   private:
    // Which entries are observed; rows that are so whole need no marks.
    void see(int64_t first, int64_t n) {
      bool whole = true;
      for (int64_t i = 0; i < n; ++i)
        whole = mixture_.mark(block_, first + i, seen_ + i * rows_.d) && whole;
      if (!whole && !mixture_.missing_) throw Mixture::no_missing();
      rows_.seen = whole ? nullptr : seen_;
    }
    const Mixture &mixture_;
    const Block &block_;
    assay_density_rows rows_{};
    uint8_t *seen_ = nullptr;
  };

  // marks: d of them, 1 where an entry of the row is observed. True where all are; so is a row that weighs nothing.
  bool mark(const Block &b, int64_t row, uint8_t *marks) const {
    assay_line line{};
    line.struct_size = sizeof line;
    Call::check(tile_->line(b.call().ctx, row, &line));
    bool all = line.idx == nullptr || line.zeros != 0 || line.n == d_;
    std::fill_n(marks, d_, static_cast<uint8_t>(all ? 1 : 0));
    for (int64_t e = 0; !all && e < line.n; ++e) marks[line.idx[e]] = 1;
    if (line.zeros == 0 || line.w == nullptr || line.idx == nullptr) return all;
    if (std::all_of(line.w, line.w + line.n, [](double w) { return w == 0; })) return true;
    for (int64_t e = 0; e < line.n; ++e)  // hidden among what is stored
      if (line.w[e] == 0) marks[line.idx[e]] = 0, all = false;
    return all;
  }
  static Failure no_missing() {
    return Failure(ASSAY_E_COMBINATION, "the density takes no rows with entries missing")
        .help("`gaussian` and `bernoulli` sum them out; or leave the mask out");
  }

  // a -> r of n rows, log p in top; adds to sums. temperature: r = softmax(a / T); 0: the largest alone.
  void soften(int64_t n, double *a, double *r, double *top, double *memory, const double *weights,
              int64_t ldw, double temperature, double *sums) const {
    double *sum = memory, *largest = memory + ASSAY_DENSITY_ROWS;
    detail::largest_of(n, k_, a, largest);
    detail::less(n, k_, largest, a, r);
    exp_lines(n, r);
    detail::total(n, k_, r, sum);
    detail::divide(n, k_, sum, r);
    math_->log(n, sum, top);
    for (int64_t i = 0; i < n; ++i) top[i] += largest[i];
    detail::expect(n, k_, r, a, sum);
    for (int64_t i = 0; sums && i < n; ++i) {
      const double w = weights[i * ldw];
      sums[kLogLikelihood] += w * top[i];
      sums[kComplete] += w * sum[i];
      sums[kHard] += w * largest[i];
      sums[kRows] += w;
    }
    if (temperature == 1) return;
    if (temperature > 0) {
      detail::less(n, k_, largest, a, r);
      for (int64_t c = 0; c < k_; ++c)
        for (int64_t i = 0; i < n; ++i) r[c * ASSAY_DENSITY_ROWS + i] /= temperature;
      exp_lines(n, r);
      detail::total(n, k_, r, sum);
      detail::divide(n, k_, sum, r);
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      bool found = false;
      for (int64_t c = 0; c < k_; ++c) {
        const bool best = !found && a[c * ASSAY_DENSITY_ROWS + i] == largest[i];
        r[c * ASSAY_DENSITY_ROWS + i] = best ? 1 : 0;
        found = found || best;
      }
    }
  }

  // What the responsibilities of a step are, by its place in the run; 1: as the model says.
  virtual double temperature(const Block &) const { return 1; }

  int64_t n_, d_, k_;
  bool unequal_, linear_ = false, missing_ = false;
  assay_density_facts facts_{};
  const assay_density_calls *density_ = nullptr;
  const assay_tile *tile_ = nullptr;
  const assay_math *math_ = nullptr;

 public:
  virtual ~Mixture() = default;

  // {params, shared, weights, derived, offsets, prior}
  void prepare_model(const Block &b) const {
    assay_ctx *ctx = b.call().ctx;
    assay_density_model m = model(b.view(0), b.view(1), b.view(3));
    const Matrix weights = b.matrix(2), offsets = b.matrix(4);
    Call::check(density_->prepare(ctx, 0, k_, &m));
    for (int64_t c = 0; c < k_; ++c) offsets(0, c) = 0;
    if (linear_) Call::check(density_->offsets(ctx, &m, offsets.row(0).data()));
    double &prior = b.number(5);
    Call::check(density_->log_prior(ctx, &m, &prior));
    const double a = facts_.dirichlet;
    if (a > 1)
      prior += std::lgamma(static_cast<double>(k_) * a) - static_cast<double>(k_) * std::lgamma(a);
    for (int64_t c = 0; c < k_; ++c) {
      const double w = weights(0, c);
      if (a > 1) prior += (a - 1) * std::log(std::max(w, 1e-300));
      offsets(0, c) = w > 0 ? offsets(0, c) + std::log(w) : kNoWeight;
    }
  }

  // {params, shared, derived, B, B2}
  void state_linear(const Block &b) const {
    const assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    assay_view B = b.view(3), B2{};
    if (squares()) B2 = b.view(4);
    Call::check(
        density_->linear(b.call().ctx, &m, b.first(), b.count(), &B, squares() ? &B2 : nullptr));
  }

  // {params, shared, derived, offsets, row weights, sums, [resp], [log p], [stats], [R], [R2]}
  void respond(const Block &b) const {
    assay_ctx *ctx = b.call().ctx;
    const assay_density_model m = model(b.view(0), b.view(1), b.view(2));
    const Matrix offsets = b.matrix(3), weights = b.matrix(4);
    double *sums = b.matrix(5).row(0).data();
    int32_t next = 6;
    const auto place = [&](int32_t bit) { return (b.tag() & bit) != 0 ? next++ : -1; };
    const int32_t resp = place(kResp), log_p = place(kLog), stats = place(kStats),
                  product = place(kProduct), square = place(kSquare);
    const int64_t lines = k_ * ASSAY_DENSITY_ROWS;
    double *a = b.call().scratch<double>(2 * lines + 3 * ASSAY_DENSITY_ROWS).data();
    double *r = a + lines, *top = r + lines, *memory = top + ASSAY_DENSITY_ROWS;
    Rows rows(*this, b);
    const double heat = temperature(b);
    for (int64_t first = 0; first < b.count(); first += ASSAY_DENSITY_ROWS) {
      const int64_t n = std::min<int64_t>(ASSAY_DENSITY_ROWS, b.count() - first);
      const assay_density_rows *x = linear_ ? nullptr : &rows.take(first, n);
      if (linear_)
        gather(b, product, square, first, n, a);
      else
        Call::check(density_->log_density(ctx, x, &m, 0, k_, a, ASSAY_DENSITY_ROWS));
      for (int64_t c = 0; c < k_; ++c)
        for (int64_t i = 0; i < n; ++i) a[c * ASSAY_DENSITY_ROWS + i] += offsets(0, c);
      if ((b.tag() & kBase) != 0) add_base(b, first, n, a);
      const double *w = &weights(first, 0);
      soften(n, a, r, top, memory, w, weights.stride(), heat, sums);
      if (log_p >= 0)
        for (int64_t i = 0; i < n; ++i) b.matrix(log_p)(first + i, 0) = top[i];
      if (resp >= 0 && stats < 0) put(b.matrix(resp), first, n, r);
      if (stats < 0) continue;
      if (unequal_)
        for (int64_t c = 0; c < k_; ++c)
          for (int64_t i = 0; i < n; ++i) r[c * ASSAY_DENSITY_ROWS + i] *= w[i * weights.stride()];
      if (resp >= 0) put(b.matrix(resp), first, n, r);
      add(b, x, m, r, n, stats);
    }
  }

 protected:
  enum { kResp = 1, kLog = 2, kStats = 4, kProduct = 8, kSquare = 16, kBase = 32 };

  // n rows with their responsibilities to the statistics: all of them, or, LINEAR, N.
  void add(const Block &b, const assay_density_rows *x, const assay_density_model &m,
           const double *r, int64_t n, int32_t stats) const {
    if (!linear_) {
      assay_view to = b.view(stats);
      Call::check(density_->accumulate(b.call().ctx, x, &m, r, ASSAY_DENSITY_ROWS, 0, k_, &to));
      return;
    }
    const Matrix N = b.matrix(stats);
    for (int64_t c = 0; c < k_; ++c)
      for (int64_t i = 0; i < n; ++i) N(c, 0) += r[c * ASSAY_DENSITY_ROWS + i];
  }

  // Lines of components to rows of a buffer.
  void put(const Matrix &to, int64_t first, int64_t n, const double *r) const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < k_; ++c) to(first + i, c) = r[c * ASSAY_DENSITY_ROWS + i];
  }

 private:
  void exp_lines(int64_t n, double *r) const {
    if (n == ASSAY_DENSITY_ROWS) return math_->exp(n * k_, r, r);
    for (int64_t c = 0; c < k_; ++c)
      math_->exp(n, r + c * ASSAY_DENSITY_ROWS, r + c * ASSAY_DENSITY_ROWS);
  }
  void gather(const Block &b, int32_t product, int32_t square, int64_t first, int64_t n,
              double *a) const {
    const Matrix R = b.matrix(product);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < k_; ++c) a[c * ASSAY_DENSITY_ROWS + i] = R(first + i, c);
    if (square < 0) return;
    const Matrix R2 = b.matrix(square);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < k_; ++c) a[c * ASSAY_DENSITY_ROWS + i] += R2(first + i, c);
  }
  void add_base(const Block &b, int64_t first, int64_t n, double *a) const {
    for (int64_t i = 0; i < n; ++i) {
      assay_line line{};
      line.struct_size = sizeof line;
      Call::check(tile_->line(b.call().ctx, first + i, &line));
      double base = 0;
      Call::check(density_->base(b.call().ctx, line.n, line.x, &base));
      for (int64_t c = 0; c < k_; ++c) a[c * ASSAY_DENSITY_ROWS + i] += base;
    }
  }
};

}  // namespace assay::author

#endif
