// SPDX-License-Identifier: Apache-2.0
// Thick-restart Lanczos on A'A with full orthogonalization (Wu and Simon 2000); a step is from one restart
// to the next, one read of X a vector. STATE between
// steps: the basis V (m columns on the shorter axis), T = V'A'A V, how many columns T knows, and
// the vector behind the last. One turn of the loop:
//   s = A'A v / |X|^2,  h = V's,  t = s - V h, made orthogonal to V twice more and normalised: the next
//   column; T gets h.
// Where t vanishes, the span is invariant and a random direction goes on.
#ifndef ASSAY_AUTHOR_SPECTRAL_LANCZOS_HPP
#define ASSAY_AUTHOR_SPECTRAL_LANCZOS_HPP

#include <cfloat>

#include "truncated.hpp"

namespace assay::author {

template <class Base>
class Lanczos : public Base {
 protected:
  using Base::Base;
  using Base::k_;

  // m basis vectors (0: as many as do well) between restarts, until residuals of s^2 are below tolerance.
  void set_basis(int64_t m, double tolerance) {
    const int64_t size = m > 0 ? m : std::max(2 * k_ + 20, int64_t{3} * k_);
    m_ = std::clamp(size, k_ + 1, std::max(k_ + 1, this->least_));
    tolerance_ = tolerance;
  }

  void begin_lanczos(const Builder &b) const {
    const int32_t axis = this->short_;
    const assay_buf z = this->start(b, 1);
    const assay_buf unit = this->orthonormal(b, z, axis, 1, "start");
    const State s = state(b, axis);
    this->template each<&Lanczos::put_first>(b, "put_first", axis,
                                             {{unit, ASSAY_IN}, {s.V, ASSAY_OUT}});
    this->template each<&Lanczos::reset>(b, "reset", ASSAY_ONE,
                                         {{s.T, ASSAY_OUT}, {s.count, ASSAY_OUT}});
  }

  // To the next restart: the factors (A Z, Z), Z the k best directions of the basis; "converged".
  void lanczos(const Builder &b) const {
    const int32_t axis = this->short_, other = this->long_;
    const State kept_state = state(b, axis);
    const assay_buf full = b.small("full", 1, 1), beta = b.small("beta", 1, 1);
    // The basis as it grows is no state: its columns are put where they belong in place.
    const State s = {b.local("basis", axis, m_), kept_state.T, kept_state.count, kept_state.next};
    this->assign(b, "basis", axis, kept_state.V, s.V);
    b.loop(m_, full);
    expand(b, s, axis, other, full, beta);
    b.end();
    const assay_buf kept = b.small("kept", m_, m_), best = b.small("best", m_, k_),
                    theta = b.small("theta", 1, m_), done = b.small("done", 1, 1);
    this->template each<&Lanczos::rotate>(b, "rotate", ASSAY_ONE,
                                          {{s.T, ASSAY_IN},
                                           {beta, ASSAY_IN},
                                           {kept, ASSAY_OUT},
                                           {best, ASSAY_OUT},
                                           {theta, ASSAY_OUT},
                                           {done, ASSAY_OUT}});
    const assay_buf Z = b.local("directions", axis), Y = b.local("image", other),
                    V = b.local("kept_directions", axis, m_);
    b.times(Z, s.V, best);
    b.times(Y, ASSAY_X, Z);
    this->leave(b, Y, Z);
    b.times(V, s.V, kept);
    this->template each<&Lanczos::restart>(
        b, "restart", axis, {{V, ASSAY_IN}, {s.next, ASSAY_IN}, {kept_state.V, ASSAY_OUT}});
    this->template each<&Lanczos::restart_small>(
        b, "restart_small", ASSAY_ONE, {{theta, ASSAY_IN}, {s.T, ASSAY_OUT}, {s.count, ASSAY_OUT}});
    b.report("converged", done);
  }

