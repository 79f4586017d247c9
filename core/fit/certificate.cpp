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

// Entries no larger than this share of a typical one, sqrt(mean of |X| / k), the cube root of
// mean / (k1 k2) with three factors, count as at a border at 0: multiplicative updates approach it
// and never arrive. Relative, so that units do not matter.
constexpr double kBorder = 1e-15;

constexpr const char* kSide[] = {"w", "h", "s"};

bool has_split(const plugin::PenaltySet& set) {
  return std::all_of(set.items().begin(), set.items().end(), [](const auto& item) {
    return item.set() || (item.forms() & ASSAY_NEEDS_MU_ADD) != 0;
  });
}

// Where N and D of a gradient D - N come from.
enum class Halves {
  kSplit,   // the loss's and the penalties' own, non-negative where all factors are
  kSigned,  // the loss's own, with the penalties' gradient in D
  kZero     // -N is the loss's gradient at the model 0
};

// A split that divides by the residual, as that of the absolute error, has halves without a bound;
// where the loss goes on through m = 0 its gradient there is the better measure. Of the squared
// loss it is the same.
Halves halves_of(const graph::Model& model) {
  const assay_loss_facts& facts = model.loss->facts();
  if (!model.loss->has_mu_split() || (facts.m_lo < 0 && facts.tag != ASSAY_TAG_SQUARED))
    return Halves::kZero;
  for (int side = 0; side < model.n_factors; ++side) {
    const auto* set = model.penalties[side].get();
    if (!set || !set->nonneg() || !has_split(*set)) return Halves::kSigned;
  }
  return Halves::kSplit;
}

// What the program's functions are given.
struct Given {
  Halves halves = Halves::kSplit;
  double border = kBorder;
};

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

// {F, A, B}: A becomes the gradient, B its half N.
int32_t find_gradient(const assay_block* b, Halves halves) {
  assay_view A = b->arg[1], B = b->arg[2];
  const plugin::PenaltySet* set = b->ctx->penalties[b->tag];
  const plugin::WholeTerms* whole = b->ctx->whole[b->tag];
  if (halves == Halves::kSplit && set) {
    const int32_t status = set->mu(b->ctx, &b->arg[0], &A, &B, whole);
    if (status < 0) return status;
  }
  for (int64_t i = 0; i < A.rows; ++i) {
    for (int64_t a = 0; a < A.cols; ++a) {
      const double first = cell(A, i, a), second = cell(B, i, a);
      cell(A, i, a) = halves == Halves::kZero ? second : second - first;
      cell(B, i, a) = halves == Halves::kZero ? -first : first;
    }
  }
  return halves == Halves::kSplit || !set ? 0 : set->grad(b->ctx, &b->arg[0], &A, whole);
}

// {F, A, B, ADD |projected gradient|^2, ADD |N|^2, ADD |D|^2}; A becomes the gradient. What the
// projection drops counts in none of the sums: at the border of a loss's domain N and D have no
// bound, and would hide the rest.
int32_t add_norms(void* self, const assay_block* b) {
  const auto& given = *static_cast<const Given*>(self);
  int32_t status = find_gradient(b, given.halves);
  if (status < 0) return status;
  const bool whole = by_host(b->ctx->penalties[b->tag]);
  const assay_view &F = b->arg[0], &G = b->arg[1], &N = b->arg[2];
  Bounds bounds;
  if (!whole) status = find_bounds(b, F, bounds);
  if (status < 0) return status;
  double sums[3] = {};
  for (int64_t i = 0; i < F.rows; ++i) {
    for (int64_t a = 0; a < F.cols; ++a) {
      const double g = cell(G, i, a), n = cell(N, i, a), d = g + n;
      if (!whole && projected(cell(F, i, a), g, cell(bounds.lower, i, a), cell(bounds.upper, i, a),
                              given.border) != g)
        continue;
      sums[0] += whole ? 0 : g * g;
      sums[1] += n * n;
      sums[2] += d * d;
    }
  }
  for (int i = 0; i < 3; ++i) cell(b->arg[3 + i], 0, 0) += sums[i];
  return 0;
}

// {from, to}: a small matrix.
int32_t copy_small(void*, const assay_block* b) {
  for (int64_t i = 0; i < b->arg[0].rows; ++i)
    for (int64_t a = 0; a < b->arg[0].cols; ++a) cell(b->arg[1], i, a) = cell(b->arg[0], i, a);
  return 0;
}

