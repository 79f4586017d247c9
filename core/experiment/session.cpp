// SPDX-License-Identifier: Apache-2.0
// Loading through readers, with a key for each distinct data spec.
#include "core/experiment/session.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/experiment/resolve.hpp"
#include "core/plugin/load.hpp"

namespace assay::experiment {
namespace {

bool is_split(const spec::Trial& trial) { return trial.split.kind != spec::SplitSpec::Kind::kNone; }

std::string data_key(const spec::Trial& trial) {
  const spec::DataSpec& d = trial.data;
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", to_json(d.reader).dump(),
                     d.path, d.label_column, fmt::join(d.columns, "\t"), d.rows, d.mask_path,
                     d.weights_path, d.row_weights_path, d.col_weights_path, d.unstored,
                     d.missing_nan, d.row_names_path, d.col_names_path) +
         fmt::format("\n{}{}\n{}", d.compute, is_split(trial) ? "\nsplit" : "",
                     fmt::join(d.model_columns, "\t"));
}

std::string prepared_key(const spec::Trial& trial, const std::string& data_id) {
  const spec::SplitSpec& s = trial.split;
  std::string key = data_id;
  for (const spec::Use& use : trial.data.transforms) key += "\n" + to_json(use).dump();
  if (is_split(trial)) {
    if (reads_heldout(trial)) key += "\nread";
    key += fmt::format("\nsplit {} {} {} {} {} {} {} {}", static_cast<int>(s.kind), s.test,
                       s.keep_per_row, s.folds, s.fold, s.path, trial.seed, trial.repeat);
  }
  return key;
}

plugin::LoadOptions load_options(const spec::Trial& trial, const Runtime& runtime) {
  const spec::DataSpec& d = trial.data;
  plugin::LoadOptions how;
  how.label_column = d.label_column;
  how.columns = d.columns;
  how.rows = d.rows;
  how.mask_path = d.mask_path;
  how.weights_path = d.weights_path;
  how.row_weights_path = d.row_weights_path;
  how.col_weights_path = d.col_weights_path;
  how.unstored = d.unstored;
  how.missing_nan = d.missing_nan;
  how.compute = d.compute;
  how.row_names_path = d.row_names_path;
  how.col_names_path = d.col_names_path;
  how.for_model = d.for_model;
  how.model_columns = d.model_columns;
  how.to_be_split = is_split(trial);
  how.log = runtime.log ? &runtime.log : nullptr;
  how.cancel = runtime.cancel;
  return how;
}

}  // namespace

Expected<std::shared_ptr<const data::Data>> Session::load(const spec::Trial& trial) {
  const spec::DataSpec& d = trial.data;
  const std::string key = data_key(trial);
  if (const auto found = loaded_.find(key); found != loaded_.end()) return found->second;
  const plugin::LoadOptions how = load_options(trial, runtime_);
  if (given_) {
    auto x = plugin::give_meaning(*given_, how);
    if (!x) return std::move(x.error());
    return loaded_[key] = std::make_shared<const data::Data>(std::move(*x));
  }
  auto reader = find_plugin(*runtime_.registry, "reader", d.reader);
  if (!reader) return std::move(reader.error());
  auto x = plugin::load(**reader, d.reader.options, d.path, how);
  if (!x) return std::move(x.error());
  return loaded_[key] = std::make_shared<const data::Data>(std::move(*x));
}

Expected<std::shared_ptr<const Prepared>> Session::prepare(const spec::Trial& trial) {
  auto raw = load(trial);
  if (!raw) return std::move(raw.error());
  const std::string key = prepared_key(trial, (*raw)->id);
  if (prepared_ && key == prepared_key_) return prepared_;
  auto made = experiment::prepare(trial, *raw, runtime_);
  if (!made) return std::move(made.error());
  prepared_ = std::make_shared<const Prepared>(std::move(*made));
  prepared_key_ = key;
  return prepared_;
}

std::vector<std::string> Session::data_ids() const {
  std::vector<std::string> ids;
  for (const auto& [key, data] : loaded_) ids.push_back(data->id);
  return ids;
}

}  // namespace assay::experiment
