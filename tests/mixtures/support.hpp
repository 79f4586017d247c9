// SPDX-License-Identifier: Apache-2.0
// Mixtures on a test's data: a model in YAML words, one fit, its arrays; the log-likelihood of a
// Gaussian mixture worked out again from them, without the code under test.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/kernels/linalg.hpp"
#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"

namespace assay::test {

struct Mixed {
  Expected<fit::Result> result = Error();
  std::unique_ptr<graph::Model> model;
  experiment::Prepared data;
  spec::Trial trial;
  double F() const { return result->trace.rows.back().objective; }
  double log_likelihood() const { return -F(); }
  int64_t k() const { return model->factor[1].width; }
  double weight(int64_t c) const { return model->state.at("weights").get(0, c); }
  double mean(int64_t c, int64_t j) const { return model->factor[1].get(j, c); }
  double covariance(int64_t c, int64_t i, int64_t j) const {
    return model->state.at("covariances").get(c * model->d() + i, j);
  }
};

inline spec::Trial mixture(const std::string& model,
                           const std::string& solver,
                           const std::string& rest = "") {
  const std::string text =
      "assay: 1\nname: mixture\nmodel: { kind: mixture, " + model + " }\nsolver: " + solver + "\n" +
      rest +
      (rest.find("stop:") == std::string::npos
           ? "stop: { max_iter: 300, rel_tol: 1e-10, patience: 0 }\n"
           : "") +
      (rest.find("measure:") == std::string::npos ? "measure: { every: 1, metrics: [] }\n" : "");
  auto parsed = spec::parse("mixture.yaml", text, {{}, {}, true}, *registry());
  for (const auto& d : parsed.diagnostics) INFO(d.message);
  REQUIRE(parsed.ok());
  return parsed.experiment->trials[0];
}

// means: H to start from, k x d, in the init's place.
inline Mixed fit_mixture(const spec::Trial& trial,
                         std::shared_ptr<const data::Data> x,
                         int threads = 1,
                         const std::vector<double>& means = {}) {
  Mixed out;
  out.trial = trial;
  auto runtime = experiment::Runtime::create(registry(), threads, "auto", "auto");
  REQUIRE(runtime.ok());
  auto prepared = experiment::prepare(trial, std::move(x), *runtime);
  REQUIRE(prepared.ok());
  out.data = std::move(*prepared);
  auto model = experiment::make_model(trial, out.data, *runtime);
  REQUIRE_MESSAGE(model.ok(), model.error().message);
  out.model = std::move(*model);
  auto task = experiment::make_task(trial, out.data, *out.model, *runtime);
  REQUIRE_MESSAGE(task.ok(), task.error().message);
  if (!means.empty()) {
    task->init.reset();
    graph::Buffer& H = out.model->factor[1];
    for (int64_t j = 0; j < H.rows; ++j)
      for (int64_t c = 0; c < H.width; ++c) H.set(j, c, means[static_cast<size_t>(c * H.rows + j)]);
  }
  out.result = fit::fit(*task);
  return out;
}

inline Mixed fitted_mixture(const spec::Trial& trial,
                            std::shared_ptr<const data::Data> x,
                            int threads = 1,
                            const std::vector<double>& means = {}) {
  Mixed out = fit_mixture(trial, std::move(x), threads, means);
  REQUIRE_MESSAGE(out.result.ok(), out.result.error().message);
  return out;
}

// Numbers of a CSV file below $ASSAY_DATA, without its header; nothing where there are no data.
inline std::optional<Problem> data_file(const std::string& path,
                                        std::vector<int>* labels = nullptr) {
  const char* folder = std::getenv("ASSAY_DATA");
  const std::string base =
      folder ? folder : std::string(std::getenv("ASSAY_TEST_SOURCE")) + "/../shared/data";
  std::ifstream file(base + "/" + path);
  std::string line;
  if (!std::getline(file, line)) return {};
  Problem p{0, 0, 0, {}};
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::vector<double> row;
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(std::atof(cell.c_str()));
    if (labels) {
      labels->push_back(static_cast<int>(row.back()));
      row.pop_back();
    }
    p.d = static_cast<int64_t>(row.size());
    ++p.n;
    p.x.insert(p.x.end(), row.begin(), row.end());
  }
  return p;
}

