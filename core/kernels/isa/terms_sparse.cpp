// SPDX-License-Identifier: Apache-2.0
// terms on lines of a compressed X, run by run of at most 256 entries, whose rows stay in cache:
// gather the rows of right and take the model, evaluate the loss as one span, then sum the gathered
// rows (row outputs) or scatter the line's own (column outputs).
#include "core/kernels/isa/gather.hpp"
#include "core/kernels/isa/scratch.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

template <class T>
class SparseTerms {
 public:
  explicit SparseTerms(const SparseTile<T>& tile)
      : t_(tile),
        loss_(*tile.loss),
        kp_(padded_to_line<T>(tile.k)),
        s_(cut_sparse(tile.scratch, tile.k)),
        newton_(tile.what == ASSAY_NEWTON),
        first_(tile.row0 != nullptr || tile.col0 != nullptr),
        second_(tile.row1 != nullptr || tile.col1 != nullptr),
        outer_(tile.line_weights != nullptr || tile.index_weights != nullptr) {}

  int32_t run() {
    for (int64_t line = 0; line < t_.lines; ++line) {
      widen_left(line);
      const int64_t end = t_.indptr[t_.first + line + 1];
      for (int64_t e = t_.indptr[t_.first + line]; e < end; e += kRun) {
        const int64_t n = end - e < kRun ? end - e : kRun;
        if (const int32_t status = one_run(line, e, n); status != ASSAY_OK) return status;
      }
    }
    return ASSAY_OK;
  }

 private:
  void widen_left(int64_t line) {
    if (t_.col0 == nullptr && t_.col1 == nullptr) return;
    const T* left = t_.left + line * t_.ldl;
    double* wide = wide_left();
    for (int64_t p = 0; p < kp_; ++p) wide[p] = static_cast<double>(left[p]);
    for (int64_t p = 0; p < kp_; ++p) wide[kp_ + p] = wide[p] * wide[p];
  }
  double* wide_left() const { return reinterpret_cast<double*>(s_.wide_left); }

  int32_t one_run(int64_t line, int64_t begin, int64_t n) {
    const int32_t* indices = t_.indices + begin;
    const T* left = t_.left + line * t_.ldl;
    const int64_t known = t_.indptr[t_.first + t_.lines] - begin;
    gathered_dots(n, known, indices, left, t_.right, t_.ldr, kp_, s_.model);
    const T lo = loss_.m_lo, hi = loss_.m_hi;
    for (int64_t e = 0; e < n; ++e) {
      const T raised = s_.model[e] > lo ? s_.model[e] : lo;
      s_.model[e] = raised < hi ? raised : hi;
    }
    const int32_t status =
        any_hidden(begin, n) ? packed_span(line, begin, n) : whole_span(line, begin, n);
    if (status != ASSAY_OK) return status;
    if (t_.weights != nullptr)
      apply(n, [&](int64_t e) { return static_cast<T>(t_.weights[begin + e]); });
    if (t_.zero_term != ASSAY_ZERO_NONE) take_zero_share(n);
    if (outer_) apply(n, [&](int64_t e) { return outer_weight(t_, line, indices[e]); });
    contract(line, indices, n, known);
    return ASSAY_OK;
  }

  bool any_hidden(int64_t begin, int64_t n) const {
    if (t_.weights == nullptr) return false;
    bool hidden = false;
    for (int64_t e = begin; e < begin + n; ++e) hidden |= t_.weights[e] == 0.0f;
    return hidden;
  }

  int32_t whole_span(int64_t line, int64_t begin, int64_t n) {
    viewed(t_, line, begin, n, s_.x);
    return evaluate_span(loss_, t_.ctx, t_.what, n, static_cast<const T*>(s_.x),
                         static_cast<const T*>(s_.model), s_.e0, s_.e1,
                         t_.with_value ? s_.value : nullptr, s_.spare);
  }

