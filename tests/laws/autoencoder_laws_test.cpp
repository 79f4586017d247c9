// SPDX-License-Identifier: Apache-2.0
// Laws of autoencoders: bits over threads and after a resume, transform, storage, degenerate data,
// and what is refused.
#include "core/experiment/going_on.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/new_rows.hpp"
#include "tests/laws/autoencoder_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

struct Case {
  const char *model, *solver, *loss;
};

// Every path through the layers: shallow, tied, orthogonal, deep, with noise, variational; the code
// first, inside and last.
const Case kCases[] = {
    {"layers: [3], bias: false", ", activation: identity, batch_size: 16", "squared"},
    {"layers: [3]", ", activation: identity, tied: true, batch_size: 16", "squared"},
    {"layers: [3], bias: false", ", activation: identity, tied: true, orthogonal: true", "squared"},
    {"layers: [7, 3, 7]", ", activation: tanh, batch_size: 16, optimiser: sgd", "squared"},
    {"layers: [7, 3]", ", batch_size: 10, noise: gaussian, noise_level: 0.3", "squared"},
    {"layers: [6]", ", batch_size: 16, noise: salt_and_pepper, shuffle: false", "logistic"},
    {"layers: [8, 2, 8]", ", activation: softplus, variational: true, batch_size: 16", "logistic"},
    {"layers: [2, 8]", ", activation: sigmoid, variational: true, noise: masking", "squared"},
    {"layers: [8, 2]", ", variational: true, batch_size: 16", "logistic"}};

// Random numbers are keyed by the data's id: the same data stored otherwise are to have the same.
DataPtr known_as(const DataPtr& x, const DataPtr& like) {
  auto out = std::make_shared<data::Data>(*x);
  out->id = like->id;
  return out;
}

Problem unit_problem(int64_t n = 50, int64_t d = 12) {
  Problem p = random_problem(n, d, 3);
  const double most = *std::max_element(p.x.begin(), p.x.end());
  for (double& v : p.x) v /= most;
  return p;
}

void for_every_case(const std::function<void(const spec::Trial&)>& law) {
  for (const Case& c : kCases) {
    INFO(std::string(c.model), std::string(c.solver));
    law(autoencoder(c.model, c.solver, 12, c.loss));
  }
}

void check_same(const Outcome& a, const Outcome& b) {
  for (int side = 0; side < 2; ++side) CHECK(a.factor[side] == b.factor[side]);
  CHECK(weights_of(*a.model) == weights_of(*b.model));
  CHECK(objective(a) == objective(b));
}

}  // namespace

TEST_CASE("law: autoencoders give equal bits for any number of threads") {
  for_every_case([](const spec::Trial& trial) {
    const DataPtr x = dense(unit_problem());
    const Outcome one = fitted(trial, x, {}, 1, "graph");
    for (const int threads : {2, 7}) check_same(one, fitted(trial, x, {}, threads, "graph"));
    check_same(one, fitted(trial, x, {}, 1, "serial"));
  });
}

TEST_CASE("law: autoencoders resume to the bits of a fit that was never cut") {
  for_every_case([](const spec::Trial& trial) {
    const DataPtr x = dense(unit_problem());
    const Outcome whole = fitted(trial, x);
    std::vector<fit::Checkpoint> saved;
    std::atomic<bool> cancel{false};
    (void)fitted(trial, x, [&](fit::Task& task, graph::Model&) {
      task.plan.cancel = &cancel;
      task.on_step = [&](int64_t iteration, double) { cancel = iteration == 5; };
      task.save = [&saved](const fit::Checkpoint& c) -> Expected<void> {
        saved.push_back(c);
        return {};
      };
    });
    REQUIRE(saved.size() == 1);
    check_same(whole,
               fitted(trial, x, [&](fit::Task& task, graph::Model&) { task.resume = &saved[0]; }));
  });
}

