// SPDX-License-Identifier: Apache-2.0
// Uses and options to and from JSON.
#include "core/experiment/resolve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::experiment {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Json value_json(const plugin::OptionValue& v) {
  switch (v.type) {
    case ASSAY_OPT_INT:
      return static_cast<int64_t>(v.number);
    case ASSAY_OPT_BOOL:
      return v.number != 0;
    case ASSAY_OPT_FLOAT:
      return number_json(v.number);
    case ASSAY_OPT_LIST: {
      Json list = Json::array();
      for (double x : v.list) list.push_back(number_json(x));
      return list;
    }
    default:
      return v.has_text ? Json(v.text) : Json();
  }
}

plugin::OptionValue value_from_json(const Json& json, int32_t type, bool given) {
  plugin::OptionValue v;
  v.type = type;
  v.given = given;
  if (json.is_boolean()) {
    v.number = json.get<bool>() ? 1 : 0;
  } else if (json.is_array()) {
    for (const Json& x : json) v.list.push_back(number_from_json(x));
  } else if (json.is_string() && type != ASSAY_OPT_FLOAT) {
    v.text = json.get<std::string>();
    v.has_text = true;
  } else {
    v.number = number_from_json(json);
  }
  return v;
}

}  // namespace

Json number_json(double value) {
  if (std::isnan(value)) return Json();
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

double number_from_json(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>() == "-inf" ? -kInfinity : kInfinity;
  return std::numeric_limits<double>::quiet_NaN();
}

Json to_json(const spec::Use& use) {
  Json options = Json::object();
  for (const auto& [name, value] : use.options.values) {
    Json v = value_json(value);
    if (!v.is_null()) options[name] = std::move(v);
  }
  return Json{{"use", use.id}, {"options", std::move(options)}};
}

Json to_saved(const spec::Use& use) {
  Json json = to_json(use);
  Json given = Json::array();
  for (const auto& [name, value] : use.options.values)
    if (value.given) given.push_back(name);
  json["given"] = std::move(given);
  return json;
}

Expected<const plugin::Descriptor*> find_plugin(const plugin::Registry& registry,
                                                const std::string& kind,
                                                const spec::Use& use) {
  if (const plugin::Descriptor* d = registry.find(kind, use.id)) return d;
  return Error(ASSAY_E_NOT_FOUND, "E0101", fmt::format("there is no {} `{}`", kind, use.id))
      .at(use.key)
      .with_help(
          fmt::format("`assay list` shows the plugins found; `--plugin-dir DIR` adds a folder"));
}

Expected<spec::Use> use_from_json(const Json& json,
                                  const std::string& kind,
                                  const plugin::Registry& registry) {
  spec::Use use;
  use.id = json.value("use", "");
  auto descriptor = find_plugin(registry, kind, use);
  if (!descriptor) return std::move(descriptor.error());
  const assay_option* table = (*descriptor)->plugin->options;
  plugin::Options given;
  // Defaults are saved beside what was given, since a later version may have others; a plugin may
  // ask which is which. A model of before `given` says nothing: its defaults count as such.
  const Json names = json.value("given", Json::array());
  const Json options_json = json.value("options", Json::object());
  for (const auto& [name, value] : options_json.items()) {
    int32_t type = ASSAY_OPT_FLOAT;
    for (const assay_option* o = table; o && o->name; ++o) {
      if (name == o->name) type = o->type;
    }
    given.values[name] = value_from_json(
        value, type, std::find(names.begin(), names.end(), Json(name)) != names.end());
  }
  auto options = plugin::Options::complete(table, std::move(given), use.id);
  if (!options) return std::move(options.error());
  use.options = std::move(*options);
  return use;
}

std::vector<std::pair<std::string, const spec::Use*>> plugins_of(const spec::Trial& trial) {
  std::vector<std::pair<std::string, const spec::Use*>> all;
  if (!trial.data.reader.id.empty()) all.emplace_back("reader", &trial.data.reader);
  for (const spec::Use& use : trial.data.transforms) all.emplace_back("transform", &use);
  all.emplace_back("loss", &trial.model.loss);
  if (trial.model.density) all.emplace_back("density", &*trial.model.density);
  for (const spec::FactorSpec* factor : {&trial.model.W, &trial.model.H, &trial.model.S}) {
    if (factor->constraint) all.emplace_back("penalty", &*factor->constraint);
    for (const spec::Use& use : factor->penalties) all.emplace_back("penalty", &use);
  }
  if (!trial.init.id.empty()) all.emplace_back("init", &trial.init);
  all.emplace_back("solver", &trial.solver);
  return all;
}

}  // namespace assay::experiment
