// SPDX-License-Identifier: Apache-2.0
// All penalties and the constraint of one factor, composed: quadratic, then l1, then one set.
//
// Scopes ELEMENT and ROW are called on blocks of rows. What sees the whole factor (COLUMN, MATRIX)
// is called by the host: a penalty's halves and curvature once, at the factor as it stands when a
// sweep starts (WholeTerms); a set's projection after the sweep that wrote the factor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/options.hpp"

namespace assay::plugin {

struct Descriptor;  // registry.hpp: a plugin found, with its module's file, hash and version

// A penalty of the whole factor, expanded at one point: halves of its gradient and the curvature c
// of a quadratic above it (0 where there is none). rows x width, without padding.
struct WholeTerms {
  int64_t rows = 0, width = 0;
  std::vector<double> at, num, den;
  double curvature = 0;
  double slope(int64_t entry) const {
    return den[static_cast<size_t>(entry)] - num[static_cast<size_t>(entry)];
  }
};

class PenaltySet {
 public:
  struct Item {
    std::string id;
    const assay_penalty* table = nullptr;
    void* self = nullptr;
    assay_penalty_facts facts{};
    bool relaxed = false;  // ties rows together that are not there: only its sign is kept
    bool set() const { return facts.kind == ASSAY_PENALTY_SET; }
    bool whole() const { return facts.scope >= ASSAY_SCOPE_COLUMN && !relaxed; }
    // ASSAY_NEEDS_... that this penalty meets.
    uint32_t forms() const;
    bool has(int32_t part) const {
      return facts.kind == part ||
             (facts.kind == ASSAY_PENALTY_QUADRATIC_L1 && !set() && part != ASSAY_PENALTY_SET);
    }
  };
  PenaltySet() = default;
  ~PenaltySet();
  PenaltySet(const PenaltySet&) = delete;
  PenaltySet& operator=(const PenaltySet&) = delete;
  // Refuses what does not compose (two of one kind), with the reason.
  static Expected<std::shared_ptr<PenaltySet>> create(
      const std::vector<std::pair<const Descriptor*, Options>>& items,
      int32_t side = -1);
  // Refuses a penalty that is bounded below on f >= 0 only without a set within f >= 0.
  Expected<void> check_signs() const;
  // Tells every penalty which factor it acts on.
  Expected<void> bind(const assay_factor_facts& factor);
  // For new rows: leaves out what ties the rows of the training data together. The ids left out.
  std::vector<std::string> relax();

  bool nonneg() const;
  bool sees_whole() const;    // a penalty is expanded by the host
  bool couples() const;       // a set is projected onto by the host
  bool plain_bounds() const;  // no set, or one of bounds entry by entry
  bool only_nonneg() const;   // no set, or just f >= 0
  bool quadratic() const;     // quad_rows takes all of it
  std::optional<std::string> by_place() const;  // what depends on which row is where
  double mu_power() const;
  const std::vector<Item>& items() const { return items_; }
  const Item* constraint() const;  // the set, or null

  // As the calls of assay_penalty_calls, on a block of rows. A set adds nothing to mu.
  int32_t mu(assay_ctx* ctx,
             const assay_view* F,
             assay_view* num,
             assay_view* den,
             const WholeTerms* whole = nullptr) const;
  int32_t quad(assay_ctx* ctx,
               const assay_view* F,
               double* diag,
               double* lin,
               double* lower,
               double* upper) const;
  int32_t quad_rows(assay_ctx* ctx,
                    const assay_view* F,
                    double* diag,
                    assay_view* lin,
                    assay_view* lower,
                    assay_view* upper,
                    const WholeTerms* whole = nullptr) const;
  int32_t prox(assay_ctx* ctx, assay_view* F, double step, const WholeTerms* whole = nullptr) const;
  int32_t prox_rows(assay_ctx* ctx,
                    assay_view* F,
                    const double* steps,
                    const WholeTerms* whole = nullptr) const;
  int32_t grad(assay_ctx* ctx,
               const assay_view* F,
               assay_view* grad,
               const WholeTerms* whole = nullptr) const;
  // Of a block: the majoriser stands for a penalty of the whole factor, less its value there.
  int32_t block_value(assay_ctx* ctx,
                      const assay_view* F,
                      double* out,
                      const WholeTerms* whole = nullptr) const;
  // Lower and upper ends of every entry of a block, row by row; no ends where the set has none.
  int32_t bounds(assay_ctx* ctx, const assay_view* F, assay_view* lower, assay_view* upper) const;

  // On the whole factor.
  int32_t value(assay_ctx* ctx, const assay_view* F, double* out) const;
  int32_t expand(assay_ctx* ctx, const assay_view* F, WholeTerms& out) const;
  int32_t project(assay_ctx* ctx, assay_view* F) const;  // onto the set, of any scope
  // G - its part along the normal cone at F: 0 where F is stationary.
  int32_t project_gradient(assay_ctx* ctx, const assay_view* F, assay_view* G) const;

 private:
  // Either one step for all rows, or one per row.
  struct Steps {
    double one = 0;
    const double* rows = nullptr;
    double operator[](int64_t i) const { return rows ? rows[i] : one; }
  };
  int32_t prox_items(assay_ctx* ctx, assay_view* F, Steps steps, const WholeTerms* whole) const;
  int32_t thresholds(assay_ctx* ctx, assay_view* F, Steps steps) const;

  std::vector<Item> items_;
};

}  // namespace assay::plugin
