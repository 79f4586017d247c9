// SPDX-License-Identifier: Apache-2.0
// Cards come from descriptors alone: the option table and the capability bits that also decide what
// runs.
#include "core/cli/card.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/base/number.hpp"
#include "core/cli/costs.hpp"
#include "core/plugin/instance.hpp"
#include "core/spec/capabilities.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/stand_in.hpp"
#include "core/spec/uses.hpp"
#include "core/spec/values.hpp"

namespace assay::cli {
namespace {

using plugin::Descriptor;

std::string default_text(const assay_option& o) {
  if ((o.flags & ASSAY_OPT_REQUIRED) != 0) return "required";
  switch (o.type) {
    case ASSAY_OPT_INT:
    case ASSAY_OPT_FLOAT:
      return "default " + format_shortest(o.def);
    case ASSAY_OPT_BOOL:
      return o.def != 0 ? "default true" : "default false";
    case ASSAY_OPT_LIST:
      return "optional";
    default:
      return o.def_text ? fmt::format("default {}", o.def_text) : "optional";
  }
}

std::string bits(uint32_t value, const std::vector<std::pair<uint32_t, const char*>>& names) {
  std::string out;
  for (const auto& [bit, name] : names) {
    if ((value & bit) != 0) out += (out.empty() ? "" : ", ") + std::string(name);
  }
  return out.empty() ? "none" : out;
}

std::shared_ptr<plugin::Loss> make_loss(const Descriptor& d) {
  auto options = plugin::Options::complete(d.plugin->options, {}, d.id);
  if (!options) return nullptr;
  auto loss = plugin::Loss::create(d, *options);
  return loss ? *loss : nullptr;
}

// "nonneg" for every factor, "nonneg:W" for one.
std::string implied_text(const std::string& implied) {
  const size_t colon = implied.find(':');
  if (colon == std::string::npos)
    return fmt::format("keeps `{}` on factors that name no constraint", implied);
  return fmt::format("keeps `{}` on {} where no factor names a constraint",
                     implied.substr(0, colon), implied.substr(colon + 1));
}

std::vector<std::string> solver_facts(const Descriptor& d, const plugin::Registry& registry) {
  const auto& s = *static_cast<const assay_solver*>(d.plugin->vtable);
  std::vector<std::string> out, losses, penalties;
  for (const Descriptor* loss : registry.all("loss")) {
    const auto made = make_loss(*loss);
    if (made && spec::minimises(registry, d, *made)) losses.push_back(loss->id);
  }
  for (const Descriptor* p : registry.all("penalty")) {
    if (spec::takes_penalty(s, *p)) penalties.push_back(p->id);
  }
  if (spec::takes_autoencoders(s)) out.push_back("models: `kind: autoencoder`");
  if (spec::takes_mixtures(s)) {
    std::vector<std::string> densities;
    for (const Descriptor* family : registry.all("density")) densities.push_back(family->id);
    out.push_back("models: `kind: mixture`");
    out.push_back("densities: " +
                  (densities.empty() ? "none loaded" : spec::quoted_list(densities, 30)));
  }
  if (const std::string needs = spec::loss_needs(s); !needs.empty()) out.push_back(needs);
  if (!spec::takes_mixtures(s)) {
    out.push_back("losses: " + (losses.empty() ? "none loaded" : spec::quoted_list(losses, 30)));
    out.push_back("penalties and constraints: " +
                  (!penalties.empty()                          ? spec::quoted_list(penalties, 30)
                   : s.needs_penalty == ASSAY_NEEDS_NO_PENALTY ? "none"
                                                               : "none loaded"));
  }
  out.push_back(
      "data: dense" +
      (s.takes_data == 0
           ? ""
           : ", " + bits(s.takes_data, {{ASSAY_TAKES_SPARSE, "sparse"},
                                        {ASSAY_TAKES_MASK, "masked"},
                                        {ASSAY_TAKES_WEIGHTS, "weighted"},
                                        {ASSAY_TAKES_LINE_WEIGHTS, "weighted by row and column"},
                                        {ASSAY_TAKES_UNOBSERVED, "unobserved entries"}})));
  if (s.implies) out.push_back(implied_text(s.implies));
  for (const auto& brought : spec::brought_transforms(d))
    out.push_back(fmt::format("`{}: true` puts the transform `{}` behind the data's own",
                              brought.option, brought.id));
  return out;
}

std::string interval(double lo, double hi, bool lo_open, bool hi_open) {
  spec::Wanted w;
  w.lo = lo;
  w.hi = hi;
  w.lo_open = lo_open;
  w.hi_open = hi_open;
  const std::string text = range_text(w);
  return text.empty() ? "any" : text;
}

std::vector<std::string> loss_facts(const Descriptor& d, const plugin::Registry& registry) {
  const auto loss = make_loss(d);
  if (!loss) return {};
  const assay_loss_facts& f = loss->facts();
  std::vector<std::string> out, solvers;
  out.push_back(
      "x: " +
      interval(f.x_lo, f.x_hi, f.flags & ASSAY_LOSS_X_LO_OPEN, f.flags & ASSAY_LOSS_X_HI_OPEN) +
      "; model: " +
      interval(f.m_lo, f.m_hi, f.flags & ASSAY_LOSS_M_LO_OPEN, f.flags & ASSAY_LOSS_M_HI_OPEN));
  std::string offers = "value, derivative";
  if (loss->has_mu_split()) offers += ", multiplicative split";
  if (loss->has_curvature())
    offers +=
        (f.flags & ASSAY_LOSS_CURVATURE_MAJORISES) != 0 ? ", majorising curvature" : ", curvature";
  out.push_back("offers: " + offers);
  out.push_back(std::string("sparse data: ") + (f.zero_term == ASSAY_ZERO_NONE
                                                    ? "evaluated at every entry"
                                                    : "at stored entries, zeros in closed form"));
  for (const Descriptor* s : registry.all("solver")) {
    if (spec::minimises(registry, *s, *loss)) solvers.push_back(s->id);
  }
  out.push_back("solvers: " + (solvers.empty() ? "none loaded" : spec::quoted_list(solvers, 30)));
  return out;
}

std::vector<std::string> penalty_facts(const Descriptor& d) {
  const auto& p = *static_cast<const assay_penalty*>(d.plugin->vtable);
  std::string offers = "value";
  if (p.prox) offers += ", prox";
  if (p.project) offers += ", projection of the whole factor";
  if (p.mu_add || p.whole) offers += ", multiplicative terms";
  if (p.quad_add) offers += ", quadratic form";
  if (p.bounds) offers += ", bounds per entry";
  if (p.grad_add || p.whole) offers += ", gradient";
  if (p.whole) offers += " (of the whole factor)";
  return {"offers: " + offers};
}

std::vector<std::string> facts(const Descriptor& d, const plugin::Registry& registry) {
  if (d.kind == "solver") return solver_facts(d, registry);
  if (d.kind == "loss") return loss_facts(d, registry);
  if (d.kind == "penalty") return penalty_facts(d);
  if (d.kind == "reader") {
    const auto& r = *static_cast<const assay_reader*>(d.plugin->vtable);
    return {(r.flags & ASSAY_READER_NO_PATH) != 0
                ? "reads no file"
                : fmt::format("files: {}", r.suffixes ? r.suffixes : "any")};
  }
  if (d.kind == "metric") {
    const auto& m = *static_cast<const assay_metric*>(d.plugin->vtable);
    std::vector<std::string> out = {
        (m.flags & ASSAY_METRIC_LOWER_IS_BETTER) != 0 ? "lower is better" : "higher is better"};
    if ((m.flags & ASSAY_METRIC_PER_FACTOR) != 0)
      out.push_back(fmt::format("of one factor: `{0}.W` or `{0}.H`", d.id));
    if ((m.flags & ASSAY_METRIC_OF_TRIALS) != 0)
      out.push_back("of all repeats of a cell together: needs `repeats` or `seeds`");
    return out;
  }
  return {};
}

std::string indented(const std::string& text) {
  std::string out = "  ";
  for (const char c : text) out += c == '\n' ? "\n  " : std::string(1, c);
  return out;
}

}  // namespace

std::string option_type(const assay_option& o) {
  static const char* const kNames[] = {"integer", "number",          "true or false", "text",
                                       "word",    "list of numbers", "path"};
  std::string out = o.type >= 0 && o.type <= ASSAY_OPT_PATH ? kNames[o.type] : "value";
  if (o.type == ASSAY_OPT_ENUM) {
    std::vector<std::string> words;
    for (const char* const* w = o.values; w && *w; ++w) words.emplace_back(*w);
    out = "one of " + spec::quoted_list(words, 30);
  }
  if (o.type == ASSAY_OPT_INT || o.type == ASSAY_OPT_FLOAT || o.type == ASSAY_OPT_LIST) {
    const std::string range =
        interval(o.lo, o.hi, o.flags & ASSAY_OPT_LO_OPEN, o.flags & ASSAY_OPT_HI_OPEN);
    if (range != "any") out += ", " + range;
  }
  return fmt::format("{} ({})", out, default_text(o));
}

std::string card(const Descriptor& d, const plugin::Registry& registry, const Tool& tool) {
  const auto head = [&](const std::string& text) { return Tool::paint(tool.color_out, "1", text); };
  std::string out = head(fmt::format("{} {}", d.kind, d.id)) + "  " + d.plugin->summary + "\n";
  if (d.plugin->maths) out += "\n" + indented(d.plugin->maths) + "\n";
  if (d.plugin->options && d.plugin->options->name) {
    out += "\n" + head("options") + "\n";
    size_t wide = 14;
    for (const assay_option* o = d.plugin->options; o->name; ++o)
      wide = std::max(wide, std::string(o->name).size());
    for (const assay_option* o = d.plugin->options; o->name; ++o)
      out += fmt::format("  {:<{}} {}\n  {:<{}} {}\n", o->name, wide, o->doc ? o->doc : "", "",
                         wide, option_type(*o));
  }
  if (const auto lines = facts(d, registry); !lines.empty()) {
    out += "\n" + head("capabilities") + "\n";
    for (const std::string& line : lines) out += "  " + line + "\n";
  }
  if (d.kind == "solver") {
    if (const auto lines = data_costs(d, registry); !lines.empty()) {
      out += "\n" + head("costs") + "\n";
      for (const std::string& line : lines) out += "  " + line + "\n";
    }
  }
  if ((d.plugin->flags & ASSAY_PLUGIN_DEFAULT) != 0)
    out += fmt::format("\nthe default where a spec names no {}\n", d.kind);
  if (d.plugin->citation) out += fmt::format("\n{} {}\n", head("after"), d.plugin->citation);
  out += fmt::format("\n{} {}, {}\n", head("module"), d.version,
                     d.file.empty() ? "registered in this process" : d.file);
  return out;
}

nlohmann::ordered_json card_json(const Descriptor& d, const plugin::Registry& registry) {
  nlohmann::ordered_json out = {{"kind", d.kind},
                                {"id", d.id},
                                {"summary", d.plugin->summary},
                                {"version", d.version},
                                {"file", d.file}};
  if (d.plugin->maths) out["maths"] = d.plugin->maths;
  if (d.plugin->citation) out["citation"] = d.plugin->citation;
  out["options"] = nlohmann::ordered_json::array();
  for (const assay_option* o = d.plugin->options; o && o->name; ++o)
    out["options"].push_back(
        {{"name", o->name}, {"doc", o->doc ? o->doc : ""}, {"type", option_type(*o)}});
  out["capabilities"] = facts(d, registry);
  if (d.kind == "solver") out["costs"] = data_costs(d, registry);
  return out;
}

}  // namespace assay::cli
