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

constexpr int64_t kRows = 512, kCols = 256, kRank = 16, kEach = 8;  // sparse: one entry in kEach

std::shared_ptr<data::Data> dense_x() {
  auto values = std::make_shared<AlignedArray<double>>(kRows * kCols);
  std::fill(values->begin(), values->end(), 1.0);
  auto x = std::make_shared<data::Data>();
  x->rows = kRows;
  x->cols = kCols;
  x->dense = {values, values->data(), ASSAY_F64, kCols};
  return x;
}

std::shared_ptr<data::Data> sparse_x(bool zeros) {
  struct Store {
    std::vector<double> values;
    std::vector<int64_t> indptr{0};
    std::vector<int32_t> indices;
  };
  auto s = std::make_shared<Store>();
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = i % kEach; j < kCols; j += kEach)
      s->indices.push_back(static_cast<int32_t>(j));
    s->indptr.push_back(static_cast<int64_t>(s->indices.size()));
  }
  s->values.assign(s->indices.size(), 1.0);
  auto x = std::make_shared<data::Data>();
  x->rows = kRows;
  x->cols = kCols;
  x->sparse = true;
  x->unstored_zero = zeros;
  x->csr.values = s->values.data();
  x->csr.indptr = s->indptr.data();
  x->csr.indices = s->indices.data();
  x->csr.lines = kRows;
  x->csr.nnz = static_cast<int64_t>(s->indices.size());
  x->csr.owner = s;
  return x;
}

std::shared_ptr<data::Data> masked_x() {
  auto x = dense_x();
  auto mask = std::make_shared<data::Bitmap>();
  mask->rows = kRows;
  mask->cols = kCols;
  mask->words = (kCols + 63) / 64;
  mask->bits = AlignedArray<uint64_t>(kRows * mask->words);
  std::fill(mask->bits.begin(), mask->bits.end(), ~uint64_t{0} - 1);
  x->mask = mask;
  return x;
}

std::shared_ptr<data::Data> weighted_x() {
  auto x = dense_x();
  auto weights = std::make_shared<AlignedArray<float>>(kRows * kCols);
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
  model.factor[0] = graph::Buffer::make(ASSAY_F64, kRows, kRank);
  model.factor[1] = graph::Buffer::make(ASSAY_F64, kCols, kRank);
  if (const Descriptor* c = solver.implies ? registry.find("penalty", solver.implies) : nullptr) {
    for (auto& penalties : {&model.penalties[0], &model.penalties[1]}) {
      auto set = plugin::PenaltySet::create({{c, {}}});
      if (!set) return std::move(set.error());
      *penalties = *set;
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

}  // namespace

std::vector<std::string> data_costs(const Descriptor& d, const plugin::Registry& registry) {
  const auto& solver = *static_cast<const assay_solver*>(d.plugin->vtable);
  const auto loss = loss_for(solver, registry);
  if (!loss) return {};
  struct Form {
    const char* name;
    uint32_t bit;
    std::shared_ptr<data::Data> x;
  };
  const Form forms[] = {{"dense", 0, dense_x()},
                        {"sparse", ASSAY_TAKES_SPARSE, sparse_x(true)},
                        {"masked", ASSAY_TAKES_MASK, masked_x()},
                        {"weighted", ASSAY_TAKES_WEIGHTS, weighted_x()},
                        {"unobserved", ASSAY_TAKES_UNOBSERVED, sparse_x(false)}};
  std::vector<std::string> out;
  for (const Form& form : forms) {
    if (form.bit != 0 && (solver.takes_data & form.bit) == 0) continue;
    const auto cost = estimate(d, solver, form.x, loss, registry);
    if (!cost) continue;
    const double entries = static_cast<double>(form.x->sparse ? form.x->csr.nnz : kRows * kCols);
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
                           loss->id(), kRank, kRows, kCols));
  return out;
}

}  // namespace assay::cli