// The same for S, which lies on ONE: norms are written, not added to.
int32_t write_norms(void* self, const assay_block* b) {
  for (int i = 3; i < b->n_args; ++i) cell(b->arg[i], 0, 0) = 0;
  return add_norms(self, b);
}

int32_t fill_zero(void*, const assay_block* b) {
  const assay_view& Z = b->arg[0];
  for (int64_t i = 0; i < Z.rows; ++i)
    for (int64_t a = 0; a < Z.cols; ++a) cell(Z, i, a) = 0;
  return 0;
}

void add_terms(assay_builder* b,
               int32_t what,
               int32_t axis,
               assay_buf left,
               assay_buf right,
               assay_buf o0,
               assay_buf o1,
               assay_buf value) {
  assay_terms t{};
  t.struct_size = sizeof t;
  t.what = what;
  t.axis = axis;
  t.left = left;
  t.right = right;
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
  add_terms(b, ASSAY_VALUE, ASSAY_ROWS, b->factor(b, ASSAY_LEFT), b->factor(b, 1), ASSAY_NO,
            ASSAY_NO, loss);
  b->report(b, "loss", loss);
  return b->status(b);
}

assay_buf local(assay_builder* b,
                const std::string& name,
                int32_t axis,
                int64_t rows,
                int64_t width,
                bool keep = false) {
  assay_buffer d{};
  d.struct_size = sizeof d;
  d.flags = keep ? ASSAY_BUFFER_OUTPUT : 0;
  d.name = name.c_str();
  d.axis = axis;
  d.role = ASSAY_LOCAL;
  d.rows = rows;
  d.width = width;
  return b->buffer(b, &d);
}

// The operands of the terms that hold one factor's gradient: M = left right'.
std::pair<assay_buf, assay_buf> operands(assay_builder* b,
                                         int32_t side,
                                         const graph::Model& model) {
  if (side != 0 || model.n_factors == 2) return {b->factor(b, ASSAY_LEFT), b->factor(b, 1)};
  const assay_buf B = local(b, "H S'", ASSAY_COLS, 0, model.factor[0].width);
  b->times(b, B, b->factor(b, 1), b->factor(b, 2), ASSAY_TRANSPOSED);
  return {b->factor(b, 0), B};
}

// W' times a half of the gradient at (W S) H': the half of S's, as a matrix to be changed.
assay_buf contracted(assay_builder* b,
                     const std::string& name,
                     assay_buf half,
                     const graph::Buffer& S,
                     bool keep) {
  const assay_buf whole = assay_sum(b, ("W'" + name).c_str(), S.rows, S.width);
  const assay_buf out = local(b, name, ASSAY_ONE, S.rows, S.width, keep);
  b->gram(b, whole, b->factor(b, 0), half);
  add_each(b, "copy_" + name, ASSAY_ONE, copy_small, {{whole, ASSAY_IN}, {out, ASSAY_OUT}});
  return out;
}

// The two halves on `axis` from which find_gradient makes a gradient: at M = left right', and where
// the loss has no split at M = 0 too, whose left (of H: right) operand is zeros.
void add_halves(assay_builder* b,
                const std::string& s,
                Halves halves,
                int32_t axis,
                assay_buf left,
                assay_buf right,
                int64_t width,
                const assay_buf half[2]) {
  if (halves != Halves::kZero)
    return add_terms(b, ASSAY_MU, axis, left, right, half[0], half[1], ASSAY_NO);
  const assay_buf zero = local(b, "zero_" + s, axis, 0, width);
  add_each(b, "zero_" + s, axis, fill_zero, {{zero, ASSAY_OUT}});
  add_terms(b, ASSAY_GRAD, axis, axis == ASSAY_ROWS ? zero : left,
            axis == ASSAY_ROWS ? right : zero, half[0], ASSAY_NO, ASSAY_NO);
  add_terms(b, ASSAY_GRAD, axis, left, right, half[1], ASSAY_NO, ASSAY_NO);
}

