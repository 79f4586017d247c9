// SPDX-License-Identifier: Apache-2.0
// Split, then transforms: fitted on training entries, applied to both parts as changes of the view.
#include "core/experiment/prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/data/observe.hpp"
#include "core/data/split.hpp"
#include "core/data/view.hpp"
#include "core/experiment/resolve.hpp"
#include "core/fit/checkpoint.hpp"
#include "core/graph/program.hpp"
#include "core/plugin/guard.hpp"
#include "core/plugin/load.hpp"

namespace assay::experiment {
namespace {

constexpr const char* kMetricsRead = "the `heldout.` metrics of `measure` read these entries";

using DataPtr = std::shared_ptr<const data::Data>;

DataPtr share(data::Data x) { return std::make_shared<const data::Data>(std::move(x)); }

// The draw of entries is keyed by which there are, that of rows by how many: what is held out must
// not depend on what it is.
Expected<data::Split> split_of(const spec::Trial& trial, const data::Data& x) {
  const spec::SplitSpec& s = trial.split;
  const auto repeat = static_cast<uint64_t>(trial.repeat);
  const bool by_rows =
      s.kind == spec::SplitSpec::Kind::kRows || s.kind == spec::SplitSpec::Kind::kFolds;
  const std::string id = by_rows ? fmt::format("{} rows", x.rows) : data::identify_pattern(x);
  const uint64_t stream = plugin::stream_key(trial.seed, "split", id, repeat);
  const auto& rng = *static_cast<const assay_rng*>(plugin::host()->service("assay.rng/1"));
  switch (s.kind) {
    case spec::SplitSpec::Kind::kEntries:
      return data::hold_out_entries(x, s.test, s.keep_per_row, stream, rng);
    case spec::SplitSpec::Kind::kRows:
      return data::hold_out_rows(x, s.test, stream, rng);
    case spec::SplitSpec::Kind::kFolds:  // every fold of a repeat from one cut
      return data::hold_out_fold(x, data::folds(x.rows, s.folds, stream, rng), s.fold);
    default:
      break;
  }
  auto mask = plugin::load_matrix(s.path);
  if (!mask) return std::move(mask.error()).at("split.path");
  auto split = data::hold_out_masked(x, *mask);
  if (!split) split.error().file = s.path;
  return split ? std::move(split) : std::move(split.error()).at("split.path");
}

// A live transform.
class Transform {
 public:
  static Expected<std::unique_ptr<Transform>> create(const spec::Use& use,
                                                     const graph::Model& over,
                                                     const Runtime& runtime) {
    auto d = find_plugin(*runtime.registry, "transform", use);
    if (!d) return std::move(d.error());
    std::unique_ptr<Transform> t(new Transform);
    t->use_ = use;
    t->table_ = static_cast<const assay_transform*>((*d)->plugin->vtable);
    assay_problem problem = over.problem();
    problem.side = -1;
    problem.options = t->use_.options.handle();
    assay_ctx ctx;
    ctx.log = &runtime.log;
    const int32_t status = plugin::guarded(&ctx, use.id, [&] {
      return t->table_->create ? t->table_->create(plugin::host(), &ctx, &problem, &t->self_) : 0;
    });
    if (status < 0) return ctx.take_error(status, use.id).at(use.key);
    t->created_ = true;
    return t;
  }
  ~Transform() {
    if (created_ && table_->destroy) table_->destroy(self_);
  }
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;

  // Whether it needs the entries of a row together.
  bool of_rows() const { return table_->form == ASSAY_TRANSFORM_ROW; }

  // What training entries teach it: its STATE buffers in the order declared.
  Expected<std::vector<kernels::Member>> learn(graph::Model& over, const Runtime& runtime) const {
    std::vector<kernels::Member> learnt;
    if (!ASSAY_HAS(table_, build) || !table_->build) return learnt;
    auto program = graph::Program::build(over, use_.id, self_, [this](assay_builder* b) {
      return table_->build(self_, b, ASSAY_FIT);
    });
    if (!program) return std::move(program.error());
    if ((*program)->empty()) return learnt;
    auto plan = graph::Plan::make(*program, over, runtime.plan_options());
    if (!plan) return std::move(plan.error());
    auto step = (*plan)->run(false);
    if (!step) return std::move(step.error());
    for (const auto& declared : (*program)->body().buffers) {
      if (declared.role != ASSAY_STATE) continue;
      const auto found = over.state.find(declared.name);
      if (found == over.state.end()) continue;
      learnt.push_back(fit::to_member(use_.id + "." + declared.name, found->second));
    }
    return learnt;
  }

