// SPDX-License-Identifier: Apache-2.0
// assay residual: what a model leaves of data beyond a threshold, as a sparse matrix in a file.
#include "core/experiment/residual.hpp"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/base/number.hpp"
#include "core/cli/verbs.hpp"
#include "core/report/entry_file.hpp"
#include "core/spec/nearest.hpp"

namespace assay::cli {
namespace {

void say(const Tool& tool,
         const ApplyFlags& flags,
         const experiment::Residual& found,
         int64_t entries,
         int64_t observed) {
  const char* const W = found.folded_in() ? "folded in" : "of the fit";
  if (tool.json) {
    tool.out(nlohmann::ordered_json{{"file", flags.output},
                                    {"rows", found.rows()},
                                    {"cols", found.cols()},
                                    {"observed", observed},
                                    {"entries", entries},
                                    {"threshold", found.threshold()},
                                    {"W", W},
                                    {"transforms", found.transforms()}}
                 .dump() +
             "\n");
    return;
  }
  std::string line = fmt::format("wrote {}: {} x {}, {} of {} entries ", flags.output, found.rows(),
                                 found.cols(), entries, observed);
  const std::string delta = format_shortest(found.threshold());
  line += found.threshold() > 0 ? fmt::format("with |x - m| > {}, each {} nearer 0", delta, delta)
                                : std::string("with x - m other than 0");
  line += fmt::format("; W {}", W);
  if (!found.transforms().empty())
    line += fmt::format("; in the units after {}", spec::quoted_list(found.transforms(), 30));
  tool.out(line + "\n");
}

}  // namespace

int residual(const Tool& tool, const ApplyFlags& flags) {
  const auto registry = tool.open_registry();
  if (!registry) return kUnusable;
  catch_signals();
  const experiment::ApplyOptions options = apply_options(tool, flags);
  const auto found =
      experiment::Residual::open(flags.model, flags.data, flags.threshold, registry, options);
  if (!found) return tool.show(found.error());
  auto file = report::EntryFile::create(flags.output, found->rows(), found->cols(), found->names());
  if (!file) return tool.show(file.error());
  const auto observed =
      found->each([&](const std::vector<experiment::Entry>& block) { return (*file)->add(block); },
                  options.cancel);
  if (!observed) return tool.show(observed.error());
  if (caught_signal() != 0) return 128 + caught_signal();
  if (auto done = (*file)->finish(); !done) return tool.show(done.error());
  say(tool, flags, *found, (*file)->count(), *observed);
  return kOk;
}

}  // namespace assay::cli