 private:
  struct State {
    assay_buf V, T, count, next;
  };
  State state(const Builder &b, int32_t axis) const {
    return {b.buffer("krylov", axis, ASSAY_STATE, 0, m_, true),
            b.buffer("projection", ASSAY_ONE, ASSAY_STATE, m_, m_, true),
            b.buffer("count", ASSAY_ONE, ASSAY_STATE, 1, 1, true),
            b.buffer("next", axis, ASSAY_STATE, 0, 1, true)};
  }
  void expand(const Builder &b, const State &s, int32_t axis, int32_t other, assay_buf full,
              assay_buf beta) const {
    const assay_buf v = b.local("v", axis, 1), y = b.local("y", other, 1),
                    image = b.local("image_of_v", axis, 1);
    this->template each<&Lanczos::pick>(b, "pick", axis,
                                        {{s.V, ASSAY_IN}, {s.count, ASSAY_IN}, {v, ASSAY_OUT}});
    b.times(y, ASSAY_X, v);
    b.times(image, ASSAY_X, y);
    assay_buf h[3], t = image, length = ASSAY_NO;
    const char *const names[3][3] = {{"h_1", "rest_1", "subtract_1"},
                                     {"h_2", "rest_2", "subtract_2"},
                                     {"h_3", "rest_3", "subtract_3"}};
    for (int pass = 0; pass < 3; ++pass) {
      h[pass] = b.sum(names[pass][0], m_, 1);
      b.gram(h[pass], s.V, t);
      const assay_buf rest = b.local(names[pass][1], axis, 1);
      this->template each<&Lanczos::subtract>(b, names[pass][2], axis,
                                              {{s.V, ASSAY_IN},
                                               {h[pass], ASSAY_IN},
                                               {t, ASSAY_IN},
                                               {rest, ASSAY_OUT},
                                               {s.count, ASSAY_IN}});
      t = rest;
      if (pass > 0) continue;
      length = b.sum("length", 1, 1);
      b.gram(length, t, t);
      const assay_buf unit = b.local("unit", axis, 1);
      this->template each<&Lanczos::normalise>(b, "normalise", axis,
                                               {{t, ASSAY_IN},
                                                {length, ASSAY_IN},
                                                {h[0], ASSAY_IN},
                                                {s.count, ASSAY_IN},
                                                {unit, ASSAY_OUT}});
      t = unit;
    }
    const assay_buf last = b.sum("last_length", 1, 1);
    b.gram(last, t, t);
    this->template each<&Lanczos::put_next>(b, "put_next", axis,
                                            {{t, ASSAY_IN},
                                             {last, ASSAY_IN},
                                             {s.count, ASSAY_IN},
                                             {s.V, ASSAY_INOUT},
                                             {s.next, ASSAY_OUT}});
    this->template each<&Lanczos::grow>(b, "grow", ASSAY_ONE,
                                        {{h[0], ASSAY_IN},
                                         {h[1], ASSAY_IN},
                                         {h[2], ASSAY_IN},
                                         {length, ASSAY_IN},
                                         {last, ASSAY_IN},
                                         {s.T, ASSAY_INOUT},
                                         {s.count, ASSAY_INOUT},
                                         {beta, ASSAY_OUT},
                                         {full, ASSAY_OUT}});
  }

  // ---- block functions ----

  static int64_t known(double count) { return static_cast<int64_t>(count); }

  // Whether s - V h is rounding beside h.
  static bool vanishes(double squared_length, const Matrix &h) {
    double squares = 0;
    for (int64_t a = 0; a < h.rows(); ++a) squares += h(a, 0) * h(a, 0);
    return !(squared_length > squares * (1e3 * DBL_EPSILON) * (1e3 * DBL_EPSILON)) ||
           !(squared_length > DBL_MIN);
  }
  // A direction that lay in the span, so that only rounding is left of its unit vector.
  static bool exhausted(double squared_length) { return !(squared_length > 1e-8); }

