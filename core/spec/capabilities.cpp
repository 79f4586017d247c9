// SPDX-License-Identifier: Apache-2.0
// Capability bits read: what a solver takes, and what it needs in words.
#include "core/spec/capabilities.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

namespace assay::spec {

bool takes_loss(const assay_solver& solver, const plugin::Loss& loss) {
  const uint32_t needs = solver.needs_loss;
  const bool squared = loss.facts().tag == ASSAY_TAG_SQUARED;
  const bool majorised =
      (loss.has_curvature() && (loss.facts().flags & ASSAY_LOSS_CURVATURE_MAJORISES) != 0) ||
      std::isfinite(loss.facts().curvature_bound);
  if (takes_mixtures(solver)) return false;                                // its density is all
  if (takes_autoencoders(solver) && loss.facts().m_lo >= 0) return false;  // W H of any sign
  if ((needs & ASSAY_NEEDS_MU_SPLIT) != 0 && !loss.has_mu_split()) return false;
  if ((needs & ASSAY_NEEDS_SQUARED) != 0 && (needs & ASSAY_NEEDS_CURVATURE) != 0)
    return squared || majorised;
  if ((needs & ASSAY_NEEDS_SQUARED) != 0) return squared;
  if ((needs & ASSAY_NEEDS_KL) != 0) return loss.facts().tag == ASSAY_TAG_KL;
  return (needs & ASSAY_NEEDS_CURVATURE) == 0 || loss.has_curvature();
}

bool takes_factors(const assay_solver& solver, int factors) {
  const uint32_t fits = solver.flags & (ASSAY_FITS_TWO | ASSAY_FITS_THREE | ASSAY_FITS_AUTOENCODER |
                                        ASSAY_FITS_MIXTURE);
  const uint32_t all = fits != 0 ? fits : uint32_t{ASSAY_FITS_TWO};
  return (all & (factors == 3 ? uint32_t{ASSAY_FITS_THREE} : uint32_t{ASSAY_FITS_TWO})) != 0;
}

bool takes_mixtures(const assay_solver& solver) { return (solver.flags & ASSAY_FITS_MIXTURE) != 0; }

bool takes_autoencoders(const assay_solver& solver) {
  return (solver.flags & ASSAY_FITS_AUTOENCODER) != 0;
}

std::string loss_needs(const assay_solver& solver) {
  const uint32_t needs = solver.needs_loss;
  if (takes_autoencoders(solver)) return "needs a loss of models of any sign";
  if ((needs & ASSAY_NEEDS_MU_SPLIT) != 0) return "needs a loss with a multiplicative split";
  if ((needs & ASSAY_NEEDS_SQUARED) != 0 && (needs & ASSAY_NEEDS_CURVATURE) != 0)
    return "needs a squared loss, or one with a majorising curvature";
  if ((needs & ASSAY_NEEDS_SQUARED) != 0) return "needs a squared loss";
  if ((needs & ASSAY_NEEDS_KL) != 0) return "needs the Kullback-Leibler divergence";
  return (needs & ASSAY_NEEDS_CURVATURE) != 0 ? "needs a loss with a curvature" : "";
}

std::string implied_constraint(const assay_solver& solver) {
  const std::string implied = solver.implies ? solver.implies : "";
  return implied.substr(0, implied.find(':'));
}

std::string implied_factor(const assay_solver& solver) {
  const std::string implied = solver.implies ? solver.implies : "";
  const size_t colon = implied.find(':');
  return colon == std::string::npos ? "" : implied.substr(colon + 1);
}

std::vector<BroughtTransform> brought_transforms(const plugin::Descriptor& solver) {
  const auto* table = static_cast<const assay_solver*>(solver.plugin->vtable);
  std::vector<BroughtTransform> out;
  if (!ASSAY_HAS(table, transforms) || !table->transforms) return out;
  std::istringstream words(table->transforms);
  for (std::string word; words >> word;) {
    const size_t colon = std::min(word.find(':'), word.size() - 1);
    out.push_back({word.substr(0, colon), word.substr(colon + 1)});
  }
  return out;
}

bool takes_penalty(const assay_solver& solver,
                   const plugin::PenaltySet::Item& penalty,
                   const std::string& factor) {
  if (solver.needs_penalty == 0) return true;
  // A solver that takes nothing else keeps it where it says; others are asked about the rest.
  const std::string keeps =
      solver.needs_penalty == ASSAY_NEEDS_NO_PENALTY ? implied_factor(solver) : std::string();
  if (penalty.id == implied_constraint(solver) &&
      (factor.empty() || keeps.empty() || factor == keeps))
    return true;
  return (penalty.forms() & solver.needs_penalty) != 0;
}

bool takes_penalty(const assay_solver& solver, const plugin::Descriptor& penalty) {
  plugin::Options options;
  for (const assay_option* o = penalty.plugin->options; o && o->name; ++o) {
    if (!(o->flags & ASSAY_OPT_REQUIRED)) continue;
    plugin::OptionValue& v = options.values[o->name];
    v.type = o->type;
    v.number = o->def;
    v.text = "any";  // files are read once the data are known, not here
    v.has_text = v.given = true;
  }
  const auto set = plugin::PenaltySet::create({{&penalty, options}});
  return set && takes_penalty(solver, (*set)->items().front());
}

std::string penalty_needs(const assay_solver& solver) {
  if (solver.needs_penalty == 0) return "";
  if (solver.needs_penalty == ASSAY_NEEDS_NO_PENALTY) return "takes no penalties";
  std::vector<std::string> forms;
  if ((solver.needs_penalty & ASSAY_NEEDS_MU_ADD) != 0) forms.emplace_back("multiplicative terms");
  if ((solver.needs_penalty & (ASSAY_NEEDS_QUAD | ASSAY_NEEDS_QUAD_ROWS)) != 0)
    forms.emplace_back("a quadratic form per component");
  if ((solver.needs_penalty & ASSAY_NEEDS_PROX) != 0) forms.emplace_back("a prox");
  if ((solver.needs_penalty & ASSAY_NEEDS_GRAD_ADD) != 0) forms.emplace_back("a gradient");
  if ((solver.needs_penalty & ASSAY_NEEDS_CLIP) != 0)
    forms.emplace_back("bounds within f >= 0 for single entries");
  std::string out;
  for (size_t i = 0; i < forms.size(); ++i) out += (i == 0 ? "" : " or ") + forms[i];
  return "needs penalties with " + out;
}

}  // namespace assay::spec
