// SPDX-License-Identifier: Apache-2.0
// The certificate's programs and the projection of gradients.
#include "core/fit/certificate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/wide.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/instance.hpp"

namespace assay::fit {
namespace {

// Entries no larger than this share of a typical one, sqrt(mean of |X| / k), count as at a border
// at 0: multiplicative updates approach it and never arrive. Relative, so that units do not matter.
constexpr double kBorder = 1e-15;

constexpr const char* kSide[] = {"w", "h", "s"};

bool has_split(const plugin::PenaltySet& set) {
  return std::all_of(set.items().begin(), set.items().end(), [](const auto& item) {
    return item.set() || (item.forms() & ASSAY_NEEDS_MU_ADD) != 0;
  });
}

// The host's halves N and D are non-negative where both factors are.
bool model_splits(const graph::Model& model) {
  for (int side = 0; side < model.n_factors; ++side) {
    const auto* set = model.penalties[side].get();
    if (!set || !set->nonneg() || !has_split(*set)) return false;
  }
  return model.loss->has_mu_split();
}

double projected(double f, double g, double lower, double upper, double border) {
  if (f <= lower + (lower == 0 ? border : 0)) g = std::min(g, 0.0);
  if (f >= upper) g = std::max(g, 0.0);
  return g;
}

double& cell(const assay_view& v, int64_t i, int64_t j) {
  return static_cast<double*>(v.data)[i * v.stride + j];
}

// Lower and upper ends of each entry of a block; none where the set has no such ends.
struct Bounds {
  assay_view lower{}, upper{};
};

int32_t find_bounds(const assay_block* b, const assay_view& F, Bounds& out) {
  const int64_t size = F.rows * F.cols;
  auto* memory =
      static_cast<double*>(b->ctx->scratch.take(2 * size * static_cast<int64_t>(sizeof(double))));
  if (!memory) return ASSAY_E_MEMORY;
  std::fill_n(memory, size, -std::numeric_limits<double>::infinity());
  std::fill_n(memory + size, size, std::numeric_limits<double>::infinity());
  out.lower = {memory, F.rows, F.cols, F.cols, 0, ASSAY_F64, 0};
  out.upper = {memory + size, F.rows, F.cols, F.cols, 0, ASSAY_F64, 0};
  const plugin::PenaltySet* set = b->ctx->penalties[b->tag];
  return set ? set->bounds(b->ctx, &F, &out.lower, &out.upper) : ASSAY_OK;
}

// A set of more than bounds is projected onto by the host, on the whole factor.
bool by_host(const plugin::PenaltySet* set) { return set && !set->plain_bounds(); }

// G becomes the projected gradient; its square is added to pg.
int32_t add_projected(const assay_block* b, double border, assay_view& G, double& pg) {
  const assay_view& F = b->arg[0];
  if (by_host(b->ctx->penalties[b->tag])) return 0;
  Bounds bounds;
  const int32_t status = find_bounds(b, F, bounds);
  if (status < 0) return status;
  for (int64_t i = 0; i < F.rows; ++i) {
    for (int64_t a = 0; a < F.cols; ++a) {
      const double p = projected(cell(F, i, a), cell(G, i, a), cell(bounds.lower, i, a),
                                 cell(bounds.upper, i, a), border);
      pg += p * p;
    }
  }
  return 0;
}

// {F, N, D, ADD pg, ADD num, ADD den}; N becomes the gradient D - N.
int32_t add_split(void* border, const assay_block* b) {
  assay_view num = b->arg[1], den = b->arg[2];
  if (const plugin::PenaltySet* set = b->ctx->penalties[b->tag]) {
    const int32_t status = set->mu(b->ctx, &b->arg[0], &num, &den, b->ctx->whole[b->tag]);
    if (status < 0) return status;
  }
  double pg = 0, n2 = 0, d2 = 0;
  for (int64_t i = 0; i < num.rows; ++i) {
    for (int64_t a = 0; a < num.cols; ++a) {
      double& n = cell(num, i, a);
      const double d = cell(den, i, a);
      n2 += n * n;
      d2 += d * d;
      n = d - n;
    }
  }
  const int32_t status = add_projected(b, *static_cast<const double*>(border), num, pg);
  if (status < 0) return status;
  cell(b->arg[3], 0, 0) += pg;
  cell(b->arg[4], 0, 0) += n2;
  cell(b->arg[5], 0, 0) += d2;
  return 0;
}

// {F, G, ADD pg}
int32_t add_gradient(void* border, const assay_block* b) {
  assay_view grad = b->arg[1];
  if (const plugin::PenaltySet* set = b->ctx->penalties[b->tag]) {
    const int32_t status = set->grad(b->ctx, &b->arg[0], &grad, b->ctx->whole[b->tag]);
    if (status < 0) return status;
  }
  double pg = 0;
  const int32_t status = add_projected(b, *static_cast<const double*>(border), grad, pg);
  if (status < 0) return status;
  cell(b->arg[2], 0, 0) += pg;
  return 0;
}

void add_terms(assay_builder* b,
               int32_t what,
               int32_t axis,
               assay_buf o0,
               assay_buf o1,
               assay_buf value) {
  assay_terms t{};
  t.struct_size = sizeof t;
  t.what = what;
  t.axis = axis;
  t.left = b->factor(b, 0);
  t.right = b->factor(b, 1);
  t.out0 = o0;
  t.out1 = o1;
  t.value = value;
  b->terms(b, &t);
}

void add_each(assay_builder* b,
              const std::string& name,
              int32_t side,
              assay_fn fn,
              const std::vector<assay_arg>& args) {
  assay_each e{};
  e.struct_size = sizeof e;
  e.name = name.c_str();
  e.axis = side;
  e.n_args = static_cast<int32_t>(args.size());
  e.fn = fn;
  e.args = args.data();
  e.tag = side;
  b->each(b, &e);
}

assay_buf sum(assay_builder* b, const std::string& name) {
  return assay_sum(b, name.c_str(), 1, 1);
}

int32_t build_loss(assay_builder* b) {
  const assay_buf loss = sum(b, "loss");
  add_terms(b, ASSAY_VALUE, ASSAY_ROWS, ASSAY_NO, ASSAY_NO, loss);
  b->report(b, "loss", loss);
  return b->status(b);
}

// The norms of one factor's gradient, reported as projected_w, numerator_w, denominator_w. The
// gradient itself, grad_w, outlives the run where the host projects it.
void build_side(assay_builder* b, int32_t side, bool split, bool keep) {
  const std::string s = kSide[side];
  const assay_buf F = b->factor(b, side);
  const std::string name = "grad_" + s;
  assay_buffer desc{};
  desc.struct_size = sizeof desc;
  desc.flags = keep ? ASSAY_BUFFER_OUTPUT : 0;
  desc.name = name.c_str();
  desc.axis = side;
  desc.role = ASSAY_LOCAL;
  const assay_buf first = b->buffer(b, &desc);
  const assay_buf pg = sum(b, "projected_" + s);
  if (!split) {
    add_terms(b, ASSAY_GRAD, side, first, ASSAY_NO, ASSAY_NO);
    add_each(b, "kkt_" + s, side, add_gradient,
             {{F, ASSAY_IN}, {first, ASSAY_INOUT}, {pg, ASSAY_ADD}});
    b->report(b, ("projected_" + s).c_str(), pg);
    return;
  }
  const assay_buf den = assay_local(b, ("den_" + s).c_str(), side, 0);
  const assay_buf n2 = sum(b, "numerator_" + s), d2 = sum(b, "denominator_" + s);
  add_terms(b, ASSAY_MU, side, first, den, ASSAY_NO);
  add_each(b, "kkt_" + s, side, add_split,
           {{F, ASSAY_IN},
            {first, ASSAY_INOUT},
            {den, ASSAY_INOUT},
            {pg, ASSAY_ADD},
            {n2, ASSAY_ADD},
            {d2, ASSAY_ADD}});
  b->report(b, ("projected_" + s).c_str(), pg);
  b->report(b, ("numerator_" + s).c_str(), n2);
  b->report(b, ("denominator_" + s).c_str(), d2);
}

Expected<double> finite(double loss) {
  if (!std::isfinite(loss)) return Error(ASSAY_E_NUMERIC, "E0901", "the loss is not finite");
  return loss;
}

int32_t build_full(assay_builder* b, const graph::Model& model, bool split) {
  build_loss(b);
  for (int32_t side = 0; side < 2; ++side) {
    if (!model.frozen[side]) build_side(b, side, split, by_host(model.penalties[side].get()));
  }
  return b->status(b);
}

}  // namespace

struct Certificate::Body {
  graph::Model* model = nullptr;
  graph::PlanOptions options;
  bool split = false;
  double border = kBorder;                  // what the program's functions are given
  std::unique_ptr<graph::Plan> loss, full;  // each made when first asked for

