// SPDX-License-Identifier: Apache-2.0
// terms on a dense tile, block by block in cache: the model, the loss at its entries row by row
// (spans), then e times right for the rows and e' times left for the columns while e is near.
// Blocks are flat and follow the rows of X where only row sums are wanted, tall and follow its
// columns otherwise.
//
// SQUARED, KL and IS without weights and without the value take the loss into the model's
// registers. With weights a row of a block that is fully observed goes to the loss where it lies;
// of the others the observed entries are packed first, so that the loss never sees a hidden one
// (built-in losses see x = 0 there instead).
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
      : t_(tile),
        loss_(*tile.loss),
        kp_(padded_to_line<T>(tile.k)),
        s_(cut_dense(tile.scratch, tile.k)) {
    newton_ = t_.what == ASSAY_NEWTON;
    first_ = t_.row0 != nullptr || t_.col0 != nullptr;
    second_ = t_.row1 != nullptr || t_.col1 != nullptr;
    fused_ =
        built_in(loss_) && usual_domain() && t_.weights == nullptr && !t_.with_value &&
        (t_.what == ASSAY_GRAD || (t_.what == ASSAY_MU && (!second_ || loss_.tag != ASSAY_TAG_KL)));
  }

  int32_t run() {
    const bool flat = t_.col0 == nullptr && t_.col1 == nullptr && t_.right_t != nullptr && !newton_;
    return flat ? flat_blocks() : tall_blocks();
  }

 private:
  int32_t flat_blocks() {
    ld_ = kFlatCols + kLine<T>;
    ahead_ = 64;
    for (int64_t i = 0; i < t_.rows; i += kFlatRows) {
      set_rows(i, kFlatRows);
      for (int64_t j = 0; j < t_.cols; j += kFlatCols) {
        set_cols(j, kFlatCols);
        if (const int32_t status = block(); status != ASSAY_OK) return status;
      }
    }
    return ASSAY_OK;
  }

  int32_t tall_blocks() {
    ld_ = kTallCols + kLine<T>;
    ahead_ = kLines * t_.ldx;
    for (int64_t j = 0; j < t_.cols; j += kTallCols) {
      set_cols(j, kTallCols);
      if (newton_ && t_.row1 != nullptr)
        copy_squares(cols_, kp_, right(), t_.ldr, s_.right_squares);
      for (int64_t i = 0; i < t_.rows; i += kTallRows) {
        set_rows(i, kTallRows);
        if (const int32_t status = block(); status != ASSAY_OK) return status;
      }
    }
    return ASSAY_OK;
  }

  int32_t block() { return fused_ ? fused_block() : span_block(); }

  void set_rows(int64_t i, int64_t most) {
    i_ = i;
    rows_ = t_.rows - i < most ? t_.rows - i : most;
  }
  void set_cols(int64_t j, int64_t most) {
    j_ = j;
    cols_ = t_.cols - j < most ? t_.cols - j : most;
    make_image();
  }

  bool squared() const { return loss_.tag == ASSAY_TAG_SQUARED; }
  // As the fused forms have it: no bounds for squared, none above for the others.
  bool usual_domain() const {
    constexpr T kLargest =
        sizeof(T) == sizeof(double) ? T(0x1.fffffffffffffp1023) : T(0x1.fffffep127);
    return loss_.m_hi >= kLargest && (!squared() || loss_.m_lo <= -kLargest);
  }
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

  // The model of rows first .. first + rows - 1 of the block.
  void model(ModelForm form,
             int64_t first,
             int64_t rows,
             int64_t ahead,
             T* out,
             T* out1 = nullptr) {
    const T* xi = x() + first * t_.ldx;
    ModelBlock<T> b = {rows,     whole_,  t_.k,       left() + first * t_.ldl,
                       t_.ldl,   nullptr, 0,          xi,
                       t_.ldx,   ahead,   loss_.m_lo, loss_.m_hi,
                       s_.lines, out,     out1,       ld_};
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
    if (out1 != nullptr) b.out1 = out1 + whole_;
    if (form != kModel) {
      const int64_t tail = cols_ - whole_;
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t c = 0; c < strip_; ++c) {
          s_.tail[i * strip_ + c] = c < tail ? xi[i * t_.ldx + whole_ + c] : T(0);
        }
      }
      b.x = s_.tail;
      b.ldx = strip_;
      b.ahead = 0;
    }
    model_block(form, b);
  }

  int32_t fused_block() {
    const bool is = loss_.tag == ASSAY_TAG_IS;
    if (t_.what == ASSAY_GRAD) {
      model(squared() ? kDifference : is ? kScaled : kOneLessRatio, 0, rows_, ahead_, s_.e0);
      contract(s_.e0, ld_, s_.e1);
      return ASSAY_OK;
    }
    if (is) {
      model(kInverse, 0, rows_, ahead_, s_.e0, s_.e1);
      contract(s_.e0, ld_, s_.e1);
      return ASSAY_OK;
    }
    if (squared()) {
      if (second_) model(kModel, 0, rows_, 0, s_.e1);
      contract(x(), t_.ldx, s_.e1);
      return ASSAY_OK;
    }
    model(kRatio, 0, rows_, ahead_, s_.e0);
    contract(s_.e0, ld_, s_.e1);
    return ASSAY_OK;
  }

  // Some rows at a time, so that their model and what is not contracted stay in L1.
  int32_t span_block() {
    for (int64_t first = 0; first < rows_; first += kFlatRows) {
      const int64_t rows = rows_ - first < kFlatRows ? rows_ - first : kFlatRows;
      model(kModel, first, rows, 0, s_.model);
      for (int64_t i = 0; i < rows; ++i) {
        const int32_t status = span_row(first + i, s_.model + i * ld_);
        if (status != ASSAY_OK) return status;
      }
    }
    contract(s_.e0, ld_, s_.e1);
    return ASSAY_OK;
  }

  int32_t span_row(int64_t i, const T* model) {
    T* e0 = s_.e0 + i * ld_;
    T* e1 = s_.e1 + (second_ ? i * ld_ : 0);
    const T* xi = x() + i * t_.ldx;
    if (t_.weights == nullptr) return whole_row(i, xi, model, nullptr, e0, e1);
    const T* weights = t_.weights + (i_ + i) * t_.ldw + j_;
    if (count_hidden(weights) == 0) return whole_row(i, xi, model, weights, e0, e1);
    if (!built_in(loss_)) return packed_row(i, xi, model, weights, e0, e1);
    for (int64_t c = 0; c < cols_; ++c) s_.packed[0][c] = weights[c] != T(0) ? xi[c] : T(0);
    return whole_row(i, s_.packed[0], model, weights, e0, e1);
  }

  int64_t count_hidden(const T* weights) const {
    int64_t hidden = 0;
    for (int64_t c = 0; c < cols_; ++c) hidden += weights[c] == T(0) ? 1 : 0;
    return hidden;
  }

  int32_t whole_row(int64_t i, const T* xi, const T* model, const T* weights, T* e0, T* e1) {
    T* value = t_.with_value ? s_.value : nullptr;
    const int32_t status =
        evaluate_span(loss_, t_.ctx, t_.what, cols_, xi, model, e0, e1, value, s_.spare);
    if (status != ASSAY_OK) return status;
    if (weights != nullptr) {
      if (first_) scale(cols_, weights, e0);
      if (second_) scale(cols_, weights, e1);
      if (value != nullptr) scale(cols_, weights, value);
    }
    if (value != nullptr) add_value(i, sum_span<T>(cols_, value));
    if (value != nullptr && t_.col_value != nullptr) {
      for (int64_t c = 0; c < cols_; ++c) t_.col_value[j_ + c] += static_cast<double>(value[c]);
    }
    return ASSAY_OK;
  }

  int32_t packed_row(int64_t i, const T* xi, const T* model, const T* weights, T* e0, T* e1) {
    int32_t* index = reinterpret_cast<int32_t*>(s_.index);
    int64_t n = 0;
    for (int64_t c = 0; c < cols_; ++c) {
      index[n] = static_cast<int32_t>(c);
      n += weights[c] != T(0) ? 1 : 0;
    }
    for (int64_t c = 0; c < cols_; ++c) e0[c] = 0;
    for (int64_t c = 0; c < cols_; ++c) e1[c] = 0;
    if (n == 0) return ASSAY_OK;
    for (int64_t e = 0; e < n; ++e) s_.packed[0][e] = xi[index[e]];
    for (int64_t e = 0; e < n; ++e) s_.packed[1][e] = model[index[e]];
    T* value = t_.with_value ? s_.value : nullptr;
    const int32_t status = evaluate_span(
        loss_, t_.ctx, t_.what, n, static_cast<const T*>(s_.packed[0]),
        static_cast<const T*>(s_.packed[1]), s_.packed[2], s_.packed[3], value, s_.spare);
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
      for (int64_t e = 0; t_.col_value != nullptr && e < n; ++e)
        t_.col_value[j_ + index[e]] += static_cast<double>(value[e]);
    }
    return ASSAY_OK;
  }

  static void scale(int64_t n, const T* weights, T* e) {
    for (int64_t c = 0; c < n; ++c) e[c] = weights[c] != T(0) ? e[c] * weights[c] : T(0);
  }

  void add_value(int64_t i, double v) {
    if (t_.value != nullptr) *t_.value += v;
    if (t_.row_value != nullptr) t_.row_value[i_ + i] += v;
  }

  void contract(const T* e0, int64_t ld0, const T* e1) {
    if (t_.row0 != nullptr) {
      rows_product(rows_, cols_, e0, ld0, right(), t_.ldr, t_.k, t_.row0 + i_ * t_.ldrow, t_.ldrow,
                   true);
    }
    if (t_.row1 != nullptr) {
      rows_product(rows_, cols_, e1, ld_, newton_ ? s_.right_squares : right(),
                   newton_ ? kp_ : t_.ldr, t_.k, t_.row1 + i_ * t_.ldrow, t_.ldrow, true);
    }
    if (t_.col0 != nullptr) {
      cols_product(rows_, cols_, e0, ld0, left(), t_.ldl, t_.k, t_.col0 + j_ * t_.ldcol, t_.ldcol);
    }
    if (t_.col1 != nullptr) {
      if (newton_) copy_squares(rows_, kp_, left(), t_.ldl, s_.left_squares);
      cols_product(rows_, cols_, e1, ld_, newton_ ? s_.left_squares : left(),
                   newton_ ? kp_ : t_.ldl, t_.k, t_.col1 + j_ * t_.ldcol, t_.ldcol);
    }
  }

  const DenseTile<T>& t_;
  const LossFunctions<T>& loss_;
  const int64_t kp_;
  const DenseScratch<T> s_;
  bool newton_ = false, first_ = false, second_ = false, fused_ = false;
  int64_t i_ = 0, j_ = 0, rows_ = 0, cols_ = 0, ld_ = 0;  // the block
  int64_t ahead_ = 0;                                     // how far ahead of its use x is fetched
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
