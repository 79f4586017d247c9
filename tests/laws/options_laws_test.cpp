// SPDX-License-Identifier: Apache-2.0
// Law: the options of every plugin survive save and load, those that were given as given, even at
// their default, and the others as defaults.
#include <algorithm>
#include <cmath>

#include "core/experiment/resolve.hpp"
#include "tests/laws/solver_support.hpp"

using namespace assay;
using namespace assay::test;

namespace {

// A value in the option's range; `other`: not the default, where the range has room.
plugin::OptionValue value_of(const assay_option& o, bool other) {
  plugin::OptionValue v;
  v.type = o.type;
  v.given = true;
  v.number = o.def;
  const bool is_text =
      o.type == ASSAY_OPT_STRING || o.type == ASSAY_OPT_ENUM || o.type == ASSAY_OPT_PATH;
  if (is_text) {
    v.text = o.def_text ? o.def_text : o.values && *o.values ? *o.values : "some";
    if (other && o.values)
      for (const char* const* w = o.values; *w; ++w) v.text = *w;
    v.has_text = true;
  } else if (o.type == ASSAY_OPT_BOOL) {
    if (other) v.number = o.def != 0 ? 0 : 1;
  } else if (o.type == ASSAY_OPT_LIST) {
    v.list = {std::isfinite(o.lo) ? o.lo + 1 : 0.25, std::isfinite(o.hi) ? o.hi : 3};
  } else if (other || !std::isfinite(o.def)) {
    const bool whole = o.type == ASSAY_OPT_INT;
    for (const double step : {1.0, -1.0, 0.125, -0.125}) {
      const double at = (std::isfinite(o.def) ? o.def : std::isfinite(o.lo) ? o.lo : 0) + step;
      if ((whole && at != std::floor(at)) || !(at > o.lo) || !(at < o.hi)) continue;
      v.number = at;
      break;
    }
  }
  return v;
}

void survives(const plugin::Descriptor& d, const plugin::Options& given) {
  auto complete = plugin::Options::complete(d.plugin->options, given, d.id);
  if (!complete) return;  // a value this test made up does not fit
  spec::Use use;
  use.id = d.id;
  use.options = *complete;
  // Through text, as in a file.
  const auto json = experiment::Json::parse(experiment::to_saved(use).dump());
  auto back = experiment::use_from_json(json, d.kind, *registry());
  REQUIRE_MESSAGE(back.ok(), back.error().message);
  REQUIRE(back->options.values.size() == use.options.values.size());
  for (const auto& [name, value] : use.options.values) {
    CAPTURE(name);
    const plugin::OptionValue& read = back->options.values.at(name);
    CHECK(read.given == value.given);
    CHECK(read.type == value.type);
    CHECK((read.number == value.number || (std::isnan(read.number) && std::isnan(value.number))));
    CHECK(read.has_text == value.has_text);
    CHECK(read.text == value.text);
    CHECK(read.list == value.list);
  }
}

}  // namespace

TEST_CASE("law: options survive save and load, and what was given stays so") {
  int tried = 0;
  for (const char* kind : {"reader", "transform", "loss", "penalty", "init", "solver"}) {
    for (const plugin::Descriptor* d : registry()->all(kind)) {
      CAPTURE(d->id);
      plugin::Options required;
      for (const assay_option* o = d->plugin->options; o && o->name; ++o)
        if (o->flags & ASSAY_OPT_REQUIRED) required.values[o->name] = value_of(*o, false);
      survives(*d, required);
      for (const assay_option* o = d->plugin->options; o && o->name; ++o) {
        CAPTURE(o->name);
        for (const bool other : {false, true}) {
          plugin::Options given = required;
          given.values[o->name] = value_of(*o, other);
          survives(*d, given);
          ++tried;
        }
      }
    }
  }
  CHECK(tried > 50);
}

TEST_CASE("a model of before `given` was saved keeps its defaults as defaults") {
  const auto json = experiment::Json::parse(
      R"({"use": "elastic_net", "options": {"alpha": 0.5, "alpha_W": 0.0, "alpha_H": 0.0}})");
  auto use = experiment::use_from_json(json, "penalty", *registry());
  REQUIRE(use.ok());
  CHECK(use->options.values.at("alpha").given);
  CHECK(!use->options.values.at("alpha_W").given);
}
