// SPDX-License-Identifier: Apache-2.0
// A metric's name is the head of its column: what is written, with the options that are given, or
// its label.
#include "core/spec/metric.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/spec/values.hpp"

namespace assay::spec {
namespace {

void refuse(const Node& at,
            const std::string& path,
            const std::string& message,
            const std::string& help,
            Context& context) {
  context.out.push_back(Diagnostic("E0117", message).at(at.mark).about(path).with_help(help));
}

bool check_factor(const Node& node,
                  const std::string& path,
                  const Metric& m,
                  bool per_factor,
                  const ModelSpec& model,
                  Context& context) {
  const bool known = m.factor.empty() || m.factor == "W" || m.factor == "H" ||
                     (m.factor == "S" && model.rank.size() == 2);
  if (known && per_factor == !m.factor.empty()) return true;
  std::string message =
      fmt::format("metric `{}` is about a factor, and `{}` names none", m.id, m.text);
  std::string help = fmt::format("write `{0}.W` or `{0}.H`", m.id);
  if (!per_factor) {
    message = fmt::format("metric `{}` is not about a factor, but `{}` names `{}`", m.id, m.text,
                          m.factor);
    help = fmt::format("write `{}`", m.id);
  } else if (!known) {
    message =
        fmt::format("`{}` names the factor `{}`, which this model does not have", m.text, m.factor);
  }
  refuse(node, path, message, help, context);
  return false;
}

// "silhouette(sample=2000)"; without commas, for it heads a column of a table.
std::string with_options(const Node& node, const std::string& name) {
  std::string options;
  for (const Entry& e : node.entries)
    if (e.key != "use" && e.key.rfind("x-", 0) != 0)
      options += fmt::format("{}{}={}", options.empty() ? "" : ";", e.key, compact(e.value));
  std::replace(options.begin(), options.end(), ',', ' ');
  return options.empty() ? name : fmt::format("{}({})", name, options);
}

bool check_label(const Node& node,
                 const std::string& path,
                 const std::string& label,
                 Context& context) {
  static const std::vector<std::string> kTaken = {"iteration", "seconds", "objective", "loss",
                                                  "penalty",   "kkt",     "rel_change"};
  const bool taken = std::find(kTaken.begin(), kTaken.end(), label) != kTaken.end();
  if (!taken && label.find_first_of(",\"\n\r") == std::string::npos) return true;
  refuse(node, path + ".label",
         taken ? fmt::format("the trace has a column `{}` of its own", label)
               : fmt::format("`{}` cannot head a column: it holds a comma, a quote or a line's end",
                             label),
         "choose another label", context);
  return false;
}

uint32_t flags_of(const plugin::Descriptor& d) {
  return static_cast<const assay_metric*>(d.plugin->vtable)->flags;
}

}  // namespace

std::optional<Metric> read_metric(const Node& node,
                                  const std::string& path,
                                  const ModelSpec& model,
                                  Context& context) {
  const Node* const use = node.is_map() ? node.find("use") : &node;
  // Without one: its message.
  if (!use) return read_use(node, "metric", path, context), std::nullopt;
  const auto text = read_text(*use, path, context.out);
  if (!text) return std::nullopt;
  Metric out;
  out.text = *text;
  std::string rest = *text;
  const std::string prefix = "heldout.";
  out.heldout = rest.rfind(prefix, 0) == 0;
  if (out.heldout) rest = rest.substr(prefix.size());
  // A stranger's id may hold dots itself.
  const plugin::Descriptor* d = context.registry.find("metric", rest);
  const size_t dot = rest.find_last_of('.');
  if (!d && dot != std::string::npos) {
    out.factor = rest.substr(dot + 1);
    rest.resize(dot);
  }
  Node bare = node;
  Node& id = node.is_map() ? *bare.find("use") : bare;
  id.text = rest;
  auto read = read_use(bare, "metric", path, context);
  if (!read) return std::nullopt;
  d = context.registry.find("metric", read->id);
  out.id = d->id;
  if (!check_factor(*use, path, out, (flags_of(*d) & ASSAY_METRIC_PER_FACTOR) != 0, model, context))
    return std::nullopt;
  if (out.heldout && is_across(out, context)) {
    refuse(*use, path, fmt::format("metric `{}` is about all repeats together", out.id),
           fmt::format("write `{}`", out.text.substr(out.text.find('.') + 1)), context);
    return std::nullopt;
  }
  out.options = std::move(read->options);
  if (!read->label.empty() && !check_label(*node.find("label"), path, read->label, context))
    return std::nullopt;
  if (node.is_map()) out.text = read->label.empty() ? with_options(node, *text) : read->label;
  return out;
}

bool is_across(const Metric& metric, const Context& context) {
  return (flags_of(*context.registry.find("metric", metric.id)) & ASSAY_METRIC_OF_TRIALS) != 0;
}

}  // namespace assay::spec
