// SPDX-License-Identifier: Apache-2.0
// Live plugin instances: a vtable, its self and its facts, owned. What core/graph and core/fit hold
// of a plugin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/base/expected.hpp"
#include "core/kernels/kernels.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/options.hpp"

namespace assay::plugin {

struct Descriptor;  // registry.hpp: a plugin found, with its module's file, hash and version

class Loss {
 public:
  ~Loss();
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;
  // Completes the options; refuses facts that cannot be (an empty domain).
  static Expected<std::shared_ptr<Loss>> create(const Descriptor& d, const Options& options);
  const assay_loss_facts& facts() const { return facts_; }
  const assay_loss* table() const { return table_; }
  void* self() const { return self_; }
  const std::string& id() const { return id_; }
  bool has_mu_split() const;
  bool has_curvature() const;
  // The span functions for kernels of type T (float: f32 twins, or null), behind the exception
  // wall. Valid while this lives.
  template <class T>
  kernels::LossFunctions<T> functions() const;

 private:
  Loss() = default;
  const assay_loss* table_ = nullptr;
  void* self_ = nullptr;
  assay_loss_facts facts_{};
  std::string id_;
};

// All penalties and the constraint of one factor, composed: quadratic, then l1, then one set.
class PenaltySet {
 public:
  struct Item {
    std::string id;
    const assay_penalty* table = nullptr;
    void* self = nullptr;
    assay_penalty_facts facts{};
  };
  PenaltySet() = default;
  ~PenaltySet();
  PenaltySet(const PenaltySet&) = delete;
  PenaltySet& operator=(const PenaltySet&) = delete;
  // Refuses what does not compose (two of one kind), with the reason.
  static Expected<std::shared_ptr<PenaltySet>> create(
      const std::vector<std::pair<const Descriptor*, Options>>& items);
  bool nonneg() const;
  const std::vector<Item>& items() const { return items_; }
  // As the calls of assay_penalty_calls. A set that only bounds entries below by 0 adds nothing to
  // mu.
  int32_t mu(assay_ctx* ctx, const assay_view* F, assay_view* num, assay_view* den) const;
  int32_t quad(assay_ctx* ctx,
               const assay_view* F,
               double* diag,
               double* lin,
               double* lower,
               double* upper) const;
  int32_t prox(assay_ctx* ctx, assay_view* F, double step) const;
  int32_t grad(assay_ctx* ctx, const assay_view* F, assay_view* grad) const;
  int32_t value(assay_ctx* ctx, const assay_view* F, double* out) const;

 private:
  std::vector<Item> items_;
};

}  // namespace assay::plugin
