// SPDX-License-Identifier: Apache-2.0
// What the kernel tests share: random padded operands, the instruction sets of this machine, a
// stranger's loss.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "core/base/aligned.hpp"
#include "core/kernels/kernels.hpp"

namespace kernels_test {

using namespace assay::kernels;

inline std::vector<Isa> all_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (isa <= best_isa()) isas.push_back(isa);
  }
  return isas;
}

template <class T>
double tolerance() {
  return sizeof(T) == sizeof(double) ? 1e-12 : 2e-5;
}

// rows x k in rows of padded(k), entries uniform in [lo, hi), padding zero.
template <class T>
struct Factor {
  Factor(int64_t rows_, int64_t k_, uint32_t seed, double lo = 0.1, double hi = 1.0)
      : rows(rows_), k(k_), ld(padded<T>(k_)), data(rows_ * padded<T>(k_)) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(lo, hi);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t p = 0; p < k; ++p) data[i * ld + p] = static_cast<T>(uniform(engine));
    }
  }
  double at(int64_t i, int64_t p) const { return static_cast<double>(data[i * ld + p]); }

  int64_t rows, k, ld;
  assay::AlignedArray<T> data;
};

// rows x cols with a row stride larger than cols, off any border.
template <class T>
struct Matrix {
  Matrix(int64_t rows_, int64_t cols_, uint32_t seed, double lo = 0.0, double hi = 1.0)
      : rows(rows_),
        cols(cols_),
        ld(cols_ + 3),
        store(static_cast<size_t>(rows_ * (cols_ + 3) + 1)) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(lo, hi);
    for (T& v : store) v = static_cast<T>(uniform(engine));
  }
  T* data() { return store.data() + 1; }
  const T* data() const { return store.data() + 1; }
  T& operator()(int64_t i, int64_t j) { return data()[i * ld + j]; }
  double at(int64_t i, int64_t j) const { return static_cast<double>(data()[i * ld + j]); }

  int64_t rows, cols, ld;
  std::vector<T> store;
};

// Largest difference over the largest magnitude.
class Difference {
 public:
  void add(double got, double want) {
    if (!std::isfinite(got)) worst_ = INFINITY;
    worst_ = std::max(worst_, std::fabs(got - want));
    scale_ = std::max(scale_, std::fabs(want));
  }
  double relative() const { return scale_ > 0 ? worst_ / scale_ : worst_; }

 private:
  double worst_ = 0, scale_ = 0;
};

// A loss of no tag whose functions are easy to state; it notes what it was shown.
struct Stranger {
  int64_t longest = 0;
  bool saw_nan = false;
  int32_t fail_with = 0;

  static double value(double x, double m) { return x * m + 2; }
  static double grad(double x, double m) { return m - x + 0.25; }
  static double curvature(double x, double m) { return 1 + x + m; }
  static double num(double x, double m) { return x * x / (m + 1); }
  static double den(double, double m) { return m + 1; }

  template <class T, double (*F)(double, double)>
  static int32_t unary(void* self, assay_ctx*, int64_t n, const T* x, const T* m, T* out) {
    for (int64_t i = 0; i < n; ++i) {
      out[i] = static_cast<T>(F(static_cast<double>(x[i]), static_cast<double>(m[i])));
    }
    return note(self, n, x);
  }
  template <class T>
  static int32_t split(void* self, assay_ctx*, int64_t n, const T* x, const T* m, T* a, T* b) {
    for (int64_t i = 0; i < n; ++i) {
      a[i] = static_cast<T>(num(static_cast<double>(x[i]), static_cast<double>(m[i])));
      b[i] = static_cast<T>(den(static_cast<double>(x[i]), static_cast<double>(m[i])));
    }
    return note(self, n, x);
  }
  template <class T>
  static int32_t note(void* self, int64_t n, const T* x) {
    auto* stranger = static_cast<Stranger*>(self);
    stranger->longest = std::max(stranger->longest, n);
    if (n < 1 || n > 1024) stranger->saw_nan = true;
    for (int64_t i = 0; i < n; ++i) stranger->saw_nan |= std::isnan(x[i]);
    return stranger->fail_with;
  }

  template <class T>
  LossFunctions<T> functions() {
    LossFunctions<T> f;
    f.self = this;
    f.value = unary<T, value>;
    f.grad = unary<T, grad>;
    f.curvature = unary<T, curvature>;
    f.mu_split = split<T>;
    return f;
  }
};

// The loss `tag` (NONE: the stranger) entry by entry.
struct Entry {
  double e0, e1, value;
};
inline Entry entry_of(int32_t tag, int32_t what, double x, double m) {
  const auto pick = [&](double num, double den, double grad, double curvature, double value) {
    if (what == ASSAY_MU) return Entry{num, den, value};
    return Entry{what == ASSAY_VALUE ? 0 : grad, what == ASSAY_NEWTON ? curvature : 0, value};
  };
  if (tag == ASSAY_TAG_SQUARED) return pick(x, m, m - x, 1, (x - m) * (x - m) / 2);
  if (tag == ASSAY_TAG_KL) {
    return pick(x / m, 1, 1 - x / m, x / m / m, (x > 0 ? x * std::log(x / m) : 0) - x + m);
  }
  if (tag == ASSAY_TAG_IS) {
    const double inverse = 1 / m;
    return pick(x * inverse * inverse, inverse, (m - x) * inverse * inverse,
                (2 * x - m) * inverse * inverse * inverse, x * inverse - std::log(x * inverse) - 1);
  }
  return pick(Stranger::num(x, m), Stranger::den(x, m), Stranger::grad(x, m),
              Stranger::curvature(x, m), Stranger::value(x, m));
}

}  // namespace kernels_test