TEST_CASE("law: transform of the training rows is the last forward pass") {
  for_every_case([](const spec::Trial& trial) {
    const DataPtr x = dense(unit_problem());
    const Outcome fit = fitted(trial, x);
    const auto saved = experiment::save(trial, "", *fit.model, fit.data, fit.result, *registry());
    auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
    REQUIRE(runtime.ok());
    auto rows = experiment::transform_rows(saved, x, *runtime);
    REQUIRE_MESSAGE(rows.ok(), rows.error().message);
    CHECK(entries(experiment::storage_view(rows->W, 0)) == fit.factor[0]);
    CHECK(rows->fitted.iterations == 1);
    CHECK(rows->fitted.certificate.loss == doctest::Approx(fit.result.certificate.loss));
  });
}

TEST_CASE("law: new rows go on from the weights there are") {
  for_every_case([](const spec::Trial& trial) {
    const DataPtr x = dense(unit_problem());
    const Outcome fit = fitted(trial, x);
    const auto saved = experiment::save(trial, "", *fit.model, fit.data, fit.result, *registry());
    auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
    REQUIRE(runtime.ok());
    auto more = experiment::partial_fit(saved, dense(unit_problem(30)), 1, *runtime);
    REQUIRE_MESSAGE(more.ok(), more.error().message);
    const graph::Buffer H = experiment::storage_view(*more->model.find("H"), 1);
    CHECK(entries(H) != fit.factor[1]);
    // A step of Adam moves a weight by about its rate; a few of them do not make new ones.
    CHECK(worst_relative(entries(H), fit.factor[1]) < 0.5);
  });
}

TEST_CASE(
    "law: the code is a row of the result, the last component of W ones where there is bias") {
  for_every_case([](const spec::Trial& trial) {
    const Outcome fit = fitted(trial, dense(unit_problem()));
    const int64_t k = fit.model->factor[0].width;
    const graph::Buffer& code = fit.model->state.at("rows.code");
    const auto& layers = trial.model.layers;
    CHECK(code.width == *std::min_element(layers.begin(), layers.end()));
    for (int64_t i = 0; trial.model.bias && i < code.rows; ++i)
      CHECK(fit.model->factor[0].get(i, k - 1) == 1);
  });
}

TEST_CASE("law: sparse X is the same data to an autoencoder") {
  for_every_case([](const spec::Trial& trial) {
    const DataPtr x = dense(unit_problem()), stored = known_as(sparse(unit_problem()), x);
    auto b = attempt(trial, stored);
    const bool noisy = trial.solver.options.values.at("noise").text != "none";
    REQUIRE(b.ok() != noisy);  // noise leaves no zeros
    if (noisy) return;
    const Outcome a = fitted(trial, x);
    CHECK(worst_relative(a.factor[1], b->factor[1]) < 1e-7);
    CHECK(objective(a) == doctest::Approx(objective(*b)).epsilon(1e-9));
  });
}

TEST_CASE("law: what stands in hidden entries changes no bit of an autoencoder") {
  for_every_case([](const spec::Trial& trial) {
    Problem p = unit_problem(), q = p;
    for (int64_t i = 0; i < p.n; ++i)
      for (int64_t j = 0; j < p.d; ++j)
        if (scattered(i, j)) q.x[static_cast<size_t>(i * p.d + j)] = -1e300;
    const DataPtr x = dense(p);
    const Outcome a = fitted(trial, hide_where(x, scattered)),
                  b = fitted(trial, hide_where(known_as(dense(q), x), scattered));
    check_same(a, b);
  });
}

TEST_CASE("law: data that teach nothing leave finite weights") {
  for_every_case([](const spec::Trial& trial) {
    for (const double value : {0.0, 1.0}) {
      Problem p = unit_problem(20, 6);
      std::fill(p.x.begin(), p.x.end(), value);
      Problem one = unit_problem(1, 12);
      for (const Problem& data : {p, one}) {
        const Outcome fit = fitted(trial, dense(data));
        CHECK(fit.result.stop == fit::Stop::kMaxIter);
        CHECK(std::isfinite(objective(fit)));
        for (const auto& [name, values] : weights_of(*fit.model))
          for (const double v : values) CHECK(std::isfinite(v));
      }
    }
  });
}

