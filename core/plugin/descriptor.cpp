// SPDX-License-Identifier: Apache-2.0
// Checks of plugin descriptors. Sizes are never compared for equality: min(theirs, ours) is read,
// the rest is absent.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "assay/density.h"
#include "core/plugin/module.hpp"

namespace assay::plugin {

namespace {

struct Kind {
  const char* id;                                         // as in descriptors
  uint32_t size;                                          // of this host's vtable
  std::vector<std::pair<const char*, size_t>> mandatory;  // functions: name, offset
};

#define ASSAY_SLOT(type, member) \
  { #member, offsetof(type, member) }

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"assay.loss/1",
       sizeof(assay_loss),
       {ASSAY_SLOT(assay_loss, describe), ASSAY_SLOT(assay_loss, value),
        ASSAY_SLOT(assay_loss, grad)}},
      {"assay.penalty/1",
       sizeof(assay_penalty),
       {ASSAY_SLOT(assay_penalty, describe), ASSAY_SLOT(assay_penalty, value)}},
      {"assay.density/1",
       sizeof(assay_density),
       {ASSAY_SLOT(assay_density, create), ASSAY_SLOT(assay_density, describe),
        ASSAY_SLOT(assay_density, start), ASSAY_SLOT(assay_density, maximise),
        ASSAY_SLOT(assay_density, moments)}},
      {"assay.solver/1",
       sizeof(assay_solver),
       {ASSAY_SLOT(assay_solver, create), ASSAY_SLOT(assay_solver, build)}},
      {"assay.init/1",
       sizeof(assay_init),
       {ASSAY_SLOT(assay_init, create), ASSAY_SLOT(assay_init, build)}},
      {"assay.metric/1", sizeof(assay_metric), {}},  // by its flags: metric_slots
      {"assay.transform/1", sizeof(assay_transform), {}},
      {"assay.reader/1",
       sizeof(assay_reader),
       {ASSAY_SLOT(assay_reader, open), ASSAY_SLOT(assay_reader, shape),
        ASSAY_SLOT(assay_reader, read), ASSAY_SLOT(assay_reader, close)}},
      {"assay.writer/1", sizeof(assay_writer), {ASSAY_SLOT(assay_writer, write)}},
  };
  return all;
}

// A metric of trials has one function and no program.
std::vector<std::pair<const char*, size_t>> metric_slots(uint32_t flags) {
  if ((flags & ASSAY_METRIC_OF_TRIALS) != 0) return {ASSAY_SLOT(assay_metric, trials)};
  return {ASSAY_SLOT(assay_metric, create), ASSAY_SLOT(assay_metric, build)};
}

Error malformed(const std::string& file, const std::string& what) {
  Error e(ASSAY_E_PLUGIN, "E0404", what);
  e.file = file;
  e.help.emplace_back("mend the descriptor; assay/plugin.h says what each field holds");
  return e;
}

std::string kind_names() {
  std::string out;
  for (const Kind& k : kinds()) out += fmt::format("{}`{}`", out.empty() ? "" : ", ", k.id);
  return out;
}

bool good_id(const char* id) {
  if (id == nullptr || *id == '\0') return false;
  return std::all_of(id, id + std::strlen(id), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
}

// "loss" of "assay.loss/1".
std::string short_kind(const std::string& id) {
  const size_t dot = id.find('.') + 1;
  return id.substr(dot, id.find('/') - dot);
}

}  // namespace

Expected<std::unique_ptr<OwnedDescriptor>> adopt(const assay_plugin* plugin,
                                                 const std::string& file) {
  if (plugin == nullptr || plugin->struct_size < offsetof(assay_plugin, get_extension))
    return malformed(file, "a plugin descriptor is missing or too short");
  auto d = std::make_unique<OwnedDescriptor>();
  std::memcpy(&d->copy, plugin, std::min<size_t>(plugin->struct_size, sizeof(assay_plugin)));
  d->copy.struct_size = sizeof(assay_plugin);
  d->file = file;
  if (!good_id(d->copy.id))
    return malformed(file, fmt::format("plugin id `{}` is not made of a-z, 0-9, `_`, `-` and `.`",
                                       d->copy.id ? d->copy.id : ""));
  d->id = d->copy.id;

  const char* kind_id = d->copy.kind ? d->copy.kind : "";
  const auto kind = std::find_if(kinds().begin(), kinds().end(),
                                 [&](const Kind& k) { return std::strcmp(k.id, kind_id) == 0; });
  if (kind == kinds().end()) {
    Error e =
        malformed(file, fmt::format("plugin `{}` is of the unknown kind `{}`", d->id, kind_id));
    e.expected.push_back(kind_names());
    return e;
  }
  d->kind = short_kind(kind->id);

  if (d->copy.vtable == nullptr)
    return malformed(file, fmt::format("{} `{}` has no vtable", d->kind, d->id));
  uint32_t given = 0;  // every vtable begins with its struct_size
  std::memcpy(&given, d->copy.vtable, sizeof given);
  d->table.assign((kind->size + 7) / 8, 0);
  std::memcpy(d->table.data(), d->copy.vtable, std::min(given, kind->size));
  std::memcpy(d->table.data(), &kind->size, sizeof kind->size);
  const bool metric = d->kind == "metric";
  for (const auto& [name, offset] :
       metric ? metric_slots(reinterpret_cast<const assay_metric*>(d->table.data())->flags)
              : kind->mandatory) {
    if (d->table[offset / 8] != 0) continue;
    return malformed(file, fmt::format("{} `{}` has no function `{}`", d->kind, d->id, name));
  }
  d->copy.vtable = d->table.data();
  if (d->copy.summary == nullptr) d->copy.summary = "";
  d->plugin = &d->copy;
  return d;
}

}  // namespace assay::plugin
