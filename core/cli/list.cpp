// SPDX-License-Identifier: Apache-2.0
// assay list: the plugins found, filtered by what they work with, or the runs stored below a
// folder.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/cli/verbs.hpp"
#include "core/plugin/instance.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/stand_in.hpp"
#include "core/spec/uses.hpp"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using plugin::Descriptor;

std::vector<std::string> kinds(const plugin::Registry& registry) {
  std::vector<std::string> out;
  for (const Descriptor* d : registry.all()) {
    if (out.empty() || out.back() != d->kind) out.push_back(d->kind);
  }
  return out;
}

// "solvers" or "solver" -> "solver"; empty: no such kind.
std::string kind_of(const std::string& word, const std::vector<std::string>& known) {
  for (const std::string& kind : known) {
    if (word == kind || word == spec::plural(kind)) return kind;
  }
  return "";
}

Error unknown_kind(const std::string& word, const std::vector<std::string>& known) {
  Error e = usage("E0001", fmt::format("there is nothing to list under `{}`", word));
  std::vector<std::string> words;
  for (const std::string& kind : known) words.push_back(spec::plural(kind));
  words.emplace_back("runs");
  const std::string near = spec::nearest(word, words);
  e.help.push_back(near.empty() ? "lists are " + spec::quoted_list(words, 20)
                                : fmt::format("a list with a similar name exists: `{}`", near));
  return e;
}

Expected<uint32_t> data_bits(const std::vector<std::string>& words) {
  const std::map<std::string, uint32_t> bits = {{"sparse", ASSAY_TAKES_SPARSE},
                                                {"masked", ASSAY_TAKES_MASK},
                                                {"weighted", ASSAY_TAKES_WEIGHTS},
                                                {"unobserved", ASSAY_TAKES_UNOBSERVED}};
  uint32_t out = 0;
  for (const std::string& word : words) {
    const auto found = bits.find(word);
    if (found == bits.end()) {
      Error e = usage("E0001", fmt::format("data cannot be `{}`", word));
      e.expected.emplace_back(
          "`sparse`, `masked`, `weighted` or `unobserved`, separated by commas");
      return e;
    }
    out |= found->second;
  }
  return out;
}

class Lister {
 public:
  Lister(const Tool& tool, const ListFlags& options, const plugin::Registry& registry)
      : tool_(tool), options_(options), registry_(registry) {}

  int plugins(const std::string& kind) {
    auto bits = data_bits(options_.accepts);
    if (!bits) return tool_.show(bits.error());
    bits_ = *bits;
    if (!options_.loss.empty()) {
      const Descriptor* d = registry_.find("loss", options_.loss);
      if (!d) return no_loss();
      auto options = plugin::Options::complete(d->plugin->options, {}, d->id);
      auto made = options ? plugin::Loss::create(*d, *options)
                          : Expected<std::shared_ptr<plugin::Loss>>(options.error());
      if (!made) return tool_.show(made.error());
      loss_ = *made;
    }
    std::vector<std::vector<std::string>> rows;
    for (const Descriptor* d : registry_.all(filtered() && kind.empty() ? "solver" : kind)) {
      if (!passes(*d)) continue;
      if (tool_.json) {
        tool_.out(ordered_json{{"kind", d->kind},
                               {"id", d->id},
                               {"summary", d->plugin->summary},
                               {"version", d->version},
                               {"file", d->file}}
                      .dump() +
                  "\n");
      } else {
        rows.push_back({d->kind, d->id, d->plugin->summary});
      }
    }
    if (!tool_.json)
      tool_.out(rows.empty() ? "nothing fits\n"
                             : table({"kind", "id", "what it is"}, rows, tool_.color_out));
    if (!registry_.refused().empty() && !tool_.json) {
      const size_t refused = registry_.refused().size();
      tool_.err(fmt::format("{} module{} refused; `assay doctor` says why\n", refused,
                            refused == 1 ? " was" : "s were"));
    }
    return kOk;
  }

 private:
  bool filtered() const { return bits_ != 0 || loss_; }

  bool passes(const Descriptor& d) const {
    if (!filtered()) return true;
    if (d.kind != "solver") return false;
    const auto& solver = *static_cast<const assay_solver*>(d.plugin->vtable);
    return (solver.takes_data & bits_) == bits_ &&
           (!loss_ || spec::minimises(registry_, d, *loss_));
  }

  int no_loss() const {
    Error e = usage("E0101", fmt::format("unknown loss `{}`", options_.loss));
    e.help.emplace_back("`assay list losses` shows them");
    return tool_.show(e);
  }

  const Tool& tool_;
  const ListFlags& options_;
  const plugin::Registry& registry_;
  uint32_t bits_ = 0;
  std::shared_ptr<plugin::Loss> loss_;
};

std::string status_of(const fs::path& trial) {
  std::ifstream in(trial / "status.json");
  if (!in) return "unfinished";
  const auto status = nlohmann::json::parse(in, nullptr, false);
  return status.is_object() ? status.value("status", "unfinished") : "unfinished";
}

int list_runs(const Tool& tool, const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (fs::exists(entry.path() / "spec.yaml", error)) runs.push_back(entry.path());
  }
  std::sort(runs.begin(), runs.end());
  std::vector<std::vector<std::string>> rows;
  for (const fs::path& run : runs) {
    std::map<std::string, int> counts;
    int trials = 0;
    for (const auto& trial : fs::directory_iterator(run / "trials", error)) {
      ++trials;
      ++counts[status_of(trial.path())];
    }
    std::string text;
    for (const auto& [status, count] : counts)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, status);
    if (tool.json) {
      tool.out(ordered_json{{"run", run.string()}, {"trials", trials}, {"status", counts}}.dump() +
               "\n");
    } else {
      rows.push_back({run.string(), fmt::format("{}", trials), text});
    }
  }
  if (tool.json) return kOk;
  tool.out(rows.empty() ? fmt::format("no runs below {}\n", folder)
                        : table({"run", "trials", "status"}, rows, tool.color_out));
  return kOk;
}

}  // namespace

int list(const Tool& tool, const ListFlags& flags) {
  if (flags.what == "runs") return list_runs(tool, flags.runs);
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  const auto known = kinds(*registry);
  const std::string kind = kind_of(flags.what, known);
  if (kind.empty() && !flags.what.empty()) return tool.show(unknown_kind(flags.what, known));
  return Lister(tool, flags, *registry).plugins(kind);
}

}  // namespace assay::cli