TEST_CASE("law: float32 comes near float64") {
  const Problem p = unit_problem();
  for (const Case& c : {kCases[0], kCases[3]}) {
    spec::Trial trial = autoencoder(c.model, c.solver, 12, c.loss);
    const Outcome wide = fitted(trial, dense(p));
    trial.data.compute = "f32";
    const Outcome narrow = fitted(trial, dense(p));
    CHECK(objective(narrow) == doctest::Approx(objective(wide)).epsilon(1e-3));
  }
}

TEST_CASE("law: a rate that is far too large ends the fit and leaves numbers") {
  const Outcome fit =
      fitted(autoencoder("layers: [5, 3, 5]",
                         ", activation: identity, optimiser: sgd, learning_rate: 1000", 200),
             dense(unit_problem()));
  CHECK((fit.result.stop == fit::Stop::kNonFinite || fit.result.stop == fit::Stop::kDiverged));
  for (const auto& [name, values] : weights_of(*fit.model))
    for (const double v : values) CHECK(std::isfinite(v));
}

TEST_CASE("law: what layers cannot do is refused with the option's name") {
  const DataPtr x = dense(unit_problem());
  const auto refused = [&](const char* model, const char* solver) {
    const std::string text = std::string("assay: 1\nmodel: { kind: autoencoder, ") + model +
                             " }\nsolver: { use: autoencoder" + solver + " }\n";
    return !spec::parse("law.yaml", text, {{}, {}, true}, *registry()).ok();
  };
  CHECK(refused("layers: [5, 3]", ", tied: true"));
  CHECK(refused("layers: [3]", ", tied: true, orthogonal: true"));
  CHECK(refused("layers: [3], bias: false", ", orthogonal: true"));
  CHECK(refused("layers: [3]", ", tied: true, variational: true"));
  CHECK(refused("layers: [3]", ", code_layer: 2"));
  CHECK(refused("layers: [3]", ", noise: masking, noise_level: 2"));
  CHECK(refused("layers: [3]", ", noise: salt_and_pepper, noise_level: 1.1"));
  CHECK(refused("layers: [0]", ""));
  CHECK(refused("layers: []", ""));
  CHECK(refused("layers: 3", ""));
  CHECK(refused("layers: [3], rank: 3", ""));
  CHECK(refused("layers: [3], W: { constraint: nonneg }", ""));
  CHECK(refused("layers: [3], loss: kl", ""));
  CHECK(refused("layers: [3], loss: itakura_saito", ""));
  CHECK(!refused("layers: [3]", ""));
}

TEST_CASE("law: `elbo` of what has no posterior is an empty column, and says so once") {
  for (const bool variational : {false, true}) {
    const std::string text =
        std::string("assay: 1\nmodel: { kind: autoencoder, layers: [3] }\n") +
        "solver: { use: autoencoder, variational: " + (variational ? "true" : "false") +
        " }\nstop: { max_iter: 9 }\nmeasure: { every: 1, metrics: [elbo] }\n";
    auto parsed = spec::parse("law.yaml", text, {{}, {}, true}, *registry());
    REQUIRE(parsed.ok());
    int said = 0;
    const plugin::LogSink log = [&](int32_t level, const std::string& line) {
      if (level == ASSAY_LOG_WARNING && line.find("variational: true") != std::string::npos) ++said;
    };
    const Outcome fit = fitted(parsed.experiment->trials[0], dense(unit_problem()),
                               [&](fit::Task& task, graph::Model&) { task.plan.log = &log; });
    CHECK(said == (variational ? 0 : 1));
    for (const auto& row : fit.result.trace.rows) CHECK(std::isnan(row.metrics[0]) == !variational);
  }
}
