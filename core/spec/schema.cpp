// SPDX-License-Identifier: Apache-2.0
// Builds the schema: a definition per plugin kind (`id`, or `{ use: id, ... }` with that plugin's
// options), then the keys.
#include "core/spec/schema.hpp"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/spec/keys.hpp"
#include "core/spec/uses.hpp"

namespace assay::spec {
namespace {

using Json = nlohmann::ordered_json;

void bound(Json& out, double lo, double hi, bool lo_open, bool hi_open) {
  constexpr double kUnbounded = 9007199254740992.0;
  if (lo > -kUnbounded) out[lo_open ? "exclusiveMinimum" : "minimum"] = lo;
  if (hi < kUnbounded) out[hi_open ? "exclusiveMaximum" : "maximum"] = hi;
}

Json option_schema(const assay_option& o) {
  Json out;
  const bool lo_open = (o.flags & ASSAY_OPT_LO_OPEN) != 0,
             hi_open = (o.flags & ASSAY_OPT_HI_OPEN) != 0;
  switch (o.type) {
    case ASSAY_OPT_INT:
    case ASSAY_OPT_FLOAT:
      out["type"] = o.type == ASSAY_OPT_INT ? "integer" : "number";
      bound(out, o.lo, o.hi, lo_open, hi_open);
      if ((o.flags & ASSAY_OPT_REQUIRED) == 0 && std::isfinite(o.def)) out["default"] = o.def;
      break;
    case ASSAY_OPT_BOOL:
      out["type"] = "boolean";
      out["default"] = o.def != 0;
      break;
    case ASSAY_OPT_LIST: {
      Json item = {{"type", "number"}};
      bound(item, o.lo, o.hi, lo_open, hi_open);
      out = {{"type", "array"}, {"items", item}};
      break;
    }
    case ASSAY_OPT_ENUM:
      out["enum"] = Json::array();
      for (const char* const* w = o.values; w && *w; ++w) out["enum"].push_back(*w);
      break;
    default:
      out["type"] = {"string", "number", "boolean"};
  }
  if (o.def_text) out["default"] = o.def_text;
  if (o.doc) out["description"] = o.doc;
  return out;
}

Json free_keys() { return {{"^x-", true}}; }

// What `use` says where it names this plugin; of a metric `[heldout.]id[.FACTOR]`.
Json named(const plugin::Descriptor& d) {
  if (d.kind != "metric") return {{"const", d.id}};
  std::string id;
  for (const char c : d.id) id += c == '.' ? "\\." : std::string(1, c);
  return {{"pattern", fmt::format("^(heldout\\.)?{}(\\.[WHS])?$", id)}};
}

// if `use` is this id, then these options.
Json plugin_rule(const plugin::Descriptor& d, const Json& shared) {
  Json properties = shared, required = Json::array();
  properties["use"] = named(d);
  properties["label"] = {{"type", "string"}};
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
    properties[o->name] = option_schema(*o);
    if ((o->flags & ASSAY_OPT_REQUIRED) != 0) required.push_back(o->name);
  }
  Json then = {{"properties", properties},
               {"patternProperties", free_keys()},
               {"additionalProperties", false}};
  if (!required.empty()) then["required"] = required;
  return {{"if", {{"properties", {{"use", named(d)}}}, {"required", {"use"}}}}, {"then", then}};
}

bool without_options(const plugin::Descriptor& d) {
  for (const assay_option* o = d.plugin->options; o && o->name; ++o) {
    if ((o->flags & ASSAY_OPT_REQUIRED) != 0) return false;
  }
  return true;
}

// Pointing at a plugin of a kind.
Json kind_schema(const plugin::Registry& registry, const std::string& kind) {
  Json ids = Json::array(), bare = Json::array(), rules = Json::array(), any = Json::array();
  for (const plugin::Descriptor* d : registry.all(kind)) {
    ids.push_back(d->id);
    any.push_back(named(*d));
    if (without_options(*d)) bare.push_back(d->id);
    rules.push_back(plugin_rule(*d, Json::object()));
  }
  const Json one = kind == "metric" ? Json{{"anyOf", any}} : Json{{"enum", ids}};
  Json map = {{"type", "object"}, {"required", {"use"}}, {"properties", {{"use", one}}}};
  if (!rules.empty()) map["allOf"] = rules;
  Json word = bare.empty() ? Json{{"type", "string"}} : Json{{"enum", bare}};
  return {{"anyOf", {word, map}}};
}

Json reference(const char* kind) { return {{"$ref", fmt::format("#/definitions/{}", kind)}}; }

Json section(const plugin::Registry& registry, const std::string& path);

Json sweep_schema(const std::string& name) {
  const Json any_map = {{"type", "object"}, {"minProperties", 1}};
  if (name == "matrix")
    return {{"type", "object"}, {"additionalProperties", {{"type", "array"}, {"minItems", 1}}}};
  if (name == "seeds")
    return {{"type", "array"}, {"minItems", 1}, {"items", {{"type", "integer"}, {"minimum", 0}}}};
  return {{"type", "array"}, {"items", any_map}};
}

Json value_schema(const plugin::Registry& registry, const Key& key, const std::string& path) {
  Json out;
  switch (key.type) {
    case Type::kMap:
      out = section(registry, path);
      break;
    case Type::kText:
    case Type::kPath:
      out["type"] = {"string", "number"};
      break;
    case Type::kInt:
      out["type"] = "integer";
      bound(out, key.lo, key.hi, false, false);
      break;
    case Type::kNumber:
      out["type"] = "number";
      bound(out, key.lo, key.hi, false, false);
      if (std::string(key.standard) == "none") out = {{"anyOf", {out, {{"const", "none"}}}}};
      break;
    case Type::kBool:
      out["type"] = "boolean";
      break;
    case Type::kWord:
      out["enum"] = words_taken(key);
      break;
    case Type::kUse:
      out = reference(key.words);
      if (path.find(".constraint") != std::string::npos)
        out = {{"anyOf", {out, {{"const", "none"}}}}};
      break;
    case Type::kUseList:
      out = {{"type", "array"}, {"items", reference(key.words)}};
      break;
    case Type::kTextList:
      out = {
          {"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}}};
      break;
    case Type::kMetrics: {
      const Json one = {{"anyOf", {{{"type", "string"}}, reference(key.words)}}};
      out = {{"type", "array"}, {"items", one}};
      break;
    }
    case Type::kIntOrList: {
      const Json one = {{"type", "integer"}, {"minimum", key.lo}};
      out = {
          {"anyOf", {one, {{"type", "array"}, {"items", one}, {"minItems", 1}, {"maxItems", 2}}}}};
      break;
    }
    case Type::kIntList:
      out = {{"type", "array"},
             {"items", {{"type", "integer"}, {"minimum", key.lo}}},
             {"minItems", 1}};
      break;
    case Type::kAny: {
      if (path == "threads") {
        out = {
            {"anyOf",
             {{{"type", "integer"}, {"minimum", 1}, {"maximum", 4096}}, section(registry, path)}}};
      } else if (path == "model.prior") {
        out = {{"type", "object"}, {"additionalProperties", {{"type", "number"}}}};
      } else {
        out = sweep_schema(path);
      }
      break;
    }
  }
  // Beside a reference draft 7 ignores everything else.
  if (!out.contains("$ref")) {
    const std::string standard = key.standard;
    out["description"] = standard.empty() ? std::string(key.doc)
                                          : fmt::format("{} (default: {})", key.doc, standard);
  }
  return out;
}

Json properties_of(const plugin::Registry& registry, const std::string& path) {
  Json out = Json::object();
  for (const std::string& name : names_below(path)) {
    const std::string full = path.empty() ? name : path + "." + name;
    const Key* key = find_key(full);
    if (key && !key->later) out[name] = value_schema(registry, *key, full);
  }
  return out;
}

Json section(const plugin::Registry& registry, const std::string& path) {
  return {{"type", "object"},
          {"properties", properties_of(registry, path)},
          {"patternProperties", free_keys()},
          {"additionalProperties", false}};
}

// The reader's options stand among the keys of `data`.
Json data_schema(const plugin::Registry& registry) {
  Json shared = properties_of(registry, "data"), ids = Json::array(), rules = Json::array();
  shared.erase("use");
  for (const plugin::Descriptor* d : registry.all("reader")) {
    ids.push_back(d->id);
    rules.push_back(plugin_rule(*d, shared));
  }
  Json out = {
      {"type", "object"},
      {"properties",
       {{"use", {{"enum", ids}, {"description", "reader (default: by the file's suffix)"}}}}}};
  if (!rules.empty()) out["allOf"] = rules;
  return out;
}

}  // namespace

std::string schema(const plugin::Registry& registry) {
  Json definitions = Json::object();
  for (const char* kind :
       {"loss", "penalty", "density", "init", "solver", "transform", "metric", "writer"})
    definitions[kind] = kind_schema(registry, kind);
  Json root = section(registry, "");
  root["properties"]["assay"] = {{"const", 1}, {"description", "version of the spec format"}};
  root["properties"]["data"] = data_schema(registry);
  Json out = {{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "an assay experiment"}};
  out.update(root);
  out["required"] = {"assay"};
  out["definitions"] = definitions;
  return out.dump(2);
}

}  // namespace assay::spec