// A stream of numbers in [0, 1), the same every time.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 2654435761u + 99991) {}
  double operator()() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state_ >> 11) / 9007199254740992.0;
  }
  double normal() {
    const double u = std::max((*this)(), 1e-300), v = (*this)();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  int64_t below(int64_t n) {
    return std::min(n - 1, static_cast<int64_t>((*this)() * static_cast<double>(n)));
  }

 private:
  uint64_t state_;
};

// Rows about k centres `apart` from each other, of unit variance, moved by `shift`.
inline Problem blobs(int64_t n, int64_t d, int64_t k, double apart, double shift, uint64_t seed) {
  Draw draw(seed);
  std::vector<double> centres(static_cast<size_t>(k * d));
  for (double& v : centres) v = apart * draw.normal() + shift;
  Problem p{n, d, k, std::vector<double>(static_cast<size_t>(n * d))};
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = draw.below(k);
    for (int64_t j = 0; j < d; ++j)
      p.x[static_cast<size_t>(i * d + j)] = centres[static_cast<size_t>(c * d + j)] + draw.normal();
  }
  return p;
}

// log N(x | mean, C) by a Cholesky factor, entry by entry.
inline double log_normal(const double* x,
                         const std::vector<double>& mean,
                         const std::vector<double>& C) {
  const size_t d = mean.size();
  std::vector<double> L(d * d), y(d);
  double out = -0.5 * static_cast<double>(d) * std::log(2 * 3.14159265358979324);
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = C[i * d + j];
      for (size_t a = 0; a < j; ++a) sum -= L[i * d + a] * L[j * d + a];
      L[i * d + j] = i == j ? std::sqrt(sum) : sum / L[j * d + j];
    }
    y[i] = x[i] - mean[i];
    for (size_t a = 0; a < i; ++a) y[i] -= L[i * d + a] * y[a];
    y[i] /= L[i * d + i];
    out -= 0.5 * y[i] * y[i] + std::log(L[i * d + i]);
  }
  return out;
}

// log pi_c + log p(x_i | c) of a fitted Gaussian mixture, n x k.
inline std::vector<double> joint(const Mixed& m, const Problem& p) {
  const int64_t k = m.k();
  std::vector<double> out(static_cast<size_t>(p.n * k));
  for (int64_t c = 0; c < k; ++c) {
    std::vector<double> mean, C;
    for (int64_t i = 0; i < p.d; ++i) {
      mean.push_back(m.mean(c, i));
      for (int64_t j = 0; j < p.d; ++j) C.push_back(m.covariance(c, i, j));
    }
    for (int64_t i = 0; i < p.n; ++i)
      out[static_cast<size_t>(i * k + c)] =
          m.weight(c) > 0
              ? std::log(m.weight(c)) + log_normal(&p.x[static_cast<size_t>(i * p.d)], mean, C)
              : -1e300;
  }
  return out;
}

inline double log_sum_exp(const double* a, int64_t k) {
  const double top = *std::max_element(a, a + k);
  double sum = 0;
  for (int64_t c = 0; c < k; ++c) sum += std::exp(a[c] - top);
  return top + std::log(sum);
}

// The trace never rises by more than rounding; size: of what is summed.
inline void check_descent(const fit::Result& result, double slack, double size = 1) {
  const auto& rows = result.trace.rows;
  for (size_t i = 0; i < rows.size(); ++i) {
    CHECK(std::isfinite(rows[i].objective));
    if (i > 0)
      CHECK(rows[i].objective <=
            rows[i - 1].objective + slack * (size + std::abs(rows[i - 1].objective)));
  }
}

}  // namespace assay::test
