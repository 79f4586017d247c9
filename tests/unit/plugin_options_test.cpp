// SPDX-License-Identifier: Apache-2.0
// Option tables: defaults, types, ranges with open and closed ends, and the messages of what is
// refused.
#include <doctest/doctest.h>

#include <cmath>

#include "core/plugin/options.hpp"
#include "core/plugin/registry.hpp"

namespace assay::plugin {

namespace {

const char* const kWords[] = {"slow", "fast", nullptr};
const assay_option kTable[] = {
    {"weight", "a factor", ASSAY_OPT_FLOAT, ASSAY_OPT_LO_OPEN, 0.5, 0, 2, nullptr, nullptr},
    {"inner", "sweeps", ASSAY_OPT_INT, 0, 1, 1, 8, nullptr, nullptr},
    {"loud", "say more", ASSAY_OPT_BOOL, 0, 1, 0, 1, nullptr, nullptr},
    {"pace", "how fast", ASSAY_OPT_ENUM, 0, 0, 0, 0, "slow", kWords},
    {"delta", "unset when nan", ASSAY_OPT_FLOAT, 0, NAN, 0, 1, nullptr, nullptr},
    {"shape", "sizes", ASSAY_OPT_LIST, 0, 0, 1, 100, nullptr, nullptr},
    {"file", "where", ASSAY_OPT_PATH, 0, 0, 0, 0, nullptr, nullptr},
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};

OptionValue number(double v, int32_t type = ASSAY_OPT_FLOAT) {
  OptionValue o;
  o.type = type;
  o.number = v;
  o.given = true;
  return o;
}

OptionValue text(const char* t) {
  OptionValue o;
  o.type = ASSAY_OPT_STRING;
  o.text = t;
  o.has_text = o.given = true;
  return o;
}

std::string code_of(const char* name, const OptionValue& v) {
  Options given;
  given.values[name] = v;
  const auto r = Options::complete(kTable, given, "thing");
  return r ? "" : r.error().code;
}

}  // namespace

TEST_CASE("defaults are filled in and completing again changes nothing") {
  const auto r = Options::complete(kTable, {}, "thing");
  REQUIRE(r);
  const auto again = Options::complete(kTable, *r, "thing");
  REQUIRE(again);
  for (const Options* o : {&*r, &*again}) {
    const assay_options* handle = o->handle();
    CHECK(host()->option_number(handle, "weight") == 0.5);
    CHECK(host()->option_number(handle, "inner") == 1);
    CHECK(host()->option_number(handle, "loud") == 1);
    CHECK(std::string(host()->option_text(handle, "pace")) == "slow");
    CHECK(std::isnan(host()->option_number(handle, "delta")));
    CHECK(host()->option_text(handle, "file") == nullptr);
    CHECK(host()->option_list(handle, "shape", nullptr) == 0);
    CHECK(host()->option_given(handle, "weight") == 0);
    CHECK(std::isnan(host()->option_number(handle, "no_such")));
  }
}

TEST_CASE("given values reach the plugin with the type of their option") {
  Options given;
  given.values["weight"] = number(1, ASSAY_OPT_INT);
  given.values["pace"] = text("fast");
  given.values["shape"].type = ASSAY_OPT_LIST;
  given.values["shape"].list = {8, 9};
  const auto r = Options::complete(kTable, given, "thing");
  REQUIRE(r);
  const double* list = nullptr;
  CHECK(host()->option_number(r->handle(), "weight") == 1);
  CHECK(host()->option_given(r->handle(), "weight") == 1);
  CHECK(std::string(host()->option_text(r->handle(), "pace")) == "fast");
  REQUIRE(host()->option_list(r->handle(), "shape", &list) == 2);
  CHECK(list[1] == 9);
}

TEST_CASE("what does not fit the table is refused with its code") {
  CHECK(code_of("weigth", number(1)) == "E0110");
  CHECK(code_of("weight", text("much")) == "E0112");
  CHECK(code_of("inner", number(1.5)) == "E0112");
  CHECK(code_of("loud", number(1, ASSAY_OPT_INT)) == "E0112");
  CHECK(code_of("shape", number(3)) == "E0112");
  CHECK(code_of("pace", text("fats")) == "E0114");
  CHECK(code_of("weight", number(0)) == "E0113");  // open end
  CHECK(code_of("weight", number(2)) == "");       // closed end
  CHECK(code_of("weight", number(2.1)) == "E0113");
  CHECK(code_of("inner", number(0, ASSAY_OPT_INT)) == "E0113");
  CHECK(code_of("inner", number(8, ASSAY_OPT_INT)) == "");
  CHECK(code_of("weight", number(INFINITY)) == "E0113");
  CHECK(code_of("weight", number(NAN)) == "E0113");
}

TEST_CASE("messages name the option, the range and the nearest name") {
  Options given;
  given.values["weigth"] = number(1);
  auto r = Options::complete(kTable, given, "thing");
  REQUIRE(!r);
  CHECK(r.error().message == "`thing` has no option `weigth`");
  REQUIRE(r.error().help.size() == 1);
  CHECK(r.error().help[0] == "did you mean `weight`?");
  given = {};
  given.values["weight"] = number(-1);
  r = Options::complete(kTable, given, "thing");
  REQUIRE(!r);
  CHECK(r.error().message == "option `weight` of `thing` must be > 0 and <= 2");
  CHECK(r.error().key == "weight");
}

TEST_CASE("a required option that is missing is named") {
  const assay_option table[] = {
      {"path", "file to read", ASSAY_OPT_PATH, ASSAY_OPT_REQUIRED, 0, 0, 0, nullptr, nullptr},
      {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
  const auto r = Options::complete(table, {}, "from_file");
  REQUIRE(!r);
  CHECK(r.error().code == "E0111");
  CHECK(r.error().message == "`from_file` needs option `path`");
}

}  // namespace assay::plugin
