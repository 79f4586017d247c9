// SPDX-License-Identifier: Apache-2.0
// The planner is asked, so a card cannot say another cost than a run has: a small X in each form, a
// model of it, the plan of a step.
#include "core/cli/costs.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "core/data/data.hpp"
#include "core/fit/method.hpp"
#include "core/plugin/instance.hpp"
#include "core/spec/capabilities.hpp"

namespace assay::cli {
namespace {

using plugin::Descriptor;

constexpr int64_t kRows = 512, kCols = 256, kSquare = 384, kRank = 16,
                  kEach = 8;  // sparse: one entry in kEach

struct Shape {
  int64_t rows = kRows, cols = kCols;
};

std::shared_ptr<data::Data> dense_x(const Shape& shape) {
  auto values = std::make_shared<AlignedArray<double>>(shape.rows * shape.cols);
  std::fill(values->begin(), values->end(), 1.0);
  auto x = std::make_shared<data::Data>();
  x->rows = shape.rows;
  x->cols = shape.cols;
  x->dense = {values, values->data(), ASSAY_F64, shape.cols};
  return x;
}

std::shared_ptr<data::Data> sparse_x(const Shape& shape, bool zeros) {
  struct Store {
    std::vector<double> values;
    std::vector<int64_t> indptr{0};
    std::vector<int32_t> indices;
  };
  auto s = std::make_shared<Store>();
  for (int64_t i = 0; i < shape.rows; ++i) {
    for (int64_t j = i % kEach; j < shape.cols; j += kEach)
      s->indices.push_back(static_cast<int32_t>(j));
    s->indptr.push_back(static_cast<int64_t>(s->indices.size()));
  }
  s->values.assign(s->indices.size(), 1.0);
  auto x = std::make_shared<data::Data>();
  x->rows = shape.rows;
  x->cols = shape.cols;
  x->sparse = true;
  x->unstored_zero = zeros;
  x->csr.values = s->values.data();
  x->csr.indptr = s->indptr.data();
  x->csr.indices = s->indices.data();
  x->csr.lines = shape.rows;
  x->csr.nnz = static_cast<int64_t>(s->indices.size());
  x->csr.owner = s;
  return x;
}

std::shared_ptr<data::Data> masked_x(const Shape& shape) {
  auto x = dense_x(shape);
  auto mask = std::make_shared<data::Bitmap>();
  mask->rows = shape.rows;
  mask->cols = shape.cols;
  mask->words = (shape.cols + 63) / 64;
  mask->bits = AlignedArray<uint64_t>(shape.rows * mask->words);
  std::fill(mask->bits.begin(), mask->bits.end(), ~uint64_t{0} - 1);
  x->mask = mask;
  return x;
}

std::shared_ptr<data::Data> weighted_x(const Shape& shape) {
  auto x = dense_x(shape);
  auto weights = std::make_shared<AlignedArray<float>>(shape.rows * shape.cols);
  std::fill(weights->begin(), weights->end(), 2.0f);
  x->entry_weights = weights;
  return x;
}

// The loss a card's costs are about: squared where the solver takes it.
std::shared_ptr<plugin::Loss> loss_for(const assay_solver& solver,
                                       const plugin::Registry& registry) {
  std::shared_ptr<plugin::Loss> first;
  for (const Descriptor* d : registry.all("loss")) {
    auto loss = plugin::Loss::create(*d, {});
    if (!loss || !spec::takes_loss(solver, **loss)) continue;
    if ((*loss)->facts().tag == ASSAY_TAG_SQUARED) return *loss;
    if (!first) first = *loss;
  }
  return first;
}

Expected<graph::Estimate> estimate(const Descriptor& d,
                                   const assay_solver& solver,
                                   const std::shared_ptr<data::Data>& x,
                                   const std::shared_ptr<plugin::Loss>& loss,
                                   const plugin::Registry& registry) {
  graph::Model model;
  model.x = x;
  model.facts = data::measure(*x);
  model.loss = loss;
  model.n_factors = spec::takes_factors(solver, 2) ? 2 : 3;
  model.factor[0] = graph::Buffer::make(ASSAY_F64, x->rows, kRank);
  model.factor[1] = graph::Buffer::make(ASSAY_F64, x->cols, kRank);
  if (spec::takes_autoencoders(solver)) {
    model.n_factors = 2;
    model.layers = {kRank};
  }
  if (model.n_factors == 3) model.factor[2] = graph::Buffer::make(ASSAY_F64, kRank, kRank);
  if (const Descriptor* c = registry.find("penalty", spec::implied_constraint(solver))) {
    const std::string side = spec::implied_factor(solver);
    for (int s = 0; s < model.n_factors; ++s) {
      if (!side.empty() && side != std::string(1, "WHS"[s])) continue;
      auto set = plugin::PenaltySet::create({{c, {}}}, s);
      if (!set) return std::move(set.error());
      model.penalties[s] = *set;
    }
  }
  auto options = plugin::Options::complete(d.plugin->options, {}, d.id);
  if (!options) return std::move(options.error());
  auto method = fit::Method::create({&d, *options, 0}, model, -1, nullptr);
  if (!method) return std::move(method.error());
  auto plan = (*method)->plan(ASSAY_STEP, model, {});
  if (!plan) return std::move(plan.error());
  if (!*plan) return Error(ASSAY_E_NOT_FOUND, "", "no step");
  return (*plan)->estimate();
}

// The costs of every form, on X of this shape; nothing where the solver takes no such X.
std::vector<std::string> costs_at(const Shape& shape,
                                  const Descriptor& d,
                                  const std::shared_ptr<plugin::Loss>& loss,
                                  const plugin::Registry& registry) {
  const auto& solver = *static_cast<const assay_solver*>(d.plugin->vtable);
  struct Form {
    const char* name;
    uint32_t bit;
    std::shared_ptr<data::Data> x;
  };
  const Form forms[] = {{"dense", 0, dense_x(shape)},
                        {"sparse", ASSAY_TAKES_SPARSE, sparse_x(shape, true)},
                        {"masked", ASSAY_TAKES_MASK, masked_x(shape)},
                        {"weighted", ASSAY_TAKES_WEIGHTS, weighted_x(shape)},
                        {"unobserved", ASSAY_TAKES_UNOBSERVED, sparse_x(shape, false)}};
  std::vector<std::string> out;
  for (const Form& form : forms) {
    if (form.bit != 0 && (solver.takes_data & form.bit) == 0) continue;
    const auto cost = estimate(d, solver, form.x, loss, registry);
    if (!cost) continue;
    const double entries =
        static_cast<double>(form.x->sparse ? form.x->csr.nnz : shape.rows * shape.cols);
    const double reads = cost->bytes_of_x / static_cast<double>(form.x->bytes());
    const double flops = cost->flops / (entries * static_cast<double>(kRank));
    // Below one multiplication an entry the products are the solver's own, line by line.
    const std::string work =
        flops < 1 ? "the solver's own walk over lines"
                  : fmt::format("{:.3g} {} k flops", flops, form.x->sparse ? "nnz" : "n d");
    out.push_back(
        fmt::format("{:<11}{}, {:.2g} read{} of X", form.name, work, reads, reads > 1 ? "s" : ""));
  }
  if (!out.empty())
    out.insert(out.begin(),
               fmt::format("a step with loss `{}` at rank {} on {} x {}, as planned; no "
                           "form makes an n x d temporary",
                           loss->id(), kRank, shape.rows, shape.cols));
  return out;
}

}  // namespace

std::vector<std::string> data_costs(const Descriptor& d, const plugin::Registry& registry) {
  const auto loss = loss_for(*static_cast<const assay_solver*>(d.plugin->vtable), registry);
  if (!loss) return {};
  // Some take a square X only.
  auto out = costs_at({kRows, kCols}, d, loss, registry);
  return out.empty() ? costs_at({kSquare, kSquare}, d, loss, registry) : out;
}

}  // namespace assay::cli
