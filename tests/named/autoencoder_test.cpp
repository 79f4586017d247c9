// SPDX-License-Identifier: Apache-2.0
// What autoencoders have to do with factorizations, and with one another: a linear one reaches the
// error of the truncated SVD (Baldi and Hornik 1989), a tied one the span of PCA's components;
// without noise a denoising one is the plain one, without variance and divergence a variational one
// is. Backpropagated gradients are those of the objective.
#include <numeric>

#include "core/kernels/linalg.hpp"
#include "tests/laws/autoencoder_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// Signals of falling strength in noise: the leading directions are well apart.
Problem signals() {
  Problem p{40, 9, 3, std::vector<double>(40 * 9)};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j) {
      double v = 0.02 * std::sin(static_cast<double>(17 * i + 29 * j * j));
      for (int64_t a = 0; a < 3; ++a)
        v += (1.2 - 0.35 * static_cast<double>(a)) *
             std::sin(static_cast<double>((a + 2) * i + 3 * a)) *
             std::cos(static_cast<double>((2 * a + 1) * j + a));
      p.x[static_cast<size_t>(i * p.d + j)] = v;
    }
  return p;
}

struct Svd {
  std::vector<double> s, vt;  // 9, 9 x 9
  double error(int64_t k) const {
    double sum = 0;
    for (size_t a = static_cast<size_t>(k); a < s.size(); ++a) sum += 0.5 * s[a] * s[a];
    return sum;
  }
};

Svd svd_of(const Problem& p) {
  std::vector<double> a = p.x, u(static_cast<size_t>(p.n * p.d));
  Svd out{std::vector<double>(static_cast<size_t>(p.d)),
          std::vector<double>(static_cast<size_t>(p.d * p.d))};
  REQUIRE(kernels::la_table()->svd(p.n, p.d, a.data(), p.d, u.data(), p.d, out.s.data(),
                                   out.vt.data(), p.d) == 0);
  return out;
}

// How far the k leading right vectors lie outside the span of H's components: the sine of the
// largest angle is at most this.
double outside_span(const Svd& svd, const std::vector<double>& H, int64_t d, int64_t k) {
  // Q: orthonormal columns of H (d x k).
  std::vector<double> Q = H, R(static_cast<size_t>(k * k));
  REQUIRE(kernels::la_table()->qr(d, k, Q.data(), k, R.data(), k) == 0);
  double worst = 0;
  for (int64_t a = 0; a < k; ++a) {
    double inside = 0;
    for (int64_t c = 0; c < k; ++c) {
      double dot = 0;
      for (int64_t j = 0; j < d; ++j)
        dot += svd.vt[static_cast<size_t>(a * d + j)] * Q[static_cast<size_t>(j * k + c)];
      inside += dot * dot;
    }
    worst = std::max(worst, std::sqrt(std::max(0.0, 1 - inside)));
  }
  return worst;
}

const char* const kLinear =
    ", activation: identity, batch_size: 40, learning_rate: 0.03, schedule: cosine, period: 12000";

}  // namespace

TEST_CASE("named: an untied linear autoencoder reaches the error of the truncated SVD") {
  const Problem p = signals();
  const Outcome fit = fitted(autoencoder("layers: [3], bias: false", kLinear, 12000), dense(p));
  const double best = svd_of(p).error(3);
  CHECK(objective(fit) >= best * (1 - 1e-12));
  CHECK(objective(fit) <= best * (1 + 1e-6));
  CHECK(outside_span(svd_of(p), fit.factor[1], p.d, 3) < 1e-3);
}

TEST_CASE("named: a tied linear autoencoder spans PCA's components") {
  const Problem p = signals();
  const Outcome fit =
      fitted(autoencoder("layers: [3], bias: false", std::string(kLinear) + ", tied: true", 12000),
             dense(p));
  CHECK(objective(fit) == doctest::Approx(svd_of(p).error(3)).epsilon(1e-6));
  CHECK(outside_span(svd_of(p), fit.factor[1], p.d, 3) < 1e-3);
}

TEST_CASE("named: orthogonal tied weights are an orthonormal basis of PCA's subspace") {
  const Problem p = signals();
  const Outcome fit =
      fitted(autoencoder("layers: [3], bias: false",
                         std::string(kLinear) + ", tied: true, orthogonal: true", 12000),
             dense(p));
  CHECK(objective(fit) == doctest::Approx(svd_of(p).error(3)).epsilon(1e-6));
  const std::vector<double>& H = fit.factor[1];
  CHECK(outside_span(svd_of(p), H, p.d, 3) < 1e-3);
  for (size_t a = 0; a < 3; ++a)
    for (size_t c = 0; c < 3; ++c) {
      double dot = 0;
      for (size_t j = 0; j < 9; ++j) dot += H[j * 3 + a] * H[j * 3 + c];
      CHECK(dot == doctest::Approx(a == c ? 1.0 : 0.0).epsilon(1e-12));
    }
}

