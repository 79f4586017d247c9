// SPDX-License-Identifier: Apache-2.0
// terms on a dense tile, block by block in cache: the model of 64 rows x 128 columns, the loss at its entries row by row
// (spans), then e times right for the rows and e' times left for the columns while e is near.
//
// SQUARED and KL without weights and without the value take the loss into the model's registers. With weights a row of a
// block that is fully observed goes to the loss where it lies; of the others the observed entries are packed first, so that
// the loss never sees a hidden one.
#include "core/kernels/isa/isa.hpp"
#include "core/kernels/isa/scratch.hpp"

namespace assay::kernels::ASSAY_ISA_NS {
namespace {

template <class T>
void copy_squares(int64_t rows, int64_t kp, const T* a, int64_t lda, T* out) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t p = 0; p < kp; ++p) out[i * kp + p] = a[i * lda + p] * a[i * lda + p];
  }
}

template <class T>
class DenseTerms {
 public:
  explicit DenseTerms(const DenseTile<T>& tile)
      : t_(tile), loss_(*tile.loss), kp_(padded_to_line<T>(tile.k)), s_(cut_dense(tile.scratch, tile.k)) {
    newton_ = t_.what == ASSAY_NEWTON;
    first_ = t_.row0 != nullptr || t_.col0 != nullptr;
    second_ = t_.row1 != nullptr || t_.col1 != nullptr;
    fused_ = built_in(loss_) && t_.weights == nullptr && !t_.with_value &&
             (t_.what == ASSAY_GRAD || (t_.what == ASSAY_MU && (!second_ || squared())));
  }

  int32_t run() {
    for (int64_t j = 0; j < t_.cols; j += kBlockCols) {
      j_ = j;
      cols_ = t_.cols - j < kBlockCols ? t_.cols - j : kBlockCols;
      make_image();
      if (newton_ && t_.row1 != nullptr) copy_squares(cols_, kp_, right(), t_.ldr, s_.right_squares);
      for (int64_t i = 0; i < t_.rows; i += kBlockRows) {
        i_ = i;
        rows_ = t_.rows - i < kBlockRows ? t_.rows - i : kBlockRows;
        if (const int32_t status = fused_ ? fused_block() : span_block(); status != ASSAY_OK) {
          return status;
        }
      }
    }
    return ASSAY_OK;
  }

 private:
  bool squared() const { return loss_.tag == ASSAY_TAG_SQUARED; }
  const T* left() const { return t_.left + i_ * t_.ldl; }
  const T* right() const { return t_.right + j_ * t_.ldr; }
  const T* x() const { return t_.x + i_ * t_.ldx + j_; }

  // Columns behind the last whole vector come from a zero-padded copy.
  void make_image() {
    constexpr int64_t L = kLanes<T>;
    whole_ = t_.right_t != nullptr ? cols_ / L * L : 0;
    strip_ = (cols_ - whole_ + L - 1) / L * L;
    for (int64_t p = 0; p < t_.k; ++p) {
      T* line = s_.image + p * kBlockCols;
      for (int64_t c = 0; c < strip_; ++c) {
        line[c] = whole_ + c < cols_ ? right()[(whole_ + c) * t_.ldr + p] : T(0);
      }
    }
  }

  void model(ModelForm form, T* out) {
    ModelBlock<T> b = {rows_, whole_, t_.k,     left(),   t_.ldl, nullptr, 0,
                       x(),   t_.ldx, loss_.m_lo, loss_.m_hi, out,   kBlockLd<T>};
    if (whole_ > 0) {
      b.right_t = t_.right_t + j_;
      b.ldrt = t_.ldrt;
      model_block(form, b);
    }
    if (strip_ == 0) return;
    b.cols = strip_;
    b.right_t = s_.image;
    b.ldrt = kBlockCols;
    b.out = out + whole_;
    if (form != kModel) {
      const int64_t tail = cols_ - whole_;
      for (int64_t i = 0; i < rows_; ++i) {
        for (int64_t c = 0; c < strip_; ++c) {
          s_.tail[i * strip_ + c] = c < tail ? x()[i * t_.ldx + whole_ + c] : T(0);
        }
      }
      b.x = s_.tail;
      b.ldx = strip_;
    }
    model_block(form, b);
  }

  int32_t fused_block() {
    if (t_.what == ASSAY_GRAD) {
      model(squared() ? kDifference : kOneLessRatio, s_.e0);
      contract(s_.e0, kBlockLd<T>, s_.e1);
      return ASSAY_OK;
    }
    if (squared()) {
      if (second_) model(kModel, s_.e1);
      contract(x(), t_.ldx, s_.e1);
      return ASSAY_OK;
    }
    model(kRatio, s_.e0);
    contract(s_.e0, kBlockLd<T>, s_.e1);
    return ASSAY_OK;
  }

  int32_t span_block() {
    model(kModel, s_.model);
    for (int64_t i = 0; i < rows_; ++i) {
      const T* weights = t_.weights != nullptr ? t_.weights + (i_ + i) * t_.ldw + j_ : nullptr;
      const int64_t hidden = weights != nullptr ? count_hidden(weights) : 0;
      const int32_t status = hidden > 0 ? packed_row(i, weights) : whole_row(i, weights);
      if (status != ASSAY_OK) return status;
    }
    contract(s_.e0, kBlockLd<T>, s_.e1);
    return ASSAY_OK;
  }

