// SPDX-License-Identifier: Apache-2.0
// Normals lines: G f = r for each row. One Gram matrix serves all rows where no weights differ and
// the curvature is a constant: then only the right side is a product of X. Else each row has its
// own.
#include <algorithm>
#include <cmath>

#include "core/graph/lower.hpp"

namespace assay::graph {

void Lowering::lower_normals(const Line& line) {
  const bool squared = model_.loss->facts().tag == ASSAY_TAG_SQUARED;
  const bool plain = !weighted_ && (!model_.x->sparse || zeros_);
  const double bound = model_.loss->facts().curvature_bound;
  PlanBuffer& gram = buffer(line.gram);
  gram.matrices = true;
  gram.like = line.out;
  if (squared && plain)
    lower_shared(line);
  else if ((line.flags & ASSAY_NORMALS_UNIFORM) && std::isfinite(bound) && bound > 0)
    lower_uniform(line, bound * largest_weight());
  else
    lower_own(line, squared);
}

// G = O'O, r = X O.
void Lowering::lower_shared(const Line& line) {
  const auto [own, opposite] = own_opposite(line.axis, line.left, line.right);
  assay_terms asked{};
  asked.left = line.left;
  asked.right = line.right;
  asked.value = ASSAY_NO;
  asked.what = ASSAY_GRAD;
  const bool entering = wants_entering(asked);
  const int gram = gram_of(opposite);
  buffer(line.gram).shared = gram;
  emit_product(line.axis, opposite, line.out);
  if (!entering) return;
  const int den = internal("den", line.axis, ASSAY_LOCAL, 0, buffer(own).decl.width);
  emit_times_gram(line.axis, own, gram, den, true);
  emit_squared_value(asked, own, line.out, den, line.axis, true);
}

// G = c O'O, r = F G - g: the parabola of curvature c through the loss and its gradient g at M.
// Hidden entries get the curvature too: it is a bound for them as well, their loss being 0.
void Lowering::lower_uniform(const Line& line, double curvature) {
  const auto [own, opposite] = own_opposite(line.axis, line.left, line.right);
  const int gram = gram_of(opposite, -1, curvature);
  buffer(line.gram).shared = gram;
  Line gradient;
  gradient.kind = LineKind::kTerms;
  gradient.name = line.name + ": gradient";
  gradient.axis = line.axis;
  gradient.terms = {sizeof(assay_terms), 0,        ASSAY_GRAD, line.axis, line.left,
                    line.right,          line.out, ASSAY_NO,   ASSAY_NO,  0};
  lower_terms(gradient);
  const int fg = internal("fg", line.axis, ASSAY_LOCAL, 0, buffer(own).decl.width);
  emit_times_gram(line.axis, own, gram, fg);
  emit_subtract("right side", line.axis, line.out, fg);
}

void Lowering::lower_own(const Line& line, bool squared) {
  if (batch() > 0 && line.axis == ASSAY_COLS)
    return refuse("`" + line.name + "` per column, inside batches of rows");
  Op op;
  op.kind = OpKind::kNormals;
  op.name = line.name;
  op.left = line.left;
  op.right = line.right;
  op.out0 = line.out;
  op.out1 = line.gram;
  op.squared_loss = squared;
  // Under the squared loss zeros that are not stored add to the matrices alone, and all the same:
  // those of a line are all o o' less the stored ones.
  const bool zeros_apart = squared && zeros_ && !shifted_zeros();
  op.densify = !zeros_apart && zeros_;
  const int64_t k = buffer(line.left).decl.width;
  op.flops = product_flops(k, op.densify) * static_cast<double>(k + 2);
  if (zeros_apart) {
    const int opposite = own_opposite(line.axis, line.left, line.right).second;
    op.extra = gram_of(opposite, row_weight(buffer(opposite).decl.axis));
    layout_.remarks.push_back("`" + line.name +
                              "`: zeros of sparse X share one Gram matrix, and each line corrects "
                              "it by the stored entries that count otherwise");
  } else if (op.densify && model_.x->sparse)
    layout_.remarks.push_back("`" + line.name +
                              "` needs every zero of sparse X: lines are made dense one by one");
  else if (!model_.x->sparse)
    layout_.remarks.push_back("`" + line.name +
                              "`: weights or curvatures differ from entry to entry, so each line "
                              "has its own Gram matrix (n d k^2 a half step)");
  emit_x(std::move(op), line.axis, false);
}

double Lowering::largest_weight() const {
  const data::Data& x = *model_.x;
  double most = 1;
  if (x.entry_weights) most = *std::max_element(x.entry_weights->begin(), x.entry_weights->end());
  if (x.csr.weights && x.csr.nnz > 0)
    most = *std::max_element(x.csr.weights, x.csr.weights + x.csr.nnz);
  for (const auto& w : {x.row_weights, x.col_weights})
    if (w) most *= *std::max_element(w->begin(), w->end());
  return most;
}

}  // namespace assay::graph
