// SPDX-License-Identifier: Apache-2.0
// Times lines: X with a factor, X with itself, a factor with something small. A shift of sparse X
// whose unstored entries are zeros, x' = c x + s_j, is a rank-one term beside the product of what
// is stored: (X' B)_i = sum of c x b + s'B, (X'' A)_j = sum of c x a + s_j 1'A.
#include "core/graph/lower.hpp"

namespace assay::graph {

void Lowering::lower_times(const Line& line) {
  if (line.left == ASSAY_X && line.right == ASSAY_X) return lower_square(line);
  if (line.left == ASSAY_X && buffer(line.right).decl.dtype == ASSAY_I32) return lower_labels(line);
  if (line.left == ASSAY_X) {
    const int power = line.flags & ASSAY_PATTERN  ? 0
                      : line.flags & ASSAY_SQUARE ? 2
                      : line.flags & ASSAY_ABS    ? kernels::kAbsolute
                                                  : 1;
    return emit_product(line.name, line.axis, line.right, line.out, power);
  }
  if (line.axis == ASSAY_COLS && buffer(line.left).decl.axis == ASSAY_ROWS)
    return lower_shaped(line);
  Op op;
  op.kind = OpKind::kSmall;
  op.name = line.name;
  op.axis = line.axis;
  op.left = line.left;
  op.right = line.right;
  op.out0 = line.out;
  op.transposed = (line.flags & ASSAY_TRANSPOSED) != 0;
  note_product(line);
  op.flops = 2.0 * static_cast<double>(buffer(line.left).decl.rows * buffer(line.left).decl.width *
                                       buffer(line.out).decl.width);
  if (buffer(line.right).decl.axis == ASSAY_COLS) x_shaped_.insert(line.left);
  emit(std::move(op));
}

// out = X' Z, Z one-hot: rows are added to sums that lie a cluster to a line, and turned at the end.
void Lowering::lower_labels(const Line& line) {
  Op op;
  op.kind = OpKind::kLabels;
  op.name = line.name;
  op.axis = ASSAY_ROWS;
  op.reads_x = op.carried = true;
  op.densify = shifted_zeros();
  op.right = line.right;
  op.weight = (line.flags & ASSAY_WEIGHTED) != 0 ? row_weight(ASSAY_ROWS) : -1;
  op.out0 = internal("sums of clusters", ASSAY_ONE, ASSAY_SUM, buffer(line.out).decl.width,
                     model_.d());
  op.flops = product_flops(1, op.densify);
  Op turn;
  turn.kind = OpKind::kTurn;
  turn.name = line.name + " turned";
  turn.axis = ASSAY_COLS;
  turn.extra = op.out0;
  turn.out0 = line.out;
  emit(std::move(op));
  emit(std::move(turn));
}

void Lowering::lower_gather(const Line& line) {
  Op op;
  op.kind = OpKind::kGather;
  op.name = line.name;
  op.axis = ASSAY_ONE;
  op.left = line.left;
  op.out0 = line.out;
  emit(std::move(op));
}

// A buffer in X's place times rows: a sum over rows, carried in their sweep.
void Lowering::lower_shaped(const Line& line) {
  x_shaped_.insert(line.left);
  buffer(line.out).place = Place::kStat;
  emit_gram(line.name, line.left, line.right, line.out, -1);
}

void Lowering::emit_product(int32_t axis, int opposite, int out) {
  emit_product(std::string("X") + (axis == ASSAY_ROWS ? " " : "' ") + buffer(opposite).decl.name,
               axis, opposite, out, 1);
}

// out = X O on the rows, X' O on the columns.
void Lowering::emit_product(const std::string& name,
                            int32_t axis,
                            int opposite,
                            int out,
                            int power) {
  const int64_t k = buffer(opposite).decl.width;
  const bool shifted = shifted_zeros() && power == 1;
  Op op;
  op.kind = OpKind::kProduct;
  op.name = name;
  op.power = power;
  op.right = opposite;
  op.densify = shifted_zeros() && !shifted;
  op.flops = product_flops(k, op.densify);
  const bool carried = carry(axis, k, 1);
  op.out0 = shifted && carried ? internal("stored part", axis, ASSAY_LOCAL, 0, k) : out;
  if (!shifted) return emit_x(std::move(op), axis, carried);

  Op fill;
  fill.kind = OpKind::kFill;
  fill.name = "shift of X";
  fill.axis = axis;
  fill.right = axis == ASSAY_ROWS ? emit_gram("shift times " + buffer(opposite).decl.name,
                                              shift_buffer(), opposite, -1, -1)
                                  : emit_colsum(opposite, -1);
  fill.by_shift = axis == ASSAY_COLS;
  fill.out0 = out;
  fill.accumulate = !carried;
  const int stored = op.out0;
  emit_x(std::move(op), axis, carried);
  emit(std::move(fill));
  if (!carried) return;
  Op add;
  add.kind = OpKind::kAdd;
  add.name = "stored part";
  add.axis = axis;
  add.out0 = out;
  add.extra = stored;
  emit(std::move(add));
}

// The shift of X's columns as a buffer, d x 1.
int Lowering::shift_buffer() {
  if (shift_ >= 0) return shift_;
  shift_ = internal("shifts of columns", ASSAY_COLS, ASSAY_LOCAL, 0, 1);
  buffer(shift_).place = Place::kGiven;
  buffer(shift_).ld = 1;
  buffer(shift_).decl.given = kGivenShift;
  return shift_;
}

// out = X'X, or X X'. Half of it is summed; the whole is put together once. Bytes are multiplied as
// stored, in integers: nothing is rounded, and scale and shift are put on at the end.
void Lowering::lower_square(const Line& line) {
  const data::Data& x = *model_.x;
  const bool turned = (line.flags & ASSAY_TRANSPOSED) != 0;
  const int64_t size = turned ? x.rows : x.cols, length = turned ? x.cols : x.rows;
  Op op;
  op.kind = OpKind::kSquare;
  op.name = line.name;
  op.axis = turned ? ASSAY_COLS : ASSAY_ROWS;
  op.reads_x = true;
  op.densify = shifted_zeros();
  op.as_stored = !turned && !x.sparse && x.dense.dtype == ASSAY_U8 && !x.table && !x.mask;
  op.out0 = internal("half", ASSAY_ONE, ASSAY_SUM, size + (op.as_stored ? 1 : 0), size);
  op.flops = product_flops(size, op.densify) / 2;
  if (x.sparse && !op.densify)  // pairs of entries of a line
    op.flops = static_cast<double>(x.csr.nnz) * static_cast<double>(x.csr.nnz) /
               static_cast<double>(length);
  if (x.sparse && !op.densify && turned) layout_.needs_csc = true;
  Op whole;
  whole.kind = OpKind::kSquareWhole;
  whole.name = "both halves";
  whole.axis = ASSAY_ONE;
  whole.left = op.out0;
  whole.as_stored = op.as_stored;
  whole.out0 = line.out;
  buffer(line.out).place = Place::kStored;
  emit(std::move(op));
  emit(std::move(whole));
}

}  // namespace assay::graph
