// SPDX-License-Identifier: Apache-2.0
// Terms of any loss: model block, spans, contraction. Over sparse X with zeros the zero term is
// summed apart, so that a sweep costs what the stored entries cost.
#include <cmath>
#include <limits>
#include <tuple>

#include "core/graph/lower.hpp"

namespace assay::graph {

namespace {

// The loss as a line sees it: the squared one in its place, or minus its log density.
assay_loss_facts facts_of(const Model& model, const assay_terms& t) {
  assay_loss_facts facts{};
  if (model.loss) facts = model.loss->facts();
  if (t.flags & ASSAY_TERMS_SQUARED) {
    facts.zero_term = ASSAY_ZERO_QUADRATIC;
    facts.zero_a = 0.5;
    facts.den_is = std::numeric_limits<double>::quiet_NaN();
  }
  if (t.flags & ASSAY_TERMS_LOG_DENSITY) {
    // KL is Poisson's likelihood: log density -m at x = 0.
    const bool linear = facts.tag == ASSAY_TAG_KL && facts.zero_term == ASSAY_ZERO_LINEAR;
    facts.zero_term = linear ? ASSAY_ZERO_LINEAR : ASSAY_ZERO_NONE;
    facts.zero_a = -1;
  }
  return facts;
}

}  // namespace

// One line, as decided before its ops are emitted.
struct Lowering::General {
  assay_terms terms{};
  assay_loss_facts facts{};
  int own = -1, opposite = -1;
  int64_t k = 0;
  bool entering = false;      // its value is the loss at the factors that enter the step
  bool lines = false;         // a value for each row (column)
  bool with_value = false;    // a value at all
  bool zero_part = false;     // unstored zeros are summed apart
  bool constant_den = false;  // the denominator is a column sum: no contraction
  bool carried = false;
  int zero_target = -1;  // what zeros and constant denominators are put into
  Scalars scalars;
};

void Lowering::lower_general(const Line& line, bool squared, bool entering) {
  General g;
  g.terms = line.terms;
  g.lines = per_line(g.terms);
  g.entering = entering;
  g.with_value = entering || g.terms.value != ASSAY_NO;
  assay_terms& t = g.terms;
  if (batch() > 0 && model_.x->sparse && t.axis == ASSAY_COLS) {
    if (g.lines)
      return refuse("`" + line.name + "`: a value per column of sparse X, inside batches");
    if (t.what == ASSAY_VALUE) t.axis = ASSAY_ROWS;  // the total is the same
  }
  std::tie(g.own, g.opposite) = own_opposite(t.axis, t.left, t.right);
  g.k = buffer(g.own).decl.width;
  g.facts = facts_of(model_, t);
  if (at_mean(t)) g.facts.zero_term = ASSAY_ZERO_NONE;

  Op op;
  op.kind = OpKind::kTerms;
  op.name = line.name;
  op.log_density = (t.flags & ASSAY_TERMS_LOG_DENSITY) != 0;
  op.what = t.what;
  op.left = t.left;
  op.right = t.right;
  op.squared_loss = squared;
  op.at_mean = at_mean(t);
  op.out0 = t.out0;
  op.out1 = t.out1;
  settle_zeros(g, op);
  const int results = (op.out0 >= 0 ? 1 : 0) + (op.out1 >= 0 ? 1 : 0);
  g.carried = results > 0 && !g.lines && carry(t.axis, g.k, results);
  op.flops = product_flops(g.k, op.densify) * (1 + results);
  if (g.lines) {
    op.value = t.value;
    op.line_value = true;
    op.accumulate_value = g.zero_part;
  } else if (g.with_value) {
    op.value = internal("loss", ASSAY_ONE, ASSAY_SUM, 1, 1);
    g.scalars.emplace_back(op.value, 1.0);
  }
  op.only_measured = entering;  // terms: the value, not the op
  op.accumulate = g.zero_target >= 0 && !g.carried && !g.constant_den &&
                  g.zero_target == (t.what == ASSAY_MU ? t.out1 : t.out0);

  // Zeros are added onto a carried sum, and come first otherwise.
  if (g.carried) emit_x(op, t.axis, true);
  if (g.zero_target >= 0) emit_zeros(g);
  if (!g.carried) emit_x(op, t.axis, false);
  if (g.with_value && !g.lines) publish_value(t, entering, std::move(g.scalars), 0, false);
}

// What becomes of unstored zeros, and of a denominator that is the same everywhere.
void Lowering::settle_zeros(General& g, Op& op) {
  const data::Data& x = *model_.x;
  const assay_terms& t = g.terms;
  if (zeros_) {
    if (g.facts.zero_term == ASSAY_ZERO_NONE || x.shift || t.what == ASSAY_NEWTON) {
      op.densify = true;
      layout_.remarks.push_back(
          "loss has no zero term here: sparse X is evaluated tile by tile as if dense");
    } else {
      g.zero_part = true;
      op.zero_term = g.facts.zero_term;
      op.zero_a = g.facts.zero_a;
    }
  }
  // A constant denominator needs no contraction: its sum over the other axis is a column sum.
  const bool full = !weighted_ && (!x.sparse || zeros_);
  const bool same_zero = g.facts.zero_term == ASSAY_ZERO_LINEAR && g.facts.zero_a == g.facts.den_is;
  g.constant_den = t.what == ASSAY_MU && !op.squared_loss && full && !std::isnan(g.facts.den_is) &&
                   (!g.zero_part || same_zero);
  // The zero term's share: of den (MU) or of the gradient, before the stored entries are added.
  if (g.zero_part || g.constant_den)
    g.zero_target = t.what == ASSAY_MU     ? t.out1
                    : t.what == ASSAY_GRAD ? t.out0
                                           : internal("zero", t.axis, ASSAY_LOCAL, 0, g.k);
  if (g.constant_den) op.out1 = -1;
}

// A linear zero term a m adds a 1'O to each row, a quadratic one a m^2 adds 2 a F O'O.
void Lowering::emit_zeros(General& g) {
  const assay_terms& t = g.terms;
  const bool linear = g.constant_den || g.facts.zero_term == ASSAY_ZERO_LINEAR;
  const double a = g.constant_den ? g.facts.den_is : g.facts.zero_a;
  const int weight = row_weight(buffer(g.opposite).decl.axis);
  const int sum = linear ? emit_colsum(g.opposite, weight) : gram_of(g.opposite, weight);
  Op fill;
  fill.kind = linear ? OpKind::kFill : OpKind::kSmall;
  fill.name = "zero term";
  fill.axis = t.axis;
  fill.left = linear ? -1 : g.own;
  fill.right = sum;
  fill.scale = linear ? a : 2 * a;
  fill.weight = row_weight(t.axis);
  fill.out0 = g.zero_target;
  const bool onto_sum = g.carried && !g.constant_den && t.what != ASSAY_VALUE;
  fill.accumulate = onto_sum;
  if (!g.zero_part || !g.with_value) return emit(fill);

  // The value of the zero term is <F, a w> or 1/2 <F, 2 a F G>: of the zero part alone, so before
  // anything is added to it.
  Op alone = fill;
  if (onto_sum) {
    alone.out0 = internal("zero", t.axis, ASSAY_LOCAL, 0, g.k);
    alone.accumulate = false;
    alone.only_measured = g.entering;
  }
  emit(alone);
  Op dot;
  dot.kind = OpKind::kDot;
  dot.name = "value of the zero term";
  dot.axis = t.axis;
  dot.left = g.own;
  dot.right = alone.out0;
  dot.scale = linear ? 1.0 : 0.5;
  dot.only_measured = g.entering;
  dot.line_value = g.lines;
  dot.value = g.lines ? t.value : internal("zeros", ASSAY_ONE, ASSAY_SUM, 1, 1);
  if (!g.lines) g.scalars.emplace_back(dot.value, 1.0);
  emit(dot);
  if (onto_sum) emit(fill);
}

}  // namespace assay::graph
