// SPDX-License-Identifier: Apache-2.0
// assay explain: the card of a plugin, the long text of a code, or where each value of a trial came
// from.
#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/cli/card.hpp"
#include "core/cli/codes.hpp"
#include "core/cli/verbs.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/uses.hpp"

namespace assay::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

bool looks_like_code(const std::string& word) {
  return word.size() == 5 && (word[0] == 'E' || word[0] == 'W') &&
         word.find_first_not_of("0123456789", 1) == std::string::npos;
}

int explain_code(const Tool& tool, const std::string& word) {
  const CodeText* code = find_code(word);
  if (!code) {
    Error e = usage("E0004", fmt::format("there is no code `{}`", word));
    e.help.emplace_back("messages carry their code in brackets: error[E0204]");
    return tool.show(e);
  }
  if (tool.json) {
    tool.out(
        nlohmann::ordered_json{{"code", code->code}, {"title", code->title}, {"text", code->text}}
            .dump() +
        "\n");
  } else {
    tool.out(fmt::format("{}: {}\n\n{}\n", code->code, code->title, wrap(code->text, 90, 0)));
  }
  return kOk;
}

int explain_plugin(const Tool& tool, const std::string& word) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  bool found = false;
  std::vector<std::string> ids;
  for (const plugin::Descriptor* d : registry->all()) {
    ids.push_back(d->id);
    if (d->id != word) continue;
    if (tool.json) {
      tool.out(card_json(*d, *registry).dump() + "\n");
    } else {
      tool.out((found ? "\n" : "") + card(*d, *registry, tool));
    }
    found = true;
  }
  if (found) return kOk;
  Error e = usage("E0004", fmt::format("there is no plugin, code or run called `{}`", word));
  if (const std::string near = spec::nearest(word, ids); !near.empty())
    e.help.push_back(fmt::format("a plugin with a similar name exists: `{}`", near));
  e.help.emplace_back("`assay list` shows all plugins");
  return tool.show(e);
}

Error no_trial(const std::string& run, const std::string& id, const std::string& what) {
  Error e = usage("E0005", what);
  e.help.push_back(
      id.empty() ? fmt::format("name one with `--trial ID`; they are the folders of {}/trials", run)
                 : fmt::format("the trials are the folders of {}/trials", run));
  return e;
}

// The one trial folder whose name begins with `id`.
Expected<fs::path> find_trial(const std::string& run, const std::string& id) {
  std::error_code error;
  std::vector<fs::path> found;
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(run) / "trials", error)) {
    ++count;
    if (entry.path().filename().string().rfind(id, 0) == 0) found.push_back(entry.path());
  }
  if (error) return no_trial(run, id, fmt::format("`{}` is not a run folder", run));
  if (found.size() == 1) return found.front();
  if (id.empty()) return no_trial(run, id, fmt::format("run `{}` has {} trials", run, count));
  return no_trial(run, id,
                  fmt::format("{} trial of `{}` has an id that begins with `{}`",
                              found.empty() ? "no" : "more than one", run, id));
}

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void flatten(const json& value,
             const std::string& path,
             std::vector<std::pair<std::string, std::string>>& out) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items())
      flatten(child, path.empty() ? key : path + "." + key, out);
  } else if (value.is_array() && !value.empty() && value.front().is_object()) {
    for (size_t i = 0; i < value.size(); ++i)
      flatten(value[i], fmt::format("{}[{}]", path, i), out);
  } else {
    out.emplace_back(path, value_text(value));
  }
}

int explain_trial(const Tool& tool, const std::string& run, const std::string& id) {
  const auto folder = find_trial(run, id);
  if (!folder) return tool.show(folder.error());
  std::ifstream config_file(*folder / "config.json"), origins_file(*folder / "origins.json");
  const json config = json::parse(config_file, nullptr, false);
  const json origins = origins_file ? json::parse(origins_file, nullptr, false) : json::object();
  if (!config.is_object())
    return tool.show(
        no_trial(run, id, fmt::format("`{}` holds no configuration", folder->string())));
  std::vector<std::pair<std::string, std::string>> values;
  flatten(config, "", values);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [path, value] : values) {
    const std::string origin =
        origins.is_object() && origins.contains(path) ? value_text(origins[path]) : "-";
    if (tool.json) {
      tool.out(nlohmann::ordered_json{{"key", path}, {"value", value}, {"origin", origin}}.dump() +
               "\n");
    } else {
      rows.push_back({path, value, origin});
    }
  }
  if (!tool.json) tool.out(table({"key", "value", "from"}, rows, tool.color_out));
  return kOk;
}

}  // namespace

int explain(const Tool& tool, const ExplainFlags& flags) {
  if (looks_like_code(flags.what)) return explain_code(tool, flags.what);
  std::error_code error;
  const bool is_run =
      !flags.trial.empty() || fs::is_directory(fs::path(flags.what) / "trials", error);
  return is_run ? explain_trial(tool, flags.what, flags.trial) : explain_plugin(tool, flags.what);
}

}  // namespace assay::cli
