// SPDX-License-Identifier: Apache-2.0
// Measurer: the metrics of a trace's rows, each a program on read-only factors, on training or on
// held-out data.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/fit/method.hpp"
#include "core/graph/plan.hpp"

namespace assay::fit {

struct MetricColumn {
  std::string name;  // as written: "heldout.rmse", "sparseness.H"
  Chosen chosen;
  int32_t side = -1;  // factor named, else -1
  bool heldout = false;
};

class Measurer {
 public:
  // heldout: entries of the same matrix, or null. The model must outlive the measurer.
  static Expected<std::unique_ptr<Measurer>> create(graph::Model& model,
                                                    std::shared_ptr<const data::Data> heldout,
                                                    const std::vector<MetricColumn>& columns,
                                                    const graph::PlanOptions& options);
  ~Measurer();
  // One number per column, at the factors as they are.
  Expected<std::vector<double>> measure();

 private:
  Measurer() = default;
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace assay::fit