  Expected<void> make(std::unique_ptr<graph::Plan>& plan, bool everything) {
    auto program =
        graph::Program::build(*model, "certificate", &border, [this, everything](assay_builder* b) {
          return everything ? build_full(b, *model, split) : build_loss(b);
        });
    if (!program) return std::move(program.error());
    auto made = graph::Plan::make(*program, *model, options);
    if (!made) return std::move(made.error());
    plan = std::move(*made);
    return {};
  }

  // |projected gradient|_F of a factor whose set is more than bounds.
  Expected<double> projected_norm(size_t side) {
    auto gradient = full->output(std::string("grad_") + kSide[side]);
    if (!gradient) return std::move(gradient.error());
    graph::Wide wide_factor, wide_gradient;
    const assay_view F = wide_factor.of(model->factor[side]);
    assay_view G = wide_gradient.of(*gradient);
    assay_ctx ctx;
    const int32_t status = model->penalties[side]->project_gradient(&ctx, &F, &G);
    if (status < 0) return ctx.take_error(status, "penalty");
    double sum = 0;
    for (int64_t i = 0; i < G.rows; ++i)
      for (int64_t a = 0; a < G.cols; ++a) sum += cell(G, i, a) * cell(G, i, a);
    return std::sqrt(sum);
  }
};

Certificate::~Certificate() = default;

Expected<std::unique_ptr<Certificate>> Certificate::create(graph::Model& model,
                                                           const graph::PlanOptions& options) {
  std::unique_ptr<Certificate> c(new Certificate);
  c->body_ = std::make_unique<Body>();
  c->body_->model = &model;
  c->body_->options = options;
  c->body_->options.compute = ASSAY_F64;
  c->body_->options.cancel = nullptr;
  c->body_->split = model_splits(model);
  const double mean =
      model.facts.observed > 0 ? std::abs(model.facts.sum) / model.facts.observed : 0;
  const auto k = static_cast<double>(std::max<int64_t>(1, model.factor[0].width));
  c->body_->border = kBorder * std::sqrt(mean / k);
  return c;
}

bool Certificate::split() const { return body_->split; }

Expected<double> Certificate::loss() {
  if (!body_->loss) ASSAY_TRY(body_->make(body_->loss, false));
  auto step = body_->loss->run(false);
  if (!step) return std::move(step.error());
  return finite(step->reports["loss"]);
}

Expected<Evaluation> Certificate::evaluate(const std::array<double, 3>& start) {
  if (!body_->full) ASSAY_TRY(body_->make(body_->full, true));
  auto step = body_->full->run(false);
  if (!step) return std::move(step.error());
  auto& reports = step->reports;
  Evaluation e;
  auto loss = finite(reports["loss"]);
  if (!loss) return std::move(loss.error());
  e.loss = *loss;
  for (size_t side = 0; side < 2; ++side) {
    if (body_->model->frozen[side]) continue;
    const std::string s = kSide[side];
    double p = std::sqrt(reports["projected_" + s]);
    if (by_host(body_->model->penalties[side].get())) {
      auto norm = body_->projected_norm(side);
      if (!norm) return std::move(norm.error());
      p = *norm;
    }
    const double scale =
        body_->split ? std::sqrt(reports["numerator_" + s]) + std::sqrt(reports["denominator_" + s])
                     : start[side];
    e.gradient[side] = p;
    const double residual = p == 0 ? 0 : p / scale;
    if (std::isnan(residual) || residual > e.kkt) e.kkt = residual;  // NaN stays
  }
  return e;
}

Expected<double> penalty_value(const graph::Model& model) {
  double total = 0;
  for (size_t side = 0; side < static_cast<size_t>(model.n_factors); ++side) {
    if (!model.penalties[side] || model.penalties[side]->items().empty()) continue;
    graph::Wide wide;
    const assay_view view = wide.of(const_cast<graph::Buffer&>(model.factor[side]));
    assay_ctx ctx;
    double value = 0;
    const int32_t status = model.penalties[side]->value(&ctx, &view, &value);
    if (status < 0) return ctx.take_error(status, "penalty");
    total += value;
  }
  return total;
}

}  // namespace assay::fit
