// SPDX-License-Identifier: Apache-2.0
// Measurer: the metrics of a trace's rows, each a program on read-only factors, on training or on
// held-out data.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/method.hpp"
#include "core/fit/rows.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

struct MetricColumn {
  std::string name;  // as written: "heldout.rmse", "sparseness.H"
  Chosen chosen;
  int32_t side = -1;  // factor named, else -1
  bool heldout = false;
};

// What a split keeps from the fit: entries of the same matrix, or rows of their own, or nothing.
struct Heldout {
  std::shared_ptr<const data::Data> entries;
  std::optional<HeldoutRows> rows;
};

class Measurer {
 public:
  // The model, and that of held-out rows, must outlive the measurer.
  static Expected<std::unique_ptr<Measurer>> create(graph::Model& model,
                                                    const Heldout& heldout,
                                                    const std::vector<MetricColumn>& columns,
                                                    const graph::PlanOptions& options);
  ~Measurer();
  // One number per column, at the factors as they are. closing: W of held-out rows is solved as far
  // as transform would, not only as far as a curve needs.
  Expected<std::vector<double>> measure(bool closing = false);

 private:
  Measurer() = default;
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace assay::fit