  int64_t count_hidden(const T* weights) const {
    int64_t hidden = 0;
    for (int64_t c = 0; c < cols_; ++c) hidden += weights[c] == T(0) ? 1 : 0;
    return hidden;
  }

  int32_t whole_row(int64_t i, const T* weights) {
    T* e0 = s_.e0 + i * kBlockLd<T>;
    T* e1 = s_.e1 + i * kBlockLd<T>;
    T* value = t_.with_value ? s_.value : nullptr;
    const int32_t status =
        evaluate_span(loss_, t_.ctx, t_.what, cols_, x() + i * t_.ldx,
                      static_cast<const T*>(s_.model + i * kBlockLd<T>), e0, e1, value, s_.spare);
    if (status != ASSAY_OK) return status;
    if (weights != nullptr) {
      if (first_) scale(cols_, weights, e0);
      if (second_) scale(cols_, weights, e1);
      if (value != nullptr) scale(cols_, weights, value);
    }
    if (value != nullptr) add_value(i, sum_span<T>(cols_, value));
    return ASSAY_OK;
  }

  int32_t packed_row(int64_t i, const T* weights) {
    const T* xi = x() + i * t_.ldx;
    const T* model = s_.model + i * kBlockLd<T>;
    int32_t* index = reinterpret_cast<int32_t*>(s_.index);
    int64_t n = 0;
    for (int64_t c = 0; c < cols_; ++c) {
      index[n] = static_cast<int32_t>(c);
      n += weights[c] != T(0) ? 1 : 0;
    }
    T* e0 = s_.e0 + i * kBlockLd<T>;
    T* e1 = s_.e1 + i * kBlockLd<T>;
    for (int64_t c = 0; c < cols_; ++c) e0[c] = 0;
    for (int64_t c = 0; c < cols_; ++c) e1[c] = 0;
    if (n == 0) return ASSAY_OK;
    for (int64_t e = 0; e < n; ++e) s_.packed[0][e] = xi[index[e]];
    for (int64_t e = 0; e < n; ++e) s_.packed[1][e] = model[index[e]];
    T* value = t_.with_value ? s_.value : nullptr;
    const int32_t status = evaluate_span(loss_, t_.ctx, t_.what, n,
                                         static_cast<const T*>(s_.packed[0]),
                                         static_cast<const T*>(s_.packed[1]), s_.packed[2],
                                         s_.packed[3], value, s_.spare);
    if (status != ASSAY_OK) return status;
    if (first_) {
      for (int64_t e = 0; e < n; ++e) e0[index[e]] = weights[index[e]] * s_.packed[2][e];
    }
    if (second_) {
      for (int64_t e = 0; e < n; ++e) e1[index[e]] = weights[index[e]] * s_.packed[3][e];
    }
    if (value != nullptr) {
      for (int64_t e = 0; e < n; ++e) value[e] *= weights[index[e]];
      add_value(i, sum_span<T>(n, value));
    }
    return ASSAY_OK;
  }

  static void scale(int64_t n, const T* weights, T* e) {
    for (int64_t c = 0; c < n; ++c) e[c] *= weights[c];
  }

  void add_value(int64_t i, double v) {
    if (t_.value != nullptr) *t_.value += v;
    if (t_.row_value != nullptr) t_.row_value[i_ + i] += v;
  }

  void contract(const T* e0, int64_t ld0, const T* e1) {
    constexpr int64_t ld1 = kBlockLd<T>;
    if (t_.row0 != nullptr) {
      rows_product(rows_, cols_, e0, ld0, right(), t_.ldr, kp_, t_.row0 + i_ * t_.ldrow, t_.ldrow,
                   true);
    }
    if (t_.row1 != nullptr) {
      rows_product(rows_, cols_, e1, ld1, newton_ ? s_.right_squares : right(),
                   newton_ ? kp_ : t_.ldr, kp_, t_.row1 + i_ * t_.ldrow, t_.ldrow, true);
    }
    if (t_.col0 != nullptr) {
      cols_product(rows_, cols_, e0, ld0, left(), t_.ldl, kp_, t_.col0 + j_ * t_.ldcol, t_.ldcol);
    }
    if (t_.col1 != nullptr) {
      if (newton_) copy_squares(rows_, kp_, left(), t_.ldl, s_.left_squares);
      cols_product(rows_, cols_, e1, ld1, newton_ ? s_.left_squares : left(),
                   newton_ ? kp_ : t_.ldl, kp_, t_.col1 + j_ * t_.ldcol, t_.ldcol);
    }
  }

  const DenseTile<T>& t_;
  const LossFunctions<T>& loss_;
  const int64_t kp_;
  const DenseScratch<T> s_;
  bool newton_ = false, first_ = false, second_ = false, fused_ = false;
  int64_t i_ = 0, j_ = 0, rows_ = 0, cols_ = 0;  // the block
  int64_t whole_ = 0, strip_ = 0;  // its columns in right_t, and those of the padded copy
};

}  // namespace

template <class T>
int32_t terms_dense(const DenseTile<T>& t) {
  return DenseTerms<T>(t).run();
}

template <class T>
int64_t dense_scratch(int64_t k) {
  return cut_dense<T>(nullptr, k).size;
}

template int64_t dense_scratch<double>(int64_t);
template int64_t dense_scratch<float>(int64_t);
template int32_t terms_dense<double>(const DenseTile<double>&);
template int32_t terms_dense<float>(const DenseTile<float>&);

}  // namespace assay::kernels::ASSAY_ISA_NS
