// SPDX-License-Identifier: Apache-2.0
// Losses that contradict themselves are refused when they are made, with what to mend; right ones
// never are, whatever their options.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "core/plugin/instance.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {
namespace {

struct Lie {
  const char *id, *function, *word;
};

}  // namespace

TEST_CASE("a loss that contradicts itself is E0414, which names the function and the numbers") {
  const Lie lies[] = {{"grad", "`grad` at x = ", "the slope"},
                      {"split", "`mu_split` at x = ", "den - num"},
                      {"signs", "`mu_split` at x = ", "both must be >= 0"},
                      {"den_is", "`mu_split` at x = ", "`den_is` says 2"},
                      {"zero_a", "`value` at x = 0, m = ", "`zero_a`"},
                      {"curvature", "`curvature` at x = ", "parabola"},
                      {"f32", "`grad_f32` at x = ", "float64"}};
  const char* modules = std::getenv("ASSAY_TEST_MODULES");
  REQUIRE(modules != nullptr);
  for (const Lie& lie : lies) {
    CAPTURE(lie.id);
    SearchOptions search;
    search.explicit_files.push_back(std::string(modules) + "/loss-lies_" + lie.id + ".so");
    const auto registry = Registry::open(search);
    REQUIRE(registry);
    const Descriptor* d = (*registry)->find("loss", std::string("lies_") + lie.id);
    REQUIRE(d != nullptr);
    const auto made = Loss::create(*d, {});
    REQUIRE(!made);
    CHECK(made.error().code == "E0414");
    CAPTURE(made.error().message);
    CHECK(made.error().message.find(lie.function) != std::string::npos);
    CHECK(made.error().message.find(lie.word) != std::string::npos);
    CHECK(made.error().help.size() == 1);
  }
}

TEST_CASE("a right loss is never refused, at any value of its options") {
  const auto registry = Registry::open({});
  REQUIRE(registry);
  for (const Descriptor* d : (*registry)->all("loss")) {
    CAPTURE(d->id);
    CHECK(Loss::create(*d, {}).ok());
    for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
      for (const double size :
           {0.0,  1e-300, 1e-30, 1e-8,    1e-3, 0.01,    0.1,   0.25, 0.4,  0.5, 0.59,
            0.7,  0.9,    0.999, 0.99999, 1.0,  1.00001, 1.001, 1.15, 1.5,  1.9, 2.0,
            2.05, 3.0,    4.9,   8.0,     50.0, 1e3,     1e8,   1e30, 1e300}) {
        for (const double number : {size, -size}) {
          Options options;
          options.values[o->name].number = number;
          options.values[o->name].given = true;
          const auto made = Loss::create(*d, options);
          CAPTURE(number);
          if (!made) CHECK_MESSAGE(made.error().code != "E0414", made.error().message);
        }
      }
    }
  }
}

}  // namespace assay::plugin
