// SPDX-License-Identifier: Apache-2.0
// assay init: a commented spec to start from, made of the plugins that are loaded.
#include <fmt/core.h>
#include <sys/stat.h>

#include <fstream>

#include "core/cli/verbs.hpp"
#include "core/spec/uses.hpp"

namespace assay::cli {
namespace {

// The first solver takes part; its own constraint is what the factors keep.
std::string starter(const plugin::Registry& registry, const std::string& data) {
  const auto solvers = registry.all("solver");
  const auto* loss = spec::standard_plugin(registry, "loss");
  const auto* init = spec::standard_plugin(registry, "init");
  const std::string solver = solvers.empty() ? "ID" : solvers.front()->id;
  const char* implied =
      solvers.empty() ? nullptr
                      : static_cast<const assay_solver*>(solvers.front()->plugin->vtable)->implies;
  std::string metrics;
  for (const plugin::Descriptor* d : registry.all("metric")) {
    if ((d->plugin->flags & ASSAY_PLUGIN_DEFAULT) != 0)
      metrics += (metrics.empty() ? "" : ", ") + d->id;
  }
  std::string readers;
  for (const plugin::Descriptor* d : registry.all("reader"))
    readers += (readers.empty() ? "" : ", ") + d->id;
  const std::string factor = implied ? fmt::format("{{ constraint: {} }}", implied) : "{}";
  return fmt::format(
      "# One file is one experiment. Check it with `assay validate`, run it with `assay run`.\n"
      "assay: 1\n"
      "name: first                  # also the run folder: runs/first\n"
      "about: what this experiment is for\n"
      "\n"
      "data:\n"
      "  path: {}          # relative to this file; the reader follows from the suffix\n"
      "  # use: ...                 # or name it: {}\n"
      "  # transforms: [...]        # `assay list transforms`\n"
      "\n"
      "model:                       # X ~ W H\n"
      "  rank: 8                    # number of components\n"
      "  loss: {}              # `assay list losses`\n"
      "  W: {}\n"
      "  H: {}\n"
      "\n"
      "init: {}                 # `assay list inits`\n"
      "solver: {}                   # `assay list solvers`, `assay explain {}`\n"
      "stop: {{ max_iter: 500, rel_tol: 1.0e-5 }}\n"
      "measure: {{ every: 10, metrics: [{}] }}\n"
      "\n"
      "# matrix:                    # try every combination\n"
      "#   model.rank: [4, 8, 16]\n"
      "# repeats: 3                 # each with random numbers of its own\n"
      "seed: 0\n",
      data, readers, loss ? loss->id : "ID", factor, factor, init ? init->id : "ID", solver, solver,
      metrics);
}

}  // namespace

int init(const Tool& tool, const InitFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  const std::string text = starter(*registry, flags.data);
  if (flags.output.empty()) {
    tool.out(text);
    return kOk;
  }
  struct stat status {};
  if (!flags.force && stat(flags.output.c_str(), &status) == 0) {
    Error e = usage("E0001", fmt::format("`{}` exists", flags.output));
    e.help.emplace_back("name another file, or add `--force` to replace it");
    return tool.show(e);
  }
  std::ofstream file(flags.output, std::ios::binary);
  file << text;
  file.close();
  if (!file) {
    Error e(ASSAY_E_IO, "E0505", fmt::format("cannot write `{}`", flags.output));
    return tool.show(e);
  }
  tool.out(fmt::format("wrote {0}\nnext: assay validate {0}\n", quoted(flags.output)));
  return kOk;
}

}  // namespace assay::cli
