// SPDX-License-Identifier: Apache-2.0
// The certificate's programs and the projection of gradients.
#include "core/fit/certificate.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin/context.hpp"
#include "core/plugin/instance.hpp"

namespace assay::fit {
namespace {

// Entries no larger than this share of a typical one, sqrt(mean of |X| / k), count as at a border
// at 0: multiplicative updates approach it and never arrive. Relative, so that units do not matter.
constexpr double kBorder = 1e-15;

constexpr const char* kSide[] = {"w", "h", "s"};

bool has_split(const plugin::PenaltySet* set) {
  if (!set) return true;
  for (const auto& item : set->items()) {
    const bool can = ASSAY_HAS(item.table, mu_add) && item.table->mu_add;
    if (item.facts.kind != ASSAY_PENALTY_SET && !can) return false;
  }
  return true;
}

// The host's halves N and D are non-negative where both factors are.
bool model_splits(const graph::Model& model) {
  for (int side = 0; side < model.n_factors; ++side) {
    const auto* set = model.penalties[side].get();
    if (!set || !set->nonneg() || !has_split(set)) return false;
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

// Lower and upper ends of each component, from the penalties' quadratic form; a set without one has
// no bounds.
struct Bounds {
  double* lower = nullptr;
  double* upper = nullptr;
};

int32_t find_bounds(const assay_block* b, const assay_view& F, Bounds& out) {
  const int64_t k = F.cols;
  auto* memory =
      static_cast<double*>(b->ctx->scratch.take(4 * k * static_cast<int64_t>(sizeof(double))));
  if (!memory) return ASSAY_E_MEMORY;
  out = {memory, memory + k};
  std::fill_n(out.lower, k, -std::numeric_limits<double>::infinity());
  std::fill_n(out.upper, k, std::numeric_limits<double>::infinity());
  std::fill_n(memory + 2 * k, 2 * k, 0.0);
  const plugin::PenaltySet* set = b->ctx->penalties[b->tag];
  if (!set) return 0;
  if (set->nonneg()) std::fill_n(out.lower, k, 0.0);
  for (const auto& item : set->items()) {
    if (item.facts.kind != ASSAY_PENALTY_SET) continue;
    if (!ASSAY_HAS(item.table, quad_add) || !item.table->quad_add) continue;
    const int32_t status = item.table->quad_add(item.self, b->ctx, &F, memory + 2 * k,
                                                memory + 3 * k, out.lower, out.upper);
    if (status < 0) return status;
  }
  return 0;
}

// {F, N, D, ADD pg, ADD num, ADD den}
int32_t add_split(void* border, const assay_block* b) {
  const assay_view &F = b->arg[0], &N = b->arg[1], &D = b->arg[2];
  assay_view num = N, den = D;
  if (const plugin::PenaltySet* set = b->ctx->penalties[b->tag]) {
    const int32_t status = set->mu(b->ctx, &F, &num, &den);
    if (status < 0) return status;
  }
  Bounds bounds;
  const int32_t status = find_bounds(b, F, bounds);
  if (status < 0) return status;
  double pg = 0, n2 = 0, d2 = 0;
  for (int64_t i = 0; i < F.rows; ++i) {
    for (int64_t a = 0; a < F.cols; ++a) {
      const double n = cell(N, i, a), d = cell(D, i, a);
      const double p = projected(cell(F, i, a), d - n, bounds.lower[a], bounds.upper[a],
                                 *static_cast<const double*>(border));
      pg += p * p;
      n2 += n * n;
      d2 += d * d;
    }
  }
  cell(b->arg[3], 0, 0) += pg;
  cell(b->arg[4], 0, 0) += n2;
  cell(b->arg[5], 0, 0) += d2;
  return 0;
}

// {F, G, ADD pg}
int32_t add_gradient(void* border, const assay_block* b) {
  const assay_view &F = b->arg[0], &G = b->arg[1];
  assay_view grad = G;
  if (const plugin::PenaltySet* set = b->ctx->penalties[b->tag]) {
    const int32_t status = set->grad(b->ctx, &F, &grad);
    if (status < 0) return status;
  }
  Bounds bounds;
  const int32_t status = find_bounds(b, F, bounds);
  if (status < 0) return status;
  double pg = 0;
  for (int64_t i = 0; i < F.rows; ++i) {
    for (int64_t a = 0; a < F.cols; ++a) {
      const double p = projected(cell(F, i, a), cell(G, i, a), bounds.lower[a], bounds.upper[a],
                                 *static_cast<const double*>(border));
      pg += p * p;
    }
  }
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

// The norms of one factor's gradient, reported as projected_w, numerator_w, denominator_w.
void build_side(assay_builder* b, int32_t side, bool split) {
  const std::string s = kSide[side];
  const assay_buf F = b->factor(b, side);
  const assay_buf first = assay_local(b, (split ? "num_" + s : "grad_" + s).c_str(), side, 0);
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
    if (!model.frozen[side]) build_side(b, side, split);
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
    const double p = std::sqrt(reports["projected_" + s]);
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
    const graph::Buffer& factor = model.factor[side];
    assay_view view = {const_cast<double*>(factor.as<double>()),
                       factor.rows,
                       factor.width,
                       factor.ld,
                       0,
                       ASSAY_F64,
                       ASSAY_READ_ONLY};
    AlignedArray<double> wide;
    if (factor.dtype != ASSAY_F64) {
      wide = AlignedArray<double>(factor.rows * factor.width);
      for (int64_t i = 0; i < factor.rows; ++i) {
        for (int64_t a = 0; a < factor.width; ++a) wide[i * factor.width + a] = factor.get(i, a);
      }
      view.data = wide.data();
      view.stride = factor.width;
    }
    assay_ctx ctx;
    double value = 0;
    const int32_t status = model.penalties[side]->value(&ctx, &view, &value);
    if (status < 0) return ctx.take_error(status, "penalty");
    total += value;
  }
  return total;
}

}  // namespace assay::fit