  Expected<DataPtr> apply(const data::Data& x,
                          const std::vector<kernels::Member>& learnt,
                          const Runtime& runtime) const {
    if (!rewrites()) return affine(x, learnt);
    auto rewritten = rewrite(x, runtime);
    return rewritten && scales() ? affine(**rewritten, learnt) : std::move(rewritten);
  }

  // False, and x as it was: it has no inverse.
  Expected<bool> undo(const std::vector<kernels::Member>& learnt,
                      double* x,
                      int64_t rows,
                      int64_t cols) const {
    const bool inverts = ASSAY_HAS(table_, invert) && table_->invert;
    if (of_rows() || (rewrites() && !inverts)) return false;
    if (scales()) {
      auto a = coefficients(cols, learnt);
      if (!a) return std::move(a.error());
      // A column that became a constant.
      if (std::find(a->scale.begin(), a->scale.end(), 0.0) != a->scale.end()) return false;
      for (int64_t at = 0; at < rows * cols; ++at) {
        const auto j = static_cast<size_t>(at % cols);
        x[at] = (x[at] - a->shift[j]) / a->scale[j];
      }
    }
    if (!rewrites()) return true;
    assay_ctx ctx;
    const int32_t status =
        plugin::guarded(&ctx, use_.id, [&] { return table_->invert(self_, &ctx, rows * cols, x); });
    if (status < 0) return ctx.take_error(status, use_.id);
    return true;
  }

 private:
  Transform() = default;

  // Whether entries become others, by apply; and whether affine (then) acts on the view.
  bool rewrites() const {
    if (table_->form != ASSAY_TRANSFORM_ELEMENT || !table_->affine)
      return table_->form != ASSAY_TRANSFORM_AFFINE;
    assay_ctx ctx;
    double nothing = 0;
    return plugin::guarded(&ctx, use_.id, [&] {
             return table_->apply(self_, &ctx, 0, &nothing);
           }) != ASSAY_E_NOT_FOUND;
  }
  bool scales() const { return !of_rows() && table_->affine; }

  struct Affine {
    std::vector<double> scale, shift;
  };

  Expected<Affine> coefficients(int64_t cols, const std::vector<kernels::Member>& learnt) const {
    std::vector<const double*> arrays;
    for (const auto& m : learnt) {
      if (m.dtype != ASSAY_F64 || m.rows != cols) {
        return Error(ASSAY_E_SHAPE, "E0307",
                     fmt::format("transform `{}` was fitted on {} columns and the data have {}",
                                 use_.id, m.rows, cols));
      }
      arrays.push_back(reinterpret_cast<const double*>(m.bytes.data()));
    }
    Affine a;
    a.scale.assign(static_cast<size_t>(cols), 1.0);
    a.shift.assign(static_cast<size_t>(cols), 0.0);
    assay_ctx ctx;
    const int32_t status = plugin::guarded(&ctx, use_.id, [&] {
      return table_->affine(self_, &ctx, cols, static_cast<int32_t>(arrays.size()), arrays.data(),
                            a.scale.data(), a.shift.data());
    });
    if (status < 0) return ctx.take_error(status, use_.id).at(use_.key);
    return a;
  }

  Expected<DataPtr> affine(const data::Data& x, const std::vector<kernels::Member>& learnt) const {
    auto a = coefficients(x.cols, learnt);
    if (!a) return std::move(a.error());
    auto out = data::with_affine(x, a->scale.data(), a->shift.data());
    if (!out) return std::move(out.error());
    return share(std::move(*out));
  }

  Expected<DataPtr> rewrite(const data::Data& x, const Runtime& runtime) const {
    data::Rewrite how = data::Rewrite::kStorage;
    const auto apply_to = [this](int64_t n, double* values) -> Expected<void> {
      assay_ctx ctx;
      const int32_t status =
          plugin::guarded(&ctx, use_.id, [&] { return table_->apply(self_, &ctx, n, values); });
      if (status < 0) return ctx.take_error(status, use_.id).at(use_.key);
      return {};
    };
    auto out = of_rows() ? data::with_rows(x, apply_to) : data::with_element(x, apply_to, &how);
    if (!out) return std::move(out.error());
    if (how == data::Rewrite::kStorage && runtime.log) {
      runtime.log(ASSAY_LOG_INFO, fmt::format("transform `{}` rewrote the data once ({} bytes)",
                                              use_.id, out->bytes()));
    }
    return share(std::move(*out));
  }

