// SPDX-License-Identifier: Apache-2.0
// The loss at a run of observed entries: built in for the tags SQUARED, KL and IS, the loss's own
// functions otherwise.
//   SQUARED: f = (x - m)^2 / 2, num = x, den = m, f' = m - x, f'' = 1.
//   KL:      f = x log(x / m) - x + m (m at x = 0), num = x / m, den = 1, f' = 1 - x / m, f'' = x /
//   m^2.
//   IS:      f = x / m - log(x / m) - 1, num = x / m^2, den = 1 / m, f' = (m - x) / m^2,
//            f'' = (2 x - m) / m^3.
#include "core/kernels/isa/isa.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

template <class T>
void log_span(int64_t n, const T* x, T* out) {
  if constexpr (sizeof(T) == sizeof(double)) {
    math.log(n, x, out);
  } else {
    math.log_f32(n, x, out);
  }
}

template <class T>
void squared_span(int32_t what, int64_t n, const T* x, const T* m, T* e0, T* e1, T* value) {
  if (what == ASSAY_MU) {
    for (int64_t i = 0; i < n; ++i) e0[i] = x[i];
    for (int64_t i = 0; i < n; ++i) e1[i] = m[i];
  } else if (what == ASSAY_GRAD || what == ASSAY_NEWTON) {
    for (int64_t i = 0; i < n; ++i) e0[i] = m[i] - x[i];
  }
  if (what == ASSAY_NEWTON) {
    for (int64_t i = 0; i < n; ++i) e1[i] = 1;
  }
  if (value != nullptr) {
    for (int64_t i = 0; i < n; ++i) value[i] = T(0.5) * (x[i] - m[i]) * (x[i] - m[i]);
  }
}

template <class T>
void kl_span(int32_t what, int64_t n, const T* x, const T* m, T* e0, T* e1, T* value) {
  if (what == ASSAY_MU) {
    for (int64_t i = 0; i < n; ++i) e0[i] = x[i] / m[i];
    for (int64_t i = 0; i < n; ++i) e1[i] = 1;
  } else if (what == ASSAY_GRAD) {
    for (int64_t i = 0; i < n; ++i) e0[i] = 1 - x[i] / m[i];
  } else if (what == ASSAY_NEWTON) {
    for (int64_t i = 0; i < n; ++i) {
      const T ratio = x[i] / m[i];
      e0[i] = 1 - ratio;
      e1[i] = ratio / m[i];
    }
  }
  if (value != nullptr) {
    for (int64_t i = 0; i < n; ++i) value[i] = x[i] > 0 ? x[i] / m[i] : T(1);
    log_span(n, value, value);
    for (int64_t i = 0; i < n; ++i) value[i] = x[i] * value[i] - x[i] + m[i];
  }
}

// A hidden entry may come with x = 0: its value is finite too, and is not used.
template <class T>
void is_span(int32_t what, int64_t n, const T* x, const T* m, T* e0, T* e1, T* value) {
  constexpr T kSmallest = sizeof(T) == sizeof(double) ? T(0x1p-1022) : T(0x1p-126);
  if (what == ASSAY_MU) {
    for (int64_t i = 0; i < n; ++i) {
      const T inverse = 1 / m[i];
      e0[i] = x[i] * inverse * inverse;
      e1[i] = inverse;
    }
  } else if (what == ASSAY_GRAD) {
    for (int64_t i = 0; i < n; ++i) e0[i] = (m[i] - x[i]) / m[i] / m[i];
  } else if (what == ASSAY_NEWTON) {
    for (int64_t i = 0; i < n; ++i) {
      const T inverse = 1 / m[i];
      e0[i] = (m[i] - x[i]) * inverse * inverse;
      e1[i] = (2 * x[i] - m[i]) * inverse * inverse * inverse;
    }
  }
  if (value != nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      const T ratio = x[i] / m[i];
      value[i] = ratio > kSmallest ? ratio : kSmallest;
    }
    log_span(n, value, value);
    for (int64_t i = 0; i < n; ++i) value[i] = x[i] / m[i] - 1 - value[i];
  }
}

// The functions of a loss, in its own type.
template <class T>
int32_t call_span(const LossFunctions<T>& f,
                  assay_ctx* ctx,
                  int32_t what,
                  int64_t n,
                  const T* x,
                  const T* m,
                  T* e0,
                  T* e1,
                  T* value) {
  int32_t status = ASSAY_OK;
  if (what == ASSAY_MU) {
    status = f.mu_split(f.self, ctx, n, x, m, e0, e1);
  } else if (what == ASSAY_GRAD || what == ASSAY_NEWTON) {
    status = f.grad(f.self, ctx, n, x, m, e0);
    if (status == ASSAY_OK && what == ASSAY_NEWTON) status = f.curvature(f.self, ctx, n, x, m, e1);
  }
  if (status == ASSAY_OK && value != nullptr) status = f.value(f.self, ctx, n, x, m, value);
  return status;
}

