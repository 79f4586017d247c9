// SPDX-License-Identifier: Apache-2.0
// The verbs: what each takes from the command line, and the function that does it and returns the
// exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cli/tool.hpp"
#include "core/experiment/apply.hpp"

namespace assay::cli {

struct RunFlags {
  std::string spec, folder, only;
  std::vector<std::string> overrides, grid, rerun;
  bool dry_run = false, why = false, fail_fast = false;
};
int run(const Tool& tool, const RunFlags& flags);

struct ValidateFlags {
  std::vector<std::string> specs;
  bool data = false;
};
int validate(const Tool& tool, const ValidateFlags& flags);

struct ListFlags {
  std::string what, loss, runs = "runs";
  std::vector<std::string> accepts;
};
int list(const Tool& tool, const ListFlags& flags);

struct ExplainFlags {
  std::string what, trial;
};
int explain(const Tool& tool, const ExplainFlags& flags);

struct GraphFlags {
  std::string spec;
  std::vector<std::string> overrides;
  int64_t trial = 0;
  bool dot = false;
  std::string trace;  // file for the times of a few steps
};
int graph(const Tool& tool, const GraphFlags& flags);

struct ApplyFlags {
  std::string model, data, output, reader, mask;
  int threads = 0;
  int64_t steps = 1, top = 5, rows = 100, seed = 0;
  bool csv = false;
  std::optional<double> threshold;
};
// What the flags ask for; warnings go to the terminal.
experiment::ApplyOptions apply_options(const Tool& tool, const ApplyFlags& flags);
int partial_fit(const Tool& tool, const ApplyFlags& flags);
int transform(const Tool& tool, const ApplyFlags& flags);
int reconstruct(const Tool& tool, const ApplyFlags& flags);
int predict(const Tool& tool, const ApplyFlags& flags);
int sample(const Tool& tool, const ApplyFlags& flags);
int nearest(const Tool& tool, const ApplyFlags& flags);
int residual(const Tool& tool, const ApplyFlags& flags);

struct InitFlags {
  std::string data = "data.csv", output;
  bool force = false;
};
int init(const Tool& tool, const InitFlags& flags);

struct BenchFlags {
  std::string solver;
  double seconds = 1;
  double budget = 0;  // seconds of a solver; 0: none for one solver, kBenchBudget for all
  int threads = 0;
};
inline constexpr double kBenchBudget = 2;
int bench(const Tool& tool, const BenchFlags& flags);

int schema(const Tool& tool);
int doctor(const Tool& tool);

}  // namespace assay::cli
