// SPDX-License-Identifier: Apache-2.0
// Metrics of clusters against numbers that are known: scikit-learn's user guide and sums by hand.
#include <cmath>

#include "core/fit/measure.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

struct Rows {
  std::vector<size_t> cluster;
  std::vector<std::string> label;  // none: the data have no labels
  std::vector<double> x;           // a column
};

Expected<double> measured(const Rows& rows, const std::string& id, double sample = 0) {
  const auto n = static_cast<int64_t>(rows.cluster.size());
  Problem p{n, 1, 5, rows.x};
  p.x.resize(rows.cluster.size(), 1);
  data::Data x = *dense(p);
  if (!rows.label.empty())
    x.names = std::make_shared<const data::Names>(data::Names{{}, {}, rows.label});
  Fixture f(std::make_shared<const data::Data>(x), mu_trial("squared", p.k), 1);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t a = 0; a < p.k; ++a)
      f.model->factor[0].set(
          i, a, static_cast<size_t>(a) == rows.cluster[static_cast<size_t>(i)] ? 0.75 : 0.1);
  plugin::Options options = use("metric", id).options;
  if (sample > 0) options.values["sample"].number = sample;
  const fit::MetricColumn column{id, {registry()->find("metric", id), options, 3}, -1, false};
  auto measurer = fit::Measurer::create(*f.model, {}, {column}, f.runtime.plan_options());
  if (!measurer) return std::move(measurer.error());
  auto values = (*measurer)->measure();
  if (!values) return std::move(values.error());
  return values->front();
}

double value(const Rows& rows, const std::string& id, double sample = 0) {
  const auto v = measured(rows, id, sample);
  REQUIRE_MESSAGE(v.ok(), v.error().message);
  return *v;
}

}  // namespace

TEST_CASE("clusters against labels: the values of scikit-learn's user guide") {
  const Rows guide{{0, 0, 1, 1, 2, 2}, {"a", "a", "a", "b", "b", "b"}, {}};
  CHECK(value(guide, "ari") == doctest::Approx(8.0 / 33).epsilon(1e-12));
  CHECK(value(guide, "nmi") == doctest::Approx(0.515803742979).epsilon(1e-10));
  CHECK(value(guide, "purity") == doctest::Approx(5.0 / 6).epsilon(1e-12));
  const Rows reference{{0, 0, 1, 1}, {"x", "x", "y", "z"}, {}};
  CHECK(value(reference, "ari") == doctest::Approx(4.0 / 7).epsilon(1e-12));
  // Names of clusters and of classes do not matter, nor rows without a label.
  const Rows same{{4, 4, 0, 2, 3}, {"q", "q", "p", "r", ""}, {}};
  for (const char* id : {"ari", "nmi", "purity"}) CHECK(value(same, id) == doctest::Approx(1));
  const Rows alone{{0, 1, 2, 3}, {"x", "x", "x", "x"}, {}};
  CHECK(value(alone, "ari") == 0);
  CHECK(value(alone, "nmi") == 0);
  CHECK(value(alone, "purity") == 1);
}

TEST_CASE("metrics that need labels say so") {
  for (const char* id : {"ari", "nmi", "purity"}) {
    const auto refused = measured({{0, 1}, {}, {}}, id);
    REQUIRE(!refused.ok());
    CHECK(refused.error().status == ASSAY_E_COMBINATION);
    CHECK(refused.error().message.find("no labels") != std::string::npos);
  }
}

TEST_CASE("silhouette is the mean over rows of (b - a) / max(a, b)") {
  const double known = (10.0 / 11 + 9.0 / 10 + 7.5 / 9.5 + 9.5 / 11.5) / 4;
  CHECK(value({{1, 1, 0, 0}, {}, {0, 1, 10, 12}}, "silhouette") ==
        doctest::Approx(known).epsilon(1e-12));
  // A row alone in its cluster counts as 0.
  CHECK(value({{1, 1, 0}, {}, {0, 1, 10}}, "silhouette") ==
        doctest::Approx((0.9 + 8.0 / 9) / 3).epsilon(1e-12));
  CHECK(std::isnan(value({{2, 2, 2}, {}, {0, 1, 10}}, "silhouette")));
}

TEST_CASE("silhouette of many rows is taken over a sample that is drawn") {
  Rows many;
  for (size_t i = 0; i < 3000; ++i) {
    many.cluster.push_back(i % 2);
    many.x.push_back(static_cast<double>(i % 2) * 10 + 0.001 * static_cast<double>(i % 7));
  }
  const double v = value(many, "silhouette");
  CHECK(v > 0.999);
  CHECK(v < 1);
  CHECK(v == value(many, "silhouette"));
}

TEST_CASE("silhouette: `sample` says how many rows are drawn, and all count from there on") {
  Rows rows;
  for (size_t i = 0; i < 1400; ++i) {
    rows.cluster.push_back(i % 2);
    rows.x.push_back(static_cast<double>(i % 2) * 3 + 0.01 * static_cast<double>(i * i % 401));
  }
  // Mean distances of row i to the rows of either cluster.
  double sum = 0;
  for (size_t i = 0; i < 1400; ++i) {
    double apart[2] = {};
    for (size_t j = 0; j < 1400; ++j) apart[rows.cluster[j]] += std::abs(rows.x[i] - rows.x[j]);
    const double own = apart[rows.cluster[i]] / 699, other = apart[1 - rows.cluster[i]] / 700;
    sum += (other - own) / std::max(own, other) / 1400;
  }
  CHECK(value(rows, "silhouette", 1400) == doctest::Approx(sum).epsilon(1e-12));
  CHECK(value(rows, "silhouette", 5000) == doctest::Approx(sum).epsilon(1e-12));
  const double drawn = value(rows, "silhouette");
  CHECK(drawn != value(rows, "silhouette", 1400));
  CHECK(std::abs(drawn - sum) < 0.1);
}
