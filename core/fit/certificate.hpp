// SPDX-License-Identifier: Apache-2.0
// The certificate: objective and KKT residual of a model's factors, computed by the host in float64
// from X and the factors alone, whatever the solver did. It is a program like a solver's, made with
// the same builder:
//
//   terms(VALUE)                                      F = sum of losses
//   for W, H:  terms(MU) -> N, D                      penalties added
//              each: |projected gradient|^2, |N|^2, |D|^2
//   for S:     W'N and W'D of the halves at (W S) H'
//
// With three factors M = (W S) H' = W (H S')', so that W and H have the terms they have with two.
// The residual is the largest over factors of |P|_F / (|N|_F + |D|_F), N and D the halves of the
// gradient D - N at the entries that P keeps; at most 1. For a loss that goes on through m = 0, or
// has no split, -N is the gradient at the model M = 0 (as it is for the squared loss). A gradient
// is projected by dropping what points out of the feasible set at its border; for a set of more
// than bounds per entry, along its normal cone (its own `kkt`), or as |F - P(F - sG)| / s for a
// short step s.
#pragma once

#include <memory>

#include "core/base/expected.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

struct Evaluation {
  double loss = 0, kkt = 0;
};

class Certificate {
 public:
  // The model, its data and penalties must outlive the certificate. options.compute is ignored:
  // float64.
  static Expected<std::unique_ptr<Certificate>> create(graph::Model& model,
                                                       const graph::PlanOptions& options);
  ~Certificate();

  // The loss alone: one exact sweep.
  Expected<double> loss();
  // Loss and residual.
  Expected<Evaluation> evaluate();

 private:
  Certificate() = default;
  struct Body;
  std::unique_ptr<Body> body_;
};

// Sum of all penalties at the model's factors, in float64.
Expected<double> penalty_value(const graph::Model& model);

}  // namespace assay::fit
