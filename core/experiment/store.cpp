// SPDX-License-Identifier: Apache-2.0
// Identity, status and trace of trials, and the files of a run.
#include "core/experiment/store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "core/base/hash.hpp"
#include "core/base/number.hpp"
#include "core/base/version.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/resolve.hpp"
#include "core/kernels/kernels.hpp"
#include "core/kernels/linalg.hpp"

namespace assay::experiment {
namespace {

constexpr const char* kStatusNames[] = {"pending", "ok",       "skipped",
                                        "failed",  "diverged", "interrupted"};

Status status_from_name(const std::string& name) {
  for (size_t i = 0; i < std::size(kStatusNames); ++i) {
    if (name == kStatusNames[i]) return static_cast<Status>(i);
  }
  return Status::kPending;
}

Json error_json(const Error& e) {
  Json j = {{"code", e.code}, {"status", e.status}, {"message", e.message}};
  if (!e.key.empty()) j["key"] = e.key;
  if (!e.file.empty()) j["file"] = e.file;
  if (!e.place.empty()) j["place"] = e.place;
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"expected", &e.expected}, {"found", &e.found}, {"help", &e.help}, {"note", &e.note}};
  for (const auto& [name, list] : lists) {
    if (!list->empty()) j[name] = *list;
  }
  return j;
}

Error error_from_json(const Json& j) {
  Error e(j.value("status", ASSAY_E_INTERNAL), j.value("code", ""), j.value("message", ""));
  e.key = j.value("key", "");
  e.file = j.value("file", "");
  e.place = j.value("place", "");
  const std::pair<const char*, std::vector<std::string>*> lists[] = {
      {"expected", &e.expected}, {"found", &e.found}, {"help", &e.help}, {"note", &e.note}};
  for (const auto& [name, list] : lists) *list = j.value(name, std::vector<std::string>());
  return e;
}

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> out;
  std::stringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) out.push_back(field);
  if (!line.empty() && line.back() == ',') out.emplace_back();
  return out;
}

fit::Trace read_trace(const std::string& path) {
  constexpr size_t kFixed = 7;
  fit::Trace trace;
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) return trace;
  const std::vector<std::string> head = fields(line);
  if (head.size() < kFixed) return trace;
  trace.columns.assign(head.begin() + kFixed, head.end());
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = fields(line);
    if (cells.size() != head.size()) break;
    std::vector<double> v;
    for (const std::string& cell : cells)
      v.push_back(parse_double(cell).value_or(fit::kNotMeasured));
    trace.rows.push_back({static_cast<int64_t>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6],
                          std::vector<double>(v.begin() + kFixed, v.end())});
  }
  return trace;
}

// What a file holds, for identities: the trial changes with it, wherever the file lies. A file that
// cannot be read is reported by the one who needs it.
std::string content_id(const std::string& path) {
  constexpr size_t kPiece = size_t{1} << 20;
  std::ifstream in(path, std::ios::binary);
  std::vector<char> piece(kPiece);
  Hasher hasher;
  while (in.read(piece.data(), static_cast<std::streamsize>(kPiece)) || in.gcount() > 0) {
    hasher.update(piece.data(), static_cast<size_t>(in.gcount()));
  }
  return hasher.hex();
}

// The files a trial names beside its data (masks and weights are part of the data's identity), each
// under the key that names it.
std::vector<std::pair<std::string, std::string>> files_of(const spec::Trial& trial) {
  std::vector<std::pair<std::string, std::string>> files = {{"split.path", trial.split.path},
                                                            {"model.W.fixed", trial.model.W.fixed},
                                                            {"model.H.fixed", trial.model.H.fixed},
                                                            {"model.S.fixed", trial.model.S.fixed}};
  for (const auto& [kind, use] : plugins_of(trial)) {
    for (const auto& [name, value] : use->options.values) {
      if (value.type == ASSAY_OPT_PATH && value.has_text)
        files.emplace_back(fmt::format("{} {} {}", kind, use->id, name), value.text);
    }
  }
  return files;
}

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json j = Json::object();
  for (const auto& [key, value] : pairs) j[key] = value;
  return j;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0)
      return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return "unknown";
}

Json plan_json(const spec::Experiment& experiment, const RunResult& result) {
  Json j = {{"name", experiment.name}, {"trials", Json::array()}, {"skipped", Json::array()}};
  for (size_t i = 0; i < experiment.trials.size(); ++i) {
    const TrialResult& t = result.trials[i];
    const Json config = Json::parse(experiment.trials[i].config_json, nullptr, false);
    j["trials"].push_back({{"id", t.id},
                           {"label", t.label},
                           {"cell", pairs_json(t.cell)},
                           {"repeat", t.repeat},
                           {"deterministic", t.deterministic},
                           {"config", config.is_discarded() ? Json() : config}});
  }
  for (const auto& s : experiment.skipped) {
    j["skipped"].push_back({{"cell", pairs_json(s.cell)}, {"reason", s.reason}});
  }
  return j;
}

