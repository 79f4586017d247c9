// SPDX-License-Identifier: Apache-2.0
// Consensus clustering of repeated fits (Brunet et al. 2004, Kim and Park 2007): the two numbers
// against their definitions written out, and what must not matter.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "core/plugin/context.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

using namespace assay;

namespace {

constexpr int64_t kObjects = 12, kRank = 3;

// Fits of a 5 x kObjects matrix whose columns belong to the given components.
struct Fits {
  std::vector<std::vector<double>> W, H;
  std::vector<std::vector<assay_named>> arrays;
  std::vector<assay_results> results;
  std::vector<const assay_results*> pointers;
  std::vector<double> objectives;

  // scale: component a of H is multiplied by scale[a], W divided by it.
  void add(const std::vector<int>& cluster, const std::vector<double>& scale = {1, 1, 1}) {
    std::vector<double> w(static_cast<size_t>(5 * kRank)), h(static_cast<size_t>(kRank * kObjects));
    for (size_t i = 0; i < 5; ++i)
      for (size_t a = 0; a < kRank; ++a) w[i * kRank + a] = 1 / scale[a];
    for (size_t j = 0; j < kObjects; ++j)
      for (size_t a = 0; a < kRank; ++a)
        h[a * kObjects + j] = (static_cast<int>(a) == cluster[j] ? 2 : 1) * scale[a];
    W.push_back(std::move(w));
    H.push_back(std::move(h));
    objectives.push_back(0);
  }

  assay_trials given(int32_t side) {
    arrays.clear();
    results.clear();
    pointers.clear();
    for (size_t t = 0; t < W.size(); ++t)
      arrays.push_back({{"W", {W[t].data(), ASSAY_F64, 0, 5, kRank, kRank, 1, 0, 0}},
                        {"H", {H[t].data(), ASSAY_F64, 0, kRank, kObjects, kObjects, 1, 0, 0}}});
    for (auto& a : arrays)
      results.push_back({sizeof(assay_results), 0, "factorization", 2, a.data(), 0, 0, nullptr,
                         nullptr, 0, 0, nullptr, nullptr, nullptr, nullptr});
    for (auto& r : results) pointers.push_back(&r);
    return {sizeof(assay_trials),
            0,
            static_cast<int64_t>(W.size()),
            pointers.data(),
            objectives.data(),
            side,
            0};
  }
};

using Kept = std::map<std::string, std::vector<double>>;

double measure(const std::string& id, Fits& fits, Kept* kept = nullptr) {
  static const auto registry = plugin::Registry::open({});
  REQUIRE(registry.ok());
  const plugin::Descriptor* d = (*registry)->find("metric", id);
  REQUIRE(d != nullptr);
  const auto& table = *static_cast<const assay_metric*>(d->plugin->vtable);
  REQUIRE((table.flags & ASSAY_METRIC_OF_TRIALS) != 0);
  Kept arrays;
  const assay_keep keep{sizeof(assay_keep), 0, &arrays,
                        [](void* self, const char* name, const assay_dense* a) -> int32_t {
                          const auto* p = static_cast<const double*>(a->data);
                          (*static_cast<Kept*>(self))[name].assign(p, p + a->rows * a->cols);
                          return 0;
                        }};
  const assay_trials trials = fits.given(1);
  assay_ctx ctx;
  double value = -1;
  REQUIRE(table.trials(plugin::host(), &ctx, &trials, &value, &keep) == 0);
  if (kept) *kept = arrays;
  return value;
}

// Average linkage as its definition says: the mean distance between all pairs of two clusters.
double cophenetic_by_definition(const std::vector<double>& consensus) {
  const auto at = [&](int64_t i, int64_t j) {
    return 1 - consensus[static_cast<size_t>(i * kObjects + j)];
  };
  std::vector<std::vector<int64_t>> clusters;
  for (int64_t i = 0; i < kObjects; ++i) clusters.push_back({i});
  std::vector<double> x, y;
  while (clusters.size() > 1) {
    size_t p = 0, q = 1;
    double least = 9;
    for (size_t a = 0; a < clusters.size(); ++a)
      for (size_t b = a + 1; b < clusters.size(); ++b) {
        double sum = 0;
        for (const int64_t i : clusters[a])
          for (const int64_t j : clusters[b]) sum += at(i, j);
        sum /= static_cast<double>(clusters[a].size() * clusters[b].size());
        if (sum < least - 1e-12) least = sum, p = a, q = b;
      }
    for (const int64_t i : clusters[p])
      for (const int64_t j : clusters[q]) {
        x.push_back(at(i, j));
        y.push_back(least);
      }
    clusters[p].insert(clusters[p].end(), clusters[q].begin(), clusters[q].end());
    clusters.erase(clusters.begin() + static_cast<int64_t>(q));
  }
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) mx += x[i], my += y[i];
  mx /= static_cast<double>(x.size());
  my /= static_cast<double>(y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return xy / std::sqrt(xx * yy);
}

}  // namespace

TEST_CASE("fits that agree have cophenetic correlation and dispersion 1, whatever the names") {
  Fits fits;
  fits.add({0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});
  fits.add({2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1, 1});
  fits.add({1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0}, {1, 100, 1e-3});
  Kept kept;
  CHECK(measure("cophenetic", fits, &kept) == doctest::Approx(1).epsilon(1e-12));
  CHECK(measure("dispersion", fits) == 1);
  for (size_t i = 0; i < kObjects; ++i)
    for (size_t j = 0; j < kObjects; ++j)
      CHECK(kept["consensus"][i * kObjects + j] == (i / 4 == j / 4 ? 1 : 0));
}

TEST_CASE("the consensus matrix counts how often two objects are together") {
  Fits fits;
  fits.add({0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});
  fits.add({0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0});
  fits.add({0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 1, 0});
  fits.add({0, 1, 0, 0, 1, 1, 2, 1, 2, 2, 2, 2});
  Kept kept;
  const double cophenetic = measure("cophenetic", fits, &kept);
  const auto& c = kept["consensus"];
  CHECK(c[0 * kObjects + 1] == 0.75);
  CHECK(c[3 * kObjects + 4] == 0.25);
  CHECK(c[0 * kObjects + 11] == 0.5);
  CHECK(cophenetic == doctest::Approx(cophenetic_by_definition(c)).epsilon(1e-12));
  CHECK(cophenetic < 0.99);
  double dispersion = 0;
  for (const double v : c) dispersion += 4 * (v - 0.5) * (v - 0.5) / (kObjects * kObjects);
  CHECK(measure("dispersion", fits) == doctest::Approx(dispersion).epsilon(1e-12));
  std::vector<double> order = kept["order"];
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < kObjects; ++i) CHECK(order[i] == static_cast<double>(i));
}

TEST_CASE("the tree of a random consensus matrix is average linkage's") {
  uint64_t state = 7;
  const auto next = [&state] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<int>((state >> 33) % 3);
  };
  // Many fits: hardly any two distances are equal, so that there is one tree.
  Fits fits;
  for (int t = 0; t < 997; ++t) {
    std::vector<int> cluster(kObjects);
    for (size_t j = 0; j < kObjects; ++j) {
      const int noise = next();
      cluster[j] = noise != 0 ? static_cast<int>(j) % 3 : next();
    }
    fits.add(cluster);
  }
  Kept kept;
  const double cophenetic = measure("cophenetic", fits, &kept);
  CHECK(cophenetic == doctest::Approx(cophenetic_by_definition(kept["consensus"])).epsilon(1e-9));
}