// The norms of one factor's gradient, reported as projected_w, numerator_w, denominator_w. The
// gradient itself, grad_w, outlives the run where the host projects it.
void build_side(assay_builder* b, int32_t side, Halves halves, const graph::Model& model) {
  const std::string s = kSide[side];
  const bool middle = side == 2, keep = by_host(model.penalties[side].get());
  const int32_t axis = middle ? ASSAY_ROWS : side;
  const auto [left, right] = operands(b, side, model);
  const int64_t width = model.factor[side].width;
  const std::string names[2] = {"grad_" + s, "half_" + s};
  assay_buf half[2];
  for (int h = 0; h < 2; ++h)
    half[h] =
        local(b, (middle ? "rows_" : "") + names[h], axis, 0, width, keep && h == 0 && !middle);
  add_halves(b, s, halves, axis, left, right, width, half);
  std::vector<assay_arg> args = {{b->factor(b, side), ASSAY_IN}};
  for (int h = 0; h < 2; ++h) {
    if (middle) half[h] = contracted(b, names[h], half[h], model.factor[2], keep && h == 0);
    args.push_back({half[h], ASSAY_INOUT});
  }
  const char* const norms[3] = {"projected_", "numerator_", "denominator_"};
  for (const char* norm : norms) {
    const std::string name = norm + s;
    args.push_back(
        {middle ? local(b, name, ASSAY_ONE, 1, 1) : sum(b, name), middle ? ASSAY_OUT : ASSAY_ADD});
  }
  add_each(b, "kkt_" + s, side, middle ? write_norms : add_norms, args);
  for (size_t i = 0; i < 3; ++i) b->report(b, (norms[i] + s).c_str(), args[3 + i].buffer);
}

Expected<double> finite(double loss) {
  if (!std::isfinite(loss))
    return Error(ASSAY_E_NUMERIC, "E0901", "the loss is not finite").with_help(graph::kOutOfRange);
  return loss;
}

int32_t build_full(assay_builder* b, const graph::Model& model, Halves halves) {
  build_loss(b);
  for (int32_t side = 0; side < model.n_factors; ++side) {
    if (!model.frozen[side]) build_side(b, side, halves, model);
  }
  return b->status(b);
}

}  // namespace

struct Certificate::Body {
  graph::Model* model = nullptr;
  graph::PlanOptions options;
  Given given;
  std::unique_ptr<graph::Plan> loss, full;  // each made when first asked for

  Expected<void> make(std::unique_ptr<graph::Plan>& plan, bool everything) {
    auto program =
        graph::Program::build(*model, "certificate", &given, [this, everything](assay_builder* b) {
          return everything ? build_full(b, *model, given.halves) : build_loss(b);
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
  c->body_->given.halves = halves_of(model);
  const double mean =
      model.facts.observed > 0 ? std::abs(model.facts.sum) / model.facts.observed : 0;
  const auto k = static_cast<double>(std::max<int64_t>(1, model.factor[0].width));
  const auto k2 = static_cast<double>(std::max<int64_t>(1, model.factor[1].width));
  c->body_->given.border =
      kBorder * (model.n_factors == 2 ? std::sqrt(mean / k) : std::cbrt(mean / (k * k2)));
  return c;
}

Expected<double> Certificate::loss() {
  if (!body_->loss) ASSAY_TRY(body_->make(body_->loss, false));
  auto step = body_->loss->run(false);
  if (!step) return std::move(step.error());
  return finite(step->reports["loss"]);
}

Expected<Evaluation> Certificate::evaluate() {
  if (!body_->full) ASSAY_TRY(body_->make(body_->full, true));
  auto step = body_->full->run(false);
  if (!step) return std::move(step.error());
  auto& reports = step->reports;
  Evaluation e;
  auto loss = finite(reports["loss"]);
  if (!loss) return std::move(loss.error());
  e.loss = *loss;
  for (size_t side = 0; side < static_cast<size_t>(body_->model->n_factors); ++side) {
    if (body_->model->frozen[side]) continue;
    const std::string s = kSide[side];
    double p = std::sqrt(reports["projected_" + s]);
    if (by_host(body_->model->penalties[side].get())) {
      auto norm = body_->projected_norm(side);
      if (!norm) return std::move(norm.error());
      p = *norm;
    }
    const double residual =
        p == 0
            ? 0
            : p / (std::sqrt(reports["numerator_" + s]) + std::sqrt(reports["denominator_" + s]));
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