  // Only the observed entries go to the loss; the results of the others are zero.
  int32_t packed_span(int64_t line, int64_t begin, int64_t n) {
    int32_t* index = reinterpret_cast<int32_t*>(s_.index);
    viewed(t_, line, begin, n, s_.x);
    for (int64_t e = 0; e < n; ++e) s_.e0[e] = s_.e1[e] = 0;
    int64_t kept = 0;
    for (int64_t e = 0; e < n; ++e) {
      s_.x[kept] = s_.x[e];
      s_.packed[0][kept] = s_.model[e];
      index[kept] = static_cast<int32_t>(e);
      kept += t_.weights[begin + e] != 0.0f ? 1 : 0;
    }
    if (kept > 0) {
      const int32_t status =
          evaluate_span(loss_, t_.ctx, t_.what, kept, static_cast<const T*>(s_.x),
                        static_cast<const T*>(s_.packed[0]), s_.packed[1], s_.packed[2],
                        t_.with_value ? s_.packed[3] : nullptr, s_.spare);
      if (status != ASSAY_OK) return status;
    }
    for (int64_t e = 0; first_ && e < kept; ++e) s_.e0[index[e]] = s_.packed[1][e];
    for (int64_t e = 0; second_ && e < kept; ++e) s_.e1[index[e]] = s_.packed[2][e];
    if (t_.with_value) {
      for (int64_t e = 0; e < n; ++e) s_.value[e] = 0;
      for (int64_t e = 0; e < kept; ++e) s_.value[index[e]] = s_.packed[3][e];
    }
    return ASSAY_OK;
  }

  template <class Weight>
  __attribute__((always_inline)) void apply(int64_t n, Weight weight) {
    if (first_)
      for (int64_t e = 0; e < n; ++e) s_.e0[e] *= weight(e);
    if (second_)
      for (int64_t e = 0; e < n; ++e) s_.e1[e] *= weight(e);
    if (t_.with_value)
      for (int64_t e = 0; e < n; ++e) s_.value[e] *= weight(e);
  }

  // z(m) = a m or a m^2 counts for every cell outside, so its part is taken off here: MU's den and
  // GRAD's and NEWTON's derivative lose z', the curvature z'', the value z.
  void take_zero_share(int64_t n) {
    const bool square = t_.zero_term == ASSAY_ZERO_QUADRATIC;
    const T a = static_cast<T>(t_.zero_a);
    const T* m = s_.model;
    T* slope = t_.what == ASSAY_MU ? s_.e1 : s_.e0;
    if (t_.what == ASSAY_MU ? second_ : first_) {
      for (int64_t e = 0; e < n; ++e) slope[e] -= square ? 2 * a * m[e] : a;
    }
    if (newton_ && second_ && square) {
      for (int64_t e = 0; e < n; ++e) s_.e1[e] -= 2 * a;
    }
    if (t_.with_value) {
      for (int64_t e = 0; e < n; ++e) s_.value[e] -= square ? a * m[e] * m[e] : a * m[e];
    }
  }

  void contract(int64_t line, const int32_t* indices, int64_t n, int64_t known) {
    const T *e0 = s_.e0, *e1 = s_.e1;
    if (t_.row0 != nullptr) {
      gathered_sum<T, false, false>(n, n, indices, e0, t_.right, t_.ldr, kp_,
                                    t_.row0 + line * t_.ldrow);
    }
    if (t_.row1 != nullptr) {
      T* out = t_.row1 + line * t_.ldrow;
      if (newton_) {
        gathered_sum<T, true, false>(n, n, indices, e1, t_.right, t_.ldr, kp_, out);
      } else {
        gathered_sum<T, false, false>(n, n, indices, e1, t_.right, t_.ldr, kp_, out);
      }
    }
    if (t_.col0 != nullptr)
      scattered_sum(n, known, indices, e0, wide_left(), kp_, t_.col0, t_.ldcol);
    if (t_.col1 != nullptr) {
      scattered_sum(n, known, indices, e1, wide_left() + (newton_ ? kp_ : 0), kp_, t_.col1,
                    t_.ldcol);
    }
    if (!t_.with_value) return;
    const double v = sum_span<T>(n, s_.value);
    if (t_.value != nullptr) *t_.value += v;
    if (t_.row_value != nullptr) t_.row_value[line] += v;
  }

  const SparseTile<T>& t_;
  const LossFunctions<T>& loss_;
  const int64_t kp_;
  const SparseScratch<T> s_;
  const bool newton_, first_, second_, outer_;
};

}  // namespace

template <class T>
int32_t terms_sparse(const SparseTile<T>& t) {
  return SparseTerms<T>(t).run();
}

template <class T>
int64_t sparse_scratch(int64_t k) {
  return cut_sparse<T>(nullptr, k).size;
}

template int64_t sparse_scratch<double>(int64_t);
template int64_t sparse_scratch<float>(int64_t);
template int32_t terms_sparse<double>(const SparseTile<double>&);
template int32_t terms_sparse<float>(const SparseTile<float>&);

}  // namespace assay::kernels::ASSAY_ISA_NS
