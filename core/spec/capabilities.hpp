// SPDX-License-Identifier: Apache-2.0
// What solvers take, from capability bits.
#pragma once

#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"

namespace assay::spec {

// Squared and curvature together are two ways to the same thing: a solver that names both takes
// either.
bool takes_loss(const assay_solver& solver, const plugin::Loss& loss);
// factors: 2 (W H) or 3 (W S H).
bool takes_factors(const assay_solver& solver, int factors);
bool takes_autoencoders(const assay_solver& solver);
bool takes_mixtures(const assay_solver& solver);
// One of the forms a solver works with is enough; the constraint it keeps by itself needs none.
bool takes_penalty(const assay_solver& solver,
                   const plugin::PenaltySet::Item& penalty,
                   const std::string& factor = {});
// Whether it takes the penalty as its defaults make it.
bool takes_penalty(const assay_solver& solver, const plugin::Descriptor& penalty);

// Id of the constraint a solver keeps by itself, or "".
std::string implied_constraint(const assay_solver& solver);
// The factor it keeps it on ("W" of "nonneg:W"), or "" for all.
std::string implied_factor(const assay_solver& solver);

// A transform behind the data's own that a solver brings along where its option is true.
struct BroughtTransform {
  std::string id, option;
};
std::vector<BroughtTransform> brought_transforms(const plugin::Descriptor& solver);

// "needs a squared loss", "needs penalties with a prox or a gradient"; "" when anything will do.
std::string loss_needs(const assay_solver& solver);
std::string penalty_needs(const assay_solver& solver);

}  // namespace assay::spec
