// SPDX-License-Identifier: Apache-2.0
// The formulas of Lee and Seung (2001) for one column v ~ W h, by equation number: written from the
// notes, sharing no code with the library.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace named {

using Vector = std::vector<double>;

// Row-major, rows x cols.
struct Matrix {
  size_t rows = 0, cols = 0;
  Vector a;
  Matrix() = default;
  Matrix(size_t r, size_t c) : rows(r), cols(c), a(r * c) {}
  double& operator()(size_t i, size_t j) { return a[i * cols + j]; }
  double operator()(size_t i, size_t j) const { return a[i * cols + j]; }
};

// Uniform numbers in (lo, hi) by splitmix64: the same on every machine.
class Uniform {
 public:
  explicit Uniform(uint64_t seed) : state_(seed) {}
  double operator()(double lo = 0, double hi = 1) {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return lo + (hi - lo) * (static_cast<double>((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
  }

 private:
  uint64_t state_;
};

inline Matrix random_matrix(size_t rows, size_t cols, Uniform& draw) {
  Matrix m(rows, cols);
  for (double& v : m.a) v = draw();
  return m;
}

inline Matrix transposed(const Matrix& m) {
  Matrix t(m.cols, m.rows);
  for (size_t i = 0; i < m.rows; i++)
    for (size_t j = 0; j < m.cols; j++) t(j, i) = m(i, j);
  return t;
}

inline Vector column(const Matrix& m, size_t j) {
  Vector v(m.rows);
  for (size_t i = 0; i < m.rows; i++) v[i] = m(i, j);
  return v;
}

inline Vector times(const Matrix& W, const Vector& h) {
  Vector m(W.rows, 0.0);
  for (size_t i = 0; i < W.rows; i++)
    for (size_t a = 0; a < W.cols; a++) m[i] += W(i, a) * h[a];
  return m;
}

inline Vector times_transposed(const Matrix& W, const Vector& v) {
  Vector h(W.cols, 0.0);
  for (size_t i = 0; i < W.rows; i++)
    for (size_t a = 0; a < W.cols; a++) h[a] += W(i, a) * v[i];
  return h;
}

inline double dot(const Vector& a, const Vector& b) {
  double s = 0;
  for (size_t i = 0; i < a.size(); i++) s += a[i] * b[i];
  return s;
}

// v log(v / m), 0 at v = 0.
inline double xlog(double v, double m) { return v > 0 ? v * std::log(v / m) : 0.0; }

// The squared distance: 15, its gradient, 13, 14, 4.
struct Squared {
  static constexpr const char* loss = "squared";

  static double F(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector m = times(W, h);
    double s = 0;
    for (size_t i = 0; i < v.size(); i++) s += (v[i] - m[i]) * (v[i] - m[i]);
    return 0.5 * s;
  }
  static Vector gradient(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector wv = times_transposed(W, v), wwh = times_transposed(W, times(W, h));
    Vector g(h.size());
    for (size_t a = 0; a < h.size(); a++) g[a] = wwh[a] - wv[a];
    return g;
  }
  // The diagonal of K.
  static Vector K(const Matrix& W, const Vector& h) {
    Vector k = times_transposed(W, times(W, h));
    for (size_t a = 0; a < h.size(); a++) k[a] /= h[a];
    return k;
  }
  static double G(const Matrix& W, const Vector& v, const Vector& h, const Vector& at) {
    const Vector g = gradient(W, v, at), k = K(W, at);
    double s = F(W, v, at);
    for (size_t a = 0; a < h.size(); a++)
      s += (h[a] - at[a]) * (g[a] + 0.5 * k[a] * (h[a] - at[a]));
    return s;
  }
  static Vector rule(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector num = times_transposed(W, v), den = times_transposed(W, times(W, h));
    Vector out(h.size());
    for (size_t a = 0; a < h.size(); a++) out[a] = h[a] * num[a] / den[a];
    return out;
  }
  // 7: the step that makes the additive rule multiplicative.
  static Vector additive_step(const Matrix& W, const Vector& h) {
    const Vector den = times_transposed(W, times(W, h));
    Vector eta(h.size());
    for (size_t a = 0; a < h.size(); a++) eta[a] = h[a] / den[a];
    return eta;
  }
};

// The divergence: 28, its gradient, 26 with the shares 30, 5.
struct Divergence {
  static constexpr const char* loss = "kl";

  static double F(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector m = times(W, h);
    double s = 0;
    for (size_t i = 0; i < v.size(); i++) s += xlog(v[i], m[i]) - v[i] + m[i];
    return s;
  }
  static Vector gradient(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector m = times(W, h);
    Vector g(h.size(), 0.0);
    for (size_t i = 0; i < v.size(); i++)
      for (size_t a = 0; a < h.size(); a++) g[a] += W(i, a) * (1 - v[i] / m[i]);
    return g;
  }
  static double G(const Matrix& W, const Vector& v, const Vector& h, const Vector& at) {
    const Vector m = times(W, at);
    double s = 0;
    for (size_t i = 0; i < v.size(); i++) {
      s += (v[i] > 0 ? v[i] * std::log(v[i]) : 0.0) - v[i];
      for (size_t a = 0; a < h.size(); a++) {
        const double share = W(i, a) * at[a] / m[i];
        s += W(i, a) * h[a];
        if (share > 0 && v[i] > 0) s -= v[i] * share * (std::log(W(i, a) * h[a]) - std::log(share));
      }
    }
    return s;
  }
  static Vector rule(const Matrix& W, const Vector& v, const Vector& h) {
    const Vector m = times(W, h);
    Vector out(h.size());
    for (size_t a = 0; a < h.size(); a++) {
      double num = 0, den = 0;
      for (size_t i = 0; i < v.size(); i++) {
        num += W(i, a) * v[i] / m[i];
        den += W(i, a);
      }
      out[a] = h[a] * num / den;
    }
    return out;
  }
  static Vector additive_step(const Matrix& W, const Vector& h) {
    Vector eta(h.size());
    for (size_t a = 0; a < h.size(); a++) {
      double sum = 0;
      for (size_t i = 0; i < W.rows; i++) sum += W(i, a);
      eta[a] = h[a] / sum;
    }
    return eta;
  }
};

// The rule of loss L for all of H in V ~ W H; for W it is used on V' ~ H' W'.
template <class L>
Matrix rule_for_h(const Matrix& V, const Matrix& W, const Matrix& H) {
  Matrix out(H.rows, H.cols);
  for (size_t j = 0; j < V.cols; j++) {
    const Vector h = L::rule(W, column(V, j), column(H, j));
    for (size_t a = 0; a < H.rows; a++) out(a, j) = h[a];
  }
  return out;
}

template <class L>
double objective(const Matrix& V, const Matrix& W, const Matrix& H) {
  double s = 0;
  for (size_t j = 0; j < V.cols; j++) s += L::F(W, column(V, j), column(H, j));
  return s;
}

}  // namespace named
