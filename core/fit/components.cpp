// SPDX-License-Identifier: Apache-2.0
// A program of one line: where W is made, the solver's lines stand in front of it, so that no more
// than a tile of W is in memory.
#include "core/fit/components.hpp"

#include <utility>

namespace assay::fit {
namespace {

constexpr const char* kName = "component";

// {W, component}
int32_t find_largest(void*, const assay_block* b) {
  const assay_view &W = b->arg[0], &out = b->arg[1];
  for (int64_t i = 0; i < W.rows; ++i) {
    const double* w = static_cast<const double*>(W.data) + i * W.stride;
    int32_t best = 0;
    for (int32_t a = 1; a < W.cols; ++a)
      if (w[a] > w[best]) best = a;
    static_cast<int32_t*>(out.data)[i * out.stride] = best;
  }
  return ASSAY_OK;
}

int32_t build(assay_builder* b) {
  assay_buffer d{};
  d.struct_size = sizeof d;
  d.flags = ASSAY_BUFFER_OUTPUT;
  d.name = kName;
  d.axis = ASSAY_ROWS;
  d.role = ASSAY_LOCAL;
  d.dtype = ASSAY_I32;
  d.width = 1;
  const assay_buf out = b->buffer(b, &d);
  ASSAY_EACH(b, "largest", ASSAY_ROWS, find_largest, {b->factor(b, 0), ASSAY_IN}, {out, ASSAY_OUT});
  return b->status(b);
}

// Lends the model the lines that make its W.
class Lent {
 public:
  Lent(graph::Model& model, graph::Apply apply) : model_(model) { model.apply = std::move(apply); }
  ~Lent() { model_.apply = {}; }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

 private:
  graph::Model& model_;
};

}  // namespace

Expected<std::vector<int32_t>> components_of_rows(graph::Model& model,
                                                  const Chosen& solver,
                                                  const graph::PlanOptions& options) {
  auto method = Method::create(solver, model, -1, options.log);
  if (!method) return std::move(method.error());
  const Lent lent(model, (*method)->apply());
  auto program = graph::Program::build(model, kName, nullptr, build);
  if (!program) return std::move(program.error());
  auto plan = graph::Plan::make(*program, model, options);
  if (!plan) return std::move(plan.error());
  auto step = (*plan)->run(false);
  if (!step) return std::move(step.error());
  auto found = (*plan)->output(kName);
  if (!found) return std::move(found.error());
  std::vector<int32_t> out;
  for (int64_t i = 0; i < found->rows; ++i) out.push_back(static_cast<int32_t>(found->get(i, 0)));
  return out;
}

}  // namespace assay::fit