  spec::Use use_;
  const assay_transform* table_ = nullptr;
  void* self_ = nullptr;
  bool created_ = false;
};

// What a split leaves must be finite, and what it holds out too where metrics read it.
Expected<void> check_parts(const spec::Trial& trial, const Prepared& p) {
  auto done = data::check_observed(*p.train);
  if (done && reads_heldout(trial)) {
    done = data::check_observed(*p.heldout, "held-out");
    if (!done) done.error().note.emplace_back(kMetricsRead);
  }
  if (done) return done;
  Error& e = done.error();
  e.file = trial.data.path;
  e.key = e.file.empty() ? "data.use" : "data.path";
  return done;
}

graph::Model bare_model(DataPtr x) {
  graph::Model m;
  m.facts = data::measure(*x);
  m.x = std::move(x);
  m.n_factors = 0;
  return m;
}

}  // namespace

bool reads_heldout(const spec::Trial& trial) {
  const auto& metrics = trial.measure.metrics;
  return std::any_of(metrics.begin(), metrics.end(), [](const auto& m) { return m.heldout; });
}

Expected<Prepared> prepare(const spec::Trial& trial, DataPtr raw, const Runtime& runtime) {
  Prepared p;
  p.data_id = p.stream_id = raw->id;
  p.train = raw;
  if (trial.split.kind != spec::SplitSpec::Kind::kNone) {
    auto split = split_of(trial, *raw);
    if (!split) {
      Error& e = split.error();
      return e.key.empty() ? std::move(e).at("split") : std::move(e);
    }
    p.heldout_rows = !split->held_rows.empty();
    p.train = share(std::move(split->train));
    p.heldout = share(std::move(split->held));
    p.stream_id = data::identify(*p.train);
    if (p.heldout_rows) p.heldout_id = data::identify(*p.heldout);
    ASSAY_TRY(check_parts(trial, p));
  }
  for (const spec::Use& use : trial.data.transforms) {
    graph::Model over = bare_model(p.train);
    auto transform = Transform::create(use, over, runtime);
    if (!transform) return std::move(transform.error());
    if (p.heldout && !p.heldout_rows && reads_heldout(trial) && (*transform)->of_rows())
      return Error(ASSAY_E_COMBINATION, "E0214",
                   fmt::format("transform `{}` takes whole rows, and single entries are held out",
                               use.id))
          .at(use.key)
          .with_help("hold out whole rows by a file of one column, or leave the transform out");
    auto learnt = (*transform)->learn(over, runtime);
    if (!learnt) return std::move(learnt.error());
    for (auto& member : *learnt) {
      member.name = fmt::format("transforms.{}.{}", p.transforms.size(), member.name);
    }
    for (DataPtr* x : {&p.train, &p.heldout}) {
      const bool is_held = x == &p.heldout;
      if (is_held && !(p.heldout && reads_heldout(trial))) continue;
      auto out = (*transform)->apply(**x, *learnt, runtime);
      if (!out && is_held) out.error().note.emplace_back(kMetricsRead);
      if (!out) return std::move(out.error());
      *x = std::move(*out);
    }
    p.transforms.push_back({use, std::move(*learnt)});
  }
  p.facts = data::measure(*p.train);
  return p;
}

Expected<DataPtr> apply_learnt(const std::vector<Learnt>& transforms,
                               DataPtr x,
                               const Runtime& runtime) {
  for (const Learnt& t : transforms) {
    auto transform = Transform::create(t.use, bare_model(x), runtime);
    if (!transform) return std::move(transform.error());
    auto out = (*transform)->apply(*x, t.learnt, runtime);
    if (!out) return std::move(out.error());
    x = std::move(*out);
  }
  return x;
}

Expected<std::string> undo_learnt(const std::vector<Learnt>& transforms,
                                  double* x,
                                  int64_t rows,
                                  int64_t cols,
                                  const Runtime& runtime) {
  graph::Model nothing;
  nothing.x = std::make_shared<const data::Data>();
  nothing.n_factors = 0;
  for (auto t = transforms.rbegin(); t != transforms.rend(); ++t) {
    auto transform = Transform::create(t->use, nothing, runtime);
    if (!transform) return std::move(transform.error());
    auto undone = (*transform)->undo(t->learnt, x, rows, cols);
    if (!undone) return std::move(undone.error());
    if (!*undone) return t->use.id;
  }
  return std::string();
}

}  // namespace assay::experiment
