// SPDX-License-Identifier: Apache-2.0
// Trials of k-means for the named tests, starts by hand, and sums of squares by plain loops.
#pragma once

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/number.hpp"
#include "tests/fit/support.hpp"

namespace assay::test {

inline spec::Trial kmeans(int64_t k,
                          const std::string& init = "kmeans_plus_plus",
                          const std::string& solver = "lloyd") {
  spec::Trial t;
  t.model.rank = {k};
  t.model.loss = use("loss", "squared");
  t.model.W.constraint = use("penalty", "one_hot");
  t.init = use("init", init);
  t.solver = use("solver", solver);
  t.stop.rel_tol = 0;
  t.stop.patience = 0;
  t.stop.max_iter = 300;
  t.measure.every = 1;
  spec::Metric inertia;
  inertia.text = inertia.id = "inertia";
  t.measure.metrics = {inertia};
  return t;
}
inline spec::Trial with_restarts(spec::Trial t, int64_t restarts) {
  t.solver.options.values["restarts"].number = static_cast<double>(restarts);
  return t;
}

inline Problem table(const std::string& file, int64_t cols) {
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  REQUIRE(source != nullptr);
  std::ifstream in(std::string(source) + "/configs/data/" + file);
  Problem p{0, cols, 0, {}};
  std::string line;
  for (std::getline(in, line); std::getline(in, line); ++p.n)
    for (size_t at = 0, j = 0; j < static_cast<size_t>(cols); ++j) {
      const size_t end = std::min(line.find(',', at), line.size());
      p.x.push_back(parse_double(line.substr(at, end - at)).value());
      at = end + 1;
    }
  REQUIRE(p.n > 0);
  return p;
}

// Columns of mean 0 and variance 1, constant ones 0.
inline Problem standardised(Problem p) {
  for (int64_t j = 0; j < p.d; ++j) {
    double mean = 0, square = 0;
    const auto at = [&](int64_t i) -> double& { return p.x[static_cast<size_t>(i * p.d + j)]; };
    for (int64_t i = 0; i < p.n; ++i) mean += at(i) / static_cast<double>(p.n);
    for (int64_t i = 0; i < p.n; ++i)
      square += (at(i) - mean) * (at(i) - mean) / static_cast<double>(p.n);
    for (int64_t i = 0; i < p.n; ++i) at(i) = square > 0 ? (at(i) - mean) / std::sqrt(square) : 0;
  }
  return p;
}

inline void start_at(Fixture& f, const std::vector<std::vector<double>>& centres) {
  f.task.init.reset();
  for (int64_t j = 0; j < f.model->d(); ++j)
    for (size_t a = 0; a < centres.size(); ++a)
      f.model->factor[1].set(j, static_cast<int64_t>(a), centres[a][static_cast<size_t>(j)]);
}

inline int32_t label(const graph::Model& m, int64_t i) {
  return static_cast<int32_t>(m.state.at("rows.labels").get(i, 0));
}

// |X - W H|^2 with the labels' W, by the weights of the rows.
inline double inertia(const graph::Model& m, const Problem& p) {
  double sum = 0;
  for (int64_t i = 0; i < p.n; ++i) {
    const double w = m.x->row_weights ? (*m.x->row_weights)[i] : 1;
    for (int64_t j = 0; j < p.d; ++j) {
      const double from = p.x[static_cast<size_t>(i * p.d + j)] - m.factor[1].get(j, label(m, i));
      sum += w * from * from;
    }
  }
  return sum;
}

inline void never_rises(const fit::Trace& trace, double slack = 1e-12) {
  for (size_t r = 1; r < trace.rows.size(); ++r)
    CHECK(trace.rows[r].objective <= trace.rows[r - 1].objective * (1 + slack) + 1e-12);
}

}  // namespace assay::test
