// SPDX-License-Identifier: Apache-2.0
// Small dense algebra through xtensor-blas's interfaces to BLAS and LAPACK. LAPACK is column-major:
// a row-major A is its A', so a lower factor is an upper one there, and A = Q R is A' = R' Q', an
// LQ factorization. Nothing is transposed but the vectors of eigh.
#include "core/kernels/linalg.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>
#include <xtensor-blas/xlinalg.hpp>

#if ASSAY_HAVE_OPENBLAS
extern "C" void openblas_set_num_threads(int threads);
extern "C" char* openblas_get_config();
extern "C" char* openblas_get_corename();
#endif

namespace assay::kernels {
namespace {

using Index = int;  // of LP64 BLAS

bool too_large(std::initializer_list<int64_t> sizes) {
  return std::any_of(sizes.begin(), sizes.end(),
                     [](int64_t n) { return n < 0 || n > std::numeric_limits<Index>::max(); });
}

// LAPACK may loop for ever on NaN.
bool finite(int64_t rows, int64_t cols, const double* a, int64_t lda) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      if (!std::isfinite(a[i * lda + j])) return false;
    }
  }
  return true;
}

Index narrow(int64_t n) { return static_cast<Index>(n); }

// A leading dimension as BLAS wants it: at least 1.
Index lead(int64_t ld) { return static_cast<Index>(std::max<int64_t>(ld, 1)); }

// Runs a routine that takes a work array twice: for the size, then in earnest. Its info.
template <class Routine>
Index with_work(const Routine& routine) {
  double size = 0;
  if (const Index info = routine(&size, Index{-1}); info != 0) return info;
  std::vector<double> work(static_cast<size_t>(std::max(size, 1.0)));
  return routine(work.data(), static_cast<Index>(work.size()));
}

// Turns exceptions (an allocation that failed) into statuses at the border.
template <class F>
int32_t guarded(const F& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  } catch (...) {
    return ASSAY_E_INTERNAL;
  }
}

int32_t gemm(int32_t ta,
             int32_t tb,
             int64_t m,
             int64_t n,
             int64_t k,
             double alpha,
             const double* a,
             int64_t lda,
             const double* b,
             int64_t ldb,
             double beta,
             double* c,
             int64_t ldc) {
  if (too_large({m, n, k, lda, ldb, ldc})) return ASSAY_E_ARGUMENT;
  if (lda < (ta ? m : k) || ldb < (tb ? k : n) || ldc < n) return ASSAY_E_ARGUMENT;
  if (m == 0 || n == 0) return ASSAY_OK;
  return guarded([&] {
    cxxblas::gemm<Index>(cxxblas::RowMajor, ta ? cxxblas::Trans : cxxblas::NoTrans,
                         tb ? cxxblas::Trans : cxxblas::NoTrans, narrow(m), narrow(n), narrow(k),
                         alpha, a, lead(lda), b, lead(ldb), beta, c, lead(ldc));
    return ASSAY_OK;
  });
}

int32_t potrf(int64_t n, double* a, int64_t lda) {
  if (too_large({n, lda}) || lda < n) return ASSAY_E_ARGUMENT;
  if (n == 0) return ASSAY_OK;
  if (!finite(n, n, a, lda)) return ASSAY_E_NUMERIC;
  return guarded([&]() -> int32_t {
    if (cxxlapack::potrf<Index>('U', narrow(n), a, lead(lda)) != 0) return ASSAY_E_SINGULAR;
    for (int64_t i = 0; i < n; ++i) std::fill(a + i * lda + i + 1, a + i * lda + n, 0.0);
    return ASSAY_OK;
  });
}

int32_t potrs(int64_t n, int64_t m, const double* l, int64_t ldl, double* b, int64_t ldb) {
  if (too_large({n, m, ldl, ldb}) || ldl < n || ldb < m) return ASSAY_E_ARGUMENT;
  if (n == 0 || m == 0) return ASSAY_OK;
  for (int64_t i = 0; i < n; ++i) {
    if (l[i * ldl + i] == 0) return ASSAY_E_SINGULAR;
  }
  return guarded([&] {
    for (const auto trans : {cxxblas::NoTrans, cxxblas::Trans}) {
      cxxblas::trsm<Index>(cxxblas::RowMajor, cxxblas::Left, cxxblas::Lower, trans,
                           cxxblas::NonUnit, narrow(n), narrow(m), 1.0, l, lead(ldl), b, lead(ldb));
    }
    return ASSAY_OK;
  });
}

int32_t trtri(int64_t n, double* l, int64_t ldl) {
  if (too_large({n, ldl}) || ldl < n) return ASSAY_E_ARGUMENT;
  if (n == 0) return ASSAY_OK;
  return guarded([&]() -> int32_t {
    const Index info = cxxlapack::trtri<Index>('U', 'N', narrow(n), l, lead(ldl));
    return info == 0 ? ASSAY_OK : ASSAY_E_SINGULAR;
  });
}