  void put_first(const Block &b) const {
    const Matrix v = b.matrix(0), V = b.matrix(1);
    for (int64_t i = 0; i < V.rows(); ++i) {
      std::fill_n(V.row(i).data(), m_, 0.0);
      V(i, 0) = v(i, 0);
    }
  }
  void reset(const Block &b) const {
    const Matrix T = b.matrix(0);
    for (int64_t a = 0; a < m_; ++a) std::fill_n(T.row(a).data(), m_, 0.0);
    b.number(1) = 0;
  }
  // {V, count, v}
  void pick(const Block &b) const {
    const Matrix V = b.matrix(0), v = b.matrix(2);
    for (int64_t i = 0; i < V.rows(); ++i) v(i, 0) = V(i, known(b.number(1))) / this->size_;
  }
  // {V, h, t, t - V h, count}: columns behind those T knows are zeros, but for the next one.
  void subtract(const Block &b) const {
    const Matrix V = b.matrix(0), h = b.matrix(1), t = b.matrix(2), out = b.matrix(3);
    const int64_t columns = std::min(m_, known(b.number(4)) + 1), whole = columns / 8 * 8;
    const auto c = b.call().template scratch<double>(columns);
    for (int64_t a = 0; a < columns; ++a) c[static_cast<size_t>(a)] = h(a, 0);
    for (int64_t i = 0; i < V.rows(); ++i) {
      const double *const v = V.row(i).data();
      double part[8] = {}, sum = 0;  // eight sums, so that they are vectors
      for (int64_t a = 0; a < whole; a += 8)
        for (int64_t l = 0; l < 8; ++l) part[l] += v[a + l] * c[static_cast<size_t>(a + l)];
      for (int64_t a = whole; a < columns; ++a) sum += v[a] * c[static_cast<size_t>(a)];
      for (const double x : part) sum += x;
      out(i, 0) = t(i, 0) - sum;
    }
  }
  // {t, |t|^2, h, count, out}
  void normalise(const Block &b) const {
    const Matrix t = b.matrix(0), out = b.matrix(4);
    const double squares = b.number(1);
    if (!vanishes(squares, b.matrix(2))) {
      for (int64_t i = 0; i < t.rows(); ++i) out(i, 0) = t(i, 0) / std::sqrt(squares);
      return;
    }
    const double scale = 1 / std::sqrt(static_cast<double>(this->least_));
    const uint64_t stream = this->rng_->split(0, static_cast<uint64_t>(b.number(3)) + 1);
    for (int64_t i = 0; i < t.rows(); ++i) {
      this->rng_->normal(stream, static_cast<uint64_t>(b.first() + i), 1, &out(i, 0));
      out(i, 0) *= scale;
    }
  }
  // {t, |t|^2, count, V, next}
  void put_next(const Block &b) const {
    const Matrix t = b.matrix(0), V = b.matrix(3), next = b.matrix(4);
    const int64_t column = known(b.number(2)) + 1;
    const double scale = exhausted(b.number(1)) ? 0 : 1 / std::sqrt(b.number(1));
    for (int64_t i = 0; i < t.rows(); ++i) {
      next(i, 0) = t(i, 0) * scale;
      if (column < m_) V(i, column) = next(i, 0);
    }
  }
  // {h1, h2, h3, |t1|^2, |t3|^2, T, count, beta, full}
  void grow(const Block &b) const {
    const Matrix h1 = b.matrix(0), h2 = b.matrix(1), h3 = b.matrix(2), T = b.matrix(5);
    const int64_t c = known(b.number(6));
    const double length = vanishes(b.number(3), h1) ? 0 : std::sqrt(b.number(3));
    for (int64_t a = 0; a <= c; ++a) T(a, c) = T(c, a) = h1(a, 0) + length * (h2(a, 0) + h3(a, 0));
    b.number(6) = static_cast<double>(c + 1);
    b.number(7) = exhausted(b.number(4)) ? 0 : length * std::sqrt(b.number(4));
    b.number(8) = c + 1 == m_ ? 1 : 0;
  }
  int64_t keeps() const { return std::min(m_ - 1, k_ + (m_ - k_) / 2); }
  // {T, beta, kept, best, theta, done}
  void rotate(const Block &b) const {
    const Matrix T = b.matrix(0), kept = b.matrix(2), best = b.matrix(3), theta = b.matrix(4);
    const auto Q = b.call().template scratch<double>(m_ * m_),
               w = b.call().template scratch<double>(m_);
    for (int64_t a = 0; a < m_; ++a)
      std::copy_n(T.row(a).data(), m_, &Q[static_cast<size_t>(a * m_)]);
    Call::check(this->la()->eigh(m_, Q.data(), m_, w.data()));
    const auto q = [&](int64_t i, int64_t a) {
      return Q[static_cast<size_t>(i * m_ + m_ - 1 - a)];
    };
    bool converged = true;
    for (int64_t a = 0; a < m_; ++a) {
      theta(0, a) = w[static_cast<size_t>(m_ - 1 - a)];
      const double residual = std::fabs(b.number(1) * q(m_ - 1, a)),
                   size = std::max(theta(0, a), theta(0, 0) * DBL_EPSILON);
      if (a < k_ && residual > tolerance_ * size) converged = false;
      for (int64_t i = 0; i < m_; ++i) {
        kept(i, a) = a < keeps() ? q(i, a) : 0;
        if (a < k_) best(i, a) = q(i, a);
      }
    }
    b.number(5) = converged ? 1 : 0;
  }
  // {rotated, next, V}
  void restart(const Block &b) const {
    const Matrix from = b.matrix(0), next = b.matrix(1), V = b.matrix(2);
    for (int64_t i = 0; i < V.rows(); ++i) {
      std::copy_n(from.row(i).data(), m_, V.row(i).data());
      V(i, keeps()) = next(i, 0);
    }
  }
  // {theta, T, count}
  void restart_small(const Block &b) const {
    const Matrix theta = b.matrix(0), T = b.matrix(1);
    for (int64_t a = 0; a < m_; ++a) {
      std::fill_n(T.row(a).data(), m_, 0.0);
      if (a < keeps()) T(a, a) = theta(0, a);
    }
    b.number(2) = static_cast<double>(keeps());
  }

  int64_t m_ = 0;
  double tolerance_ = 0;
};

}  // namespace assay::author

#endif