// Batches of all rows have one plan with and without noise, and so equal bits; in small ones X
// comes by columns where it is without.
TEST_CASE("named: without noise a denoising autoencoder is the plain one, bit for bit") {
  const DataPtr x = dense(signals());
  for (const char* noise : {"gaussian", "masking", "salt_and_pepper"}) {
    for (const char* model : {"layers: [3], bias: false", "layers: [4, 3, 4]"}) {
      for (const int batch : {40, 16}) {
        INFO(std::string(noise), std::string(model), batch);
        const std::string solver = ", activation: tanh, batch_size: " + std::to_string(batch);
        const auto fit = [&](const std::string& more) {
          return fitted(autoencoder(model, solver + more), x);
        };
        const std::string noisy = std::string(", noise: ") + noise + ", noise_level: ";
        const Outcome plain = fit(""), quiet = fit(noisy + "0"), loud = fit(noisy + "0.3");
        if (batch == 40) CHECK(weights_of(*plain.model) == weights_of(*quiet.model));
        if (batch == 40) CHECK(plain.factor[0] == quiet.factor[0]);
        CHECK(worst_relative(plain.factor[1], quiet.factor[1]) < 1e-10);
        CHECK(worst_relative(plain.factor[1], loud.factor[1]) > 1e-6);
      }
    }
  }
}

TEST_CASE("named: without variance and divergence a variational autoencoder is the plain one") {
  const DataPtr x = dense(signals());
  for (const char* model : {"layers: [7, 3, 7]", "layers: [3]", "layers: [3, 8]"}) {
    INFO(std::string(model));
    const std::string solver = ", activation: tanh, code_activation: identity, init: glorot";
    const Outcome plain = fitted(autoencoder(model, solver), x),
                  vae = fitted(
                      autoencoder(model, solver + ", variational: true, beta: 0, sampling: false"),
                      x);
    CHECK(worst_relative(plain.factor[0], vae.factor[0]) < 1e-12);
    CHECK(worst_relative(plain.factor[1], vae.factor[1]) < 1e-12);
    CHECK(objective(plain) == doctest::Approx(objective(vae)).epsilon(1e-12));
  }
}

TEST_CASE("named: backpropagated gradients are those of the objective") {
  Problem p = signals();
  for (double& v : p.x) v = 0.5 + 0.2 * v;
  const DataPtr x = dense(p);
  struct Case {
    const char *model, *solver, *loss;
  };
  for (const Case& c :
       {Case{"layers: [5, 3, 5]", ", activation: relu", "squared"},
        Case{"layers: [5, 3, 5]", ", activation: tanh", "logistic"},
        Case{"layers: [5, 3, 5]", ", activation: sigmoid", "squared"},
        Case{"layers: [5, 3, 5]", ", activation: softplus", "huber"},
        Case{"layers: [5, 3, 5]", ", activation: identity", "squared"},
        Case{"layers: [4], bias: false", ", activation: tanh, tied: true", "squared"},
        Case{"layers: [4]", ", activation: softplus, tied: true", "logistic"},
        Case{"layers: [5, 3, 5]", ", activation: tanh, variational: true", "logistic"},
        Case{"layers: [3, 5]", ", activation: tanh, variational: true, beta: 2", "squared"},
        Case{"layers: [5, 2]", ", activation: tanh, variational: true", "squared"}}) {
    INFO(std::string(c.model), std::string(c.solver));
    const std::string still = ", optimiser: sgd, momentum: 0, shuffle: false, learning_rate: ";
    const auto run = [&](double rate, const Change& change) {
      return fitted(autoencoder(c.model, c.solver + still + std::to_string(rate), 1, c.loss), x,
                    change);
    };
    const Outcome rest = run(0, {});
    const Weights start = weights_of(*rest.model);
    const Weights moved = weights_of(*run(1, start_at(*rest.model, start)).model);
    for (const auto& weights : start) {
      const std::string name = weights.first;
      const std::vector<double>& values = weights.second;
      CAPTURE(name);
      for (size_t at = 0; at < values.size(); at += 1 + values.size() / 5) {
        const double gradient = (values[at] - moved.at(name)[at]) * static_cast<double>(p.n);
        constexpr double kStep = 1e-5;
        const auto objective_at = [&](double by) {
          Weights w = start;
          w[name][at] += by;
          return objective(run(0, start_at(*rest.model, w)));
        };
        const double difference = (objective_at(kStep) - objective_at(-kStep)) / (2 * kStep);
        CHECK(gradient == doctest::Approx(difference).epsilon(1e-5).scale(10));
      }
    }
  }
}