int32_t eigh(int64_t n, double* a, int64_t lda, double* w) {
  if (too_large({n, lda}) || lda < n) return ASSAY_E_ARGUMENT;
  if (n == 0) return ASSAY_OK;
  if (!finite(n, n, a, lda)) return ASSAY_E_NUMERIC;
  return guarded([&]() -> int32_t {
    const Index size = narrow(n);
    double work_size = 0;
    Index integers = 0;
    Index info =
        cxxlapack::syevd<Index>('V', 'U', size, a, lead(lda), w, &work_size, -1, &integers, -1);
    if (info != 0) return ASSAY_E_NUMERIC;
    std::vector<double> work(static_cast<size_t>(std::max(work_size, 1.0)));
    std::vector<Index> whole(static_cast<size_t>(std::max(integers, 1)));
    info = cxxlapack::syevd<Index>('V', 'U', size, a, lead(lda), w, work.data(),
                                   static_cast<Index>(work.size()), whole.data(),
                                   static_cast<Index>(whole.size()));
    if (info != 0) return ASSAY_E_NUMERIC;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i + 1; j < n; ++j) std::swap(a[i * lda + j], a[j * lda + i]);
    }
    return ASSAY_OK;
  });
}

int32_t svd(int64_t m,
            int64_t n,
            double* a,
            int64_t lda,
            double* u,
            int64_t ldu,
            double* s,
            double* vt,
            int64_t ldvt) {
  const int64_t r = std::min(m, n);
  if (too_large({m, n, lda, ldu, ldvt}) || lda < n || ldu < r || ldvt < n) return ASSAY_E_ARGUMENT;
  if (r == 0) return ASSAY_OK;
  if (!finite(m, n, a, lda)) return ASSAY_E_NUMERIC;
  return guarded([&]() -> int32_t {
    std::vector<Index> whole(static_cast<size_t>(8 * r));
    // A' = V S U': LAPACK's left vectors are the rows of vt, its right ones the columns of u.
    const Index info = with_work([&](double* work, Index size) {
      return cxxlapack::gesdd<Index>('S', narrow(n), narrow(m), a, lead(lda), s, vt, lead(ldvt), u,
                                     lead(ldu), work, size, whole.data());
    });
    return info == 0 ? ASSAY_OK : ASSAY_E_NUMERIC;
  });
}

int32_t qr(int64_t m, int64_t n, double* a, int64_t lda, double* r, int64_t ldr) {
  if (too_large({m, n, lda, ldr}) || m < n || lda < n || ldr < n) return ASSAY_E_ARGUMENT;
  if (n == 0) return ASSAY_OK;
  if (!finite(m, n, a, lda)) return ASSAY_E_NUMERIC;
  return guarded([&]() -> int32_t {
    std::vector<double> tau(static_cast<size_t>(n));
    Index info = with_work([&](double* work, Index size) {
      return cxxlapack::gelqf<Index>(narrow(n), narrow(m), a, lead(lda), tau.data(), work, size);
    });
    if (info != 0) return ASSAY_E_NUMERIC;
    for (int64_t i = 0; i < n; ++i) {
      std::fill(r + i * ldr, r + i * ldr + i, 0.0);
      std::copy(a + i * lda + i, a + i * lda + n, r + i * ldr + i);
    }
    info = with_work([&](double* work, Index size) {
      return cxxlapack::orglq<Index>(narrow(n), narrow(m), narrow(n), a, lead(lda), tau.data(),
                                     work, size);
    });
    if (info != 0) return ASSAY_E_NUMERIC;
    for (int64_t p = 0; p < n; ++p) {
      if (r[p * ldr + p] >= 0) continue;
      for (int64_t j = p; j < n; ++j) r[p * ldr + j] = -r[p * ldr + j];
      for (int64_t i = 0; i < m; ++i) a[i * lda + p] = -a[i * lda + p];
    }
    return ASSAY_OK;
  });
}

constexpr assay_la kTable = {sizeof(assay_la), 0, gemm, potrf, potrs, trtri, eigh, svd, qr};

// Work inside a block is sequential: the host's tasks are the parallelism.
void one_thread() {
#if ASSAY_HAVE_OPENBLAS
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
#endif
}

}  // namespace

const assay_la* la_table() {
  one_thread();
  return &kTable;
}

const char* blas_name() {
#if ASSAY_HAVE_OPENBLAS
  static const std::string name =
      std::string(openblas_get_config()) + ", kernel " + openblas_get_corename();
  return name.c_str();
#else
  return "reference";
#endif
}

}  // namespace assay::kernels