Json environment_json(const std::vector<std::string>& data_ids, const Runtime& runtime) {
  Json modules = Json::array();
  for (const plugin::Descriptor* d : runtime.registry->all()) {
    modules.push_back({{"kind", d->kind},
                       {"id", d->id},
                       {"version", d->version},
                       {"file", d->file},
                       {"hash", plugin::module_hash(*d)}});
  }
  Json j = {{"version", version()},
            {"build", build_id()},
            {"cpu", cpu_name()},
            {"isa", kernels::isa_name(runtime.isa)},
            {"blas", kernels::blas_name()},
            {"threads", runtime.arena ? runtime.arena->threads() : 1},
            {"cores", usable_cores()},
            {"data", data_ids},
            {"modules", std::move(modules)},
            {"notices", runtime.registry->notices()}};
  return j;
}

}  // namespace

const char* status_name(Status status) { return kStatusNames[static_cast<size_t>(status)]; }

std::string trial_id(const spec::Trial& trial,
                     const std::string& data_id,
                     const plugin::Registry& registry) {
  std::string text = trial.config_json + "\n";
  for (const auto& [kind, use] : plugins_of(trial)) {
    const plugin::Descriptor* d = registry.find(kind, use->id);
    text += fmt::format("{} {} {}\n", kind, use->id, d ? d->version : "");
  }
  for (const spec::Metric& metric : trial.measure.metrics)
    text += fmt::format("metric {}\n", metric.text);
  for (const auto& [key, path] : files_of(trial)) {
    if (!path.empty()) text += fmt::format("file {} {}\n", key, content_id(path));
  }
  text += fmt::format("data {}\nseed {}\nrepeat {}\n", data_id, trial.seed, trial.repeat);
  return xxh3_128_hex(text);
}

std::string trial_folder(const std::string& run_folder, const std::string& id) {
  return run_folder + "/trials/" + id;
}

bool read_status(const std::string& folder, TrialResult& r) {
  const auto text = read_file(folder + "/status.json");
  if (!text) return false;
  const Json j = Json::parse(*text, nullptr, false);
  if (!j.is_object()) return false;
  r.status = status_from_name(j.value("status", ""));
  r.stop = fit::stop_from_name(j.value("stop", ""));
  r.iterations = j.value("iterations", int64_t{0});
  r.seconds = j.value("seconds", 0.0);
  r.files = j.value("files", std::vector<std::string>());
  for (const Json& e : j.value("errors", Json::array())) r.errors.push_back(error_from_json(e));
  r.warnings = j.value("warnings", std::vector<std::string>());
  r.trace = read_trace(folder + "/trace.csv");
  return true;
}

Expected<void> write_status(const std::string& folder, const TrialResult& r) {
  Json j = {{"status", status_name(r.status)},
            {"stop", fit::stop_name(r.stop)},
            {"iterations", r.iterations},
            {"seconds", r.seconds}};
  if (!r.trace.rows.empty()) {
    const fit::TraceRow& last = r.trace.rows.back();
    j["objective"] = number_json(last.objective);
    j["kkt"] = number_json(last.kkt);
    for (size_t i = 0; i < r.trace.columns.size(); ++i) {
      j["metrics"][r.trace.columns[i]] = number_json(last.metrics[i]);
    }
  }
  if (!r.files.empty()) j["files"] = r.files;
  for (const Error& e : r.errors) j["errors"].push_back(error_json(e));
  if (!r.warnings.empty()) j["warnings"] = r.warnings;
  return write_file(folder + "/status.json", j.dump(1) + "\n");
}

Expected<void> write_trace(const std::string& folder, const fit::Trace& trace) {
  return write_file(folder + "/trace.csv", fit::to_csv(trace));
}

Expected<void> write_run_files(const spec::Experiment& experiment,
                               const RunResult& result,
                               const std::vector<std::string>& data_ids,
                               const Runtime& runtime) {
  ASSAY_TRY(write_if_changed(result.folder + "/spec.yaml", experiment.text));
  ASSAY_TRY(
      write_if_changed(result.folder + "/plan.json", plan_json(experiment, result).dump(1) + "\n"));
  if (result.nothing_to_do) return {};
  return write_if_changed(result.folder + "/environment.json",
                          environment_json(data_ids, runtime).dump(1) + "\n");
}

}  // namespace assay::experiment
