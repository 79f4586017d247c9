// SPDX-License-Identifier: Apache-2.0
// Terms lines: which form they take and where their value goes; the squared loss on plain data,
// whose gradient and value fall out of one product of X and a Gram matrix.
#include "core/graph/lower.hpp"

namespace assay::graph {

void Lowering::lower_terms(const Line& line) {
  const assay_terms& t = line.terms;
  const bool squared =
      (t.flags & ASSAY_TERMS_SQUARED) ||
      (!(t.flags & ASSAY_TERMS_LOG_DENSITY) && model_.loss->facts().tag == ASSAY_TAG_SQUARED);
  const bool entering = wants_entering(t);
  const bool plain = !weighted_ && (!model_.x->sparse || zeros_);
  const bool apart = per_line(t) || (batch() > 0 && t.value != ASSAY_NO);
  if (squared && !plain && t.what != ASSAY_VALUE) say_cost();
  // Where zeros are shifted the value comes from the products too: nothing else costs what is
  // stored.
  const bool products =
      t.what == ASSAY_MU || t.what == ASSAY_GRAD || (t.what == ASSAY_VALUE && shifted_zeros());
  if (squared && plain && !apart && products && !at_mean(t) &&
      (options_.force.fuse || shifted_zeros()))
    lower_squared(line, entering);
  else
    lower_general(line, squared, entering);
}

// M = W H' under the squared loss: num = X O, den = F (O'O); the value falls out of both.
void Lowering::lower_squared(const Line& line, bool entering) {
  const assay_terms& t = line.terms;
  const auto [own, opposite] = own_opposite(t.axis, t.left, t.right);
  const int gram = gram_of(opposite);
  const int product = t.out0 != ASSAY_NO
                          ? t.out0
                          : internal("product", t.axis, ASSAY_LOCAL, 0, buffer(own).decl.width);
  emit_product(t.axis, opposite, product);
  const int den =
      t.what == ASSAY_MU ? t.out1 : internal("den", t.axis, ASSAY_LOCAL, 0, buffer(own).decl.width);
  emit_times_gram(t.axis, own, gram, den);
  if (entering || t.value != ASSAY_NO) emit_squared_value(t, own, product, den, t.axis, entering);
  if (t.what == ASSAY_GRAD) emit_subtract("gradient", t.axis, t.out0, den);
}

// What masks and weights cost under the squared loss, said once.
void Lowering::say_cost() {
  if (std::exchange(cost_said_, true)) return;
  layout_.remarks.push_back(
      "X is masked, weighted or unobserved where not stored: the model is evaluated at every "
      "observed entry, about 3 times the flops of a plain squared loss and no more memory");
}

// The host measures the loss on the first terms whose operands are the factors as they enter the
// step.
bool Lowering::wants_entering(const assay_terms& t) {
  if (in_control() || entering_done_ || t.value != ASSAY_NO || t.what == ASSAY_VALUE ||
      (t.flags & ASSAY_TERMS_SQUARED))
    return false;
  if (!at_model(t)) return false;
  for (const Stage& stage : layout_.stages)
    for (const Op& op : stage.ops)
      for (const int b : made(op))
        if (buffer(b).decl.side >= 0) return false;
  entering_done_ = true;
  return true;
}

// The value is wanted for each row (column).
bool Lowering::per_line(const assay_terms& t) {
  return t.value != ASSAY_NO && buffer(t.value).decl.axis != ASSAY_ONE;
}

// A buffer that holds a factor times S or S', as the factors were at its line.
void Lowering::note_product(const Line& line) {
  const bool turned = (line.flags & ASSAY_TRANSPOSED) != 0;
  if (buffer(line.right).decl.side != 2) return;
  if (buffer(line.left).decl.side == (turned ? 1 : 0)) with_s_[turned ? 1 : 0] = line.out;
}

// Whether left right' is the model: W H', or (W S) H', or W (H S')'.
bool Lowering::at_model(const assay_terms& t) {
  const bool w = buffer(t.left).decl.side == 0, h = buffer(t.right).decl.side == 1;
  if (model_.n_factors == 2) return w && h;
  return (h && t.left == with_s_[0]) || (w && t.right == with_s_[1]);
}

// Squares of X minus the model are about the mean of X, which some losses link to the model.
bool Lowering::at_mean(const assay_terms& t) {
  return (t.flags & ASSAY_TERMS_SQUARED) && t.what == ASSAY_VALUE && model_.loss &&
         model_.loss->has_link() && at_model(t);
}

// The loss of a terms line as scalars: into its own value buffer, or as the entering loss.
void Lowering::publish_value(const assay_terms& t,
                             bool entering,
                             Scalars scalars,
                             double constant,
                             bool free) {
  if (entering) {
    layout_.entering = std::move(scalars);
    layout_.entering_constant = constant;
    layout_.entering_free = free;
    return;
  }
  Op op;
  op.kind = OpKind::kCombine;
  op.name = "value";
  op.axis = ASSAY_ONE;
  op.inputs = std::move(scalars);
  op.constant = constant;
  op.out0 = t.value;
  buffer(t.value).place = Place::kStored;
  emit(std::move(op));
}

// 1/2 |X - M|^2 = 1/2 |X|^2 - <F, X O> + 1/2 <F, F O'O>
void Lowering::emit_squared_value(const assay_terms& t,
                                  int own,
                                  int product,
                                  int den,
                                  int32_t axis,
                                  bool entering) {
  Op dot;
  dot.kind = OpKind::kDot;
  dot.name = "squared loss from the products";
  dot.axis = axis;
  dot.left = own;
  dot.right = product;
  dot.extra = den;
  dot.scale = -1;
  dot.scale1 = 0.5;
  dot.only_measured = entering;
  dot.value = internal("loss", ASSAY_ONE, ASSAY_SUM, 1, 1);
  const int scalar = dot.value;
  emit(std::move(dot));
  publish_value(t, entering, {{scalar, 1.0}}, 0.5 * model_.facts.sumsq, true);
}

}  // namespace assay::graph
