// SPDX-License-Identifier: Apache-2.0
// New rows for a saved model: by which reader, and with what of the model.
#include "core/experiment/open_model.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "core/experiment/new_rows.hpp"
#include "core/experiment/session.hpp"
#include "core/plugin/load.hpp"

namespace assay::experiment {
namespace {

// Where new rows come from: the reader asked for; else the one of the training data when the name
// ends alike; else the one that knows the file.
Expected<void> choose_reader(const SavedModel& saved,
                             const std::string& path,
                             const std::string& asked,
                             const plugin::Registry& registry,
                             spec::DataSpec& data) {
  data.path = path;
  const Json& about = saved.about["data"];
  const plugin::Descriptor* d = nullptr;
  if (!asked.empty()) {
    spec::Use use;
    use.id = asked;
    auto found = find_plugin(registry, "reader", use);
    if (!found) return std::move(found.error());
    d = *found;
  } else {
    if (about.contains("reader")) d = registry.find("reader", about["reader"].value("use", ""));
    if (!d || !plugin::claims(*d, path)) d = plugin::find_reader(registry, path);
  }
  std::error_code ignored;
  if (!d && !std::filesystem::exists(path, ignored)) {
    Error e(ASSAY_E_NO_FILE, "E0301", fmt::format("file `{}` does not exist", path));
    e.file = path;
    e.help.push_back("give the path of an existing file or folder");
    return e;
  }
  if (!d) {
    Error e(ASSAY_E_FORMAT, "E0306", fmt::format("no reader knows `{}`", path));
    e.file = path;
    e.help.push_back("name one with `--reader`; `assay list readers` shows them");
    return e;
  }
  if (about.contains("reader") && about["reader"].value("use", "") == d->id) {
    auto use = use_from_json(about["reader"], "reader", registry);
    if (!use) return std::move(use.error());
    data.reader = std::move(*use);
    data.label_column = about.value("label_column", "");
    return {};
  }
  data.reader.id = d->id;
  auto options = plugin::Options::complete(d->plugin->options, {}, d->id);
  if (!options) return std::move(options.error());
  data.reader.options = std::move(*options);
  return {};
}

}  // namespace

Expected<Alive> open_model(const std::string& model_path,
                           std::shared_ptr<plugin::Registry> registry,
                           const ApplyOptions& options) {
  auto saved = read_model(model_path);
  if (!saved) return std::move(saved.error());
  auto runtime = Runtime::create(std::move(registry), options.threads, "auto", "auto");
  if (!runtime) return std::move(runtime.error());
  runtime->cancel = options.cancel;
  runtime->log = options.log;
  return Alive{std::move(*saved), std::move(*runtime)};
}

Expected<std::shared_ptr<plugin::Loss>> loss_of(const SavedModel& saved,
                                                const plugin::Registry& registry) {
  auto use = use_from_json(saved.about["model"]["loss"], "loss", registry);
  if (!use) return std::move(use.error());
  auto descriptor = find_plugin(registry, "loss", *use);
  if (!descriptor) return std::move(descriptor.error());
  return plugin::Loss::create(**descriptor, use->options);
}

Expected<Opened> open_model(const std::string& model_path,
                            const std::string& data_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options) {
  auto model = open_model(model_path, std::move(registry), options);
  if (!model) return std::move(model.error());
  const plugin::Registry& plugins = *model->runtime.registry;
  auto trial = trial_of(model->saved, plugins);
  if (!trial) return std::move(trial.error());
  ASSAY_TRY(choose_reader(model->saved, data_path, options.reader, plugins, trial->data));
  trial->data.mask_path = options.mask;
  Session session(model->runtime);
  auto raw = load_rows(model->saved, *trial, session);
  if (!raw) return std::move(raw.error());
  return Opened{std::move(model->saved), std::move(model->runtime), std::move(*raw)};
}

}  // namespace assay::experiment