template <class T>
bool has_functions(const LossFunctions<T>& f, int32_t what, bool with_value) {
  if (with_value && f.value == nullptr) return false;
  if (what == ASSAY_MU) return f.mu_split != nullptr;
  if (what == ASSAY_GRAD) return f.grad != nullptr;
  if (what == ASSAY_NEWTON) return f.grad != nullptr && f.curvature != nullptr;
  return true;
}

int32_t call_wide(const LossFunctions<double>& f,
                  assay_ctx* ctx,
                  int32_t what,
                  int64_t n,
                  const float* x,
                  const float* m,
                  float* e0,
                  float* e1,
                  float* value,
                  float* spare) {
  double* wide[5];
  for (int b = 0; b < 5; ++b) wide[b] = reinterpret_cast<double*>(spare) + b * kLongestSpan;
  for (int64_t i = 0; i < n; ++i) wide[0][i] = static_cast<double>(x[i]);
  for (int64_t i = 0; i < n; ++i) wide[1][i] = static_cast<double>(m[i]);
  double* wide_value = value != nullptr ? wide[4] : nullptr;
  const int32_t status = call_span(f, ctx, what, n, wide[0], wide[1], wide[2], wide[3], wide_value);
  if (status != ASSAY_OK) return status;
  if (what != ASSAY_VALUE) {
    for (int64_t i = 0; i < n; ++i) e0[i] = static_cast<float>(wide[2][i]);
  }
  if (what == ASSAY_MU || what == ASSAY_NEWTON) {
    for (int64_t i = 0; i < n; ++i) e1[i] = static_cast<float>(wide[3][i]);
  }
  if (value != nullptr) {
    for (int64_t i = 0; i < n; ++i) value[i] = static_cast<float>(wide[4][i]);
  }
  return ASSAY_OK;
}

}  // namespace

template <class T>
bool built_in(const LossFunctions<T>& loss) {
  return loss.tag == ASSAY_TAG_SQUARED || loss.tag == ASSAY_TAG_KL || loss.tag == ASSAY_TAG_IS;
}

template <class T>
int32_t evaluate_span(const LossFunctions<T>& loss,
                      assay_ctx* ctx,
                      int32_t what,
                      int64_t n,
                      const T* x,
                      const T* m,
                      T* e0,
                      T* e1,
                      T* value,
                      T* spare) {
  if (loss.tag == ASSAY_TAG_SQUARED) {
    squared_span(what, n, x, m, e0, e1, value);
    return ASSAY_OK;
  }
  if (loss.tag == ASSAY_TAG_KL) {
    kl_span(what, n, x, m, e0, e1, value);
    return ASSAY_OK;
  }
  if (loss.tag == ASSAY_TAG_IS) {
    is_span(what, n, x, m, e0, e1, value);
    return ASSAY_OK;
  }
  if (has_functions(loss, what, value != nullptr)) {
    return call_span(loss, ctx, what, n, x, m, e0, e1, value);
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    if (loss.wide != nullptr && has_functions(*loss.wide, what, value != nullptr)) {
      return call_wide(*loss.wide, ctx, what, n, x, m, e0, e1, value, spare);
    }
  }
  return ASSAY_E_NOT_FOUND;
}

template <class T>
double sum_span(int64_t n, const T* v) {
  constexpr int64_t kParts = 16;
  double parts[kParts] = {};
  int64_t i = 0;
  for (; i + kParts <= n; i += kParts) {
    for (int64_t l = 0; l < kParts; ++l) parts[l] += static_cast<double>(v[i + l]);
  }
  for (; i < n; ++i) parts[i % kParts] += static_cast<double>(v[i]);
  double sum = 0;
  for (int64_t l = 0; l < kParts; ++l) sum += parts[l];
  return sum;
}

#define ASSAY_SPANS(T)                                                                     \
  template bool built_in<T>(const LossFunctions<T>&);                                      \
  template int32_t evaluate_span<T>(const LossFunctions<T>&, assay_ctx*, int32_t, int64_t, \
                                    const T*, const T*, T*, T*, T*, T*);                   \
  template double sum_span<T>(int64_t, const T*);
ASSAY_SPANS(double)
ASSAY_SPANS(float)

}  // namespace assay::kernels::ASSAY_ISA_NS
