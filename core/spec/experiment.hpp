// SPDX-License-Identifier: Apache-2.0
// Experiment: a spec after parsing, checking, defaults and expansion: a list of trials ready to
// run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin/options.hpp"

namespace assay::spec {

// `id` or `{ use: id, option: value, label: text }`.
struct Use {
  std::string id;
  plugin::Options options;  // complete: defaults filled in
  std::string label;        // as given, or empty
  std::string key;  // dotted path in the spec, for messages: "solver", "model.H.penalties[0]"
};

struct DataSpec {
  Use reader;
  std::string path;  // resolved against the spec's folder; empty when the reader needs none or X
                     // comes from memory
  bool from_memory = false;  // an application hands X in
  std::string label_column;
  std::vector<std::string> columns;
  std::string rows;  // "0:1000" or empty
  std::vector<Use> transforms;
  size_t of_solver = 0;  // so many of them, the last ones, the solver brings along
  std::string mask_path, weights_path, row_weights_path, col_weights_path;
  std::string unstored;  // "zero", "unobserved" or empty: what the reader says
  bool missing_nan = false;
  std::string compute;  // "f64", "f32" or empty: by the data
  std::string row_names_path, col_names_path;
  bool for_model = false;                  // new rows for a fitted model,
  std::vector<std::string> model_columns;  // whose columns have these names, or none
};

// The key of a cell under which a trial has its fold, from 1.
inline constexpr const char* kFold = "fold";

struct SplitSpec {
  enum class Kind { kNone, kEntries, kRows, kFolds, kFile } kind = Kind::kNone;
  double test = 0;
  int64_t keep_per_row = 0, folds = 0;
  int64_t fold = 0;  // the one held out; a trial each
  std::string path;
};

struct FactorSpec {
  std::optional<Use> constraint;  // after "implies" of the solver
  std::vector<Use> penalties;
  std::string fixed;  // file with the factor's fixed values, or empty
  bool constraint_implied = false;
};

struct ModelSpec {
  std::string kind = "factorization";
  std::vector<int64_t> rank;  // of an autoencoder: the width of its last layer, one more with bias
  std::vector<int64_t> layers;  // of an autoencoder
  bool bias = false;            // of an autoencoder
  std::optional<Use> density;   // of a mixture; its options hold the prior's as prior_NAME
  double dirichlet = 1;         // of a mixture: prior of the weights; 1: none
  int64_t parameters = 0;       // of a saved mixture: those of a component,
  std::vector<double> most;     // and the largest entry of each column, where the density reads it
  Use loss;
  FactorSpec W, H, S;
};

struct StopSpec {
  int64_t max_iter = 500;
  double max_seconds = 0;  // 0: none
  double rel_tol = 1e-5, kkt_tol = 0;
  std::optional<double> target;
  int64_t patience = 10;  // 0: off
  std::string watch;      // one of the trial's metrics, or empty: patience is about the objective
};

struct Metric {
  // What its column is called: "heldout.rmse", "sparseness.H", "silhouette(sample=2000)", a label.
  std::string text;
  std::string id, factor;
  bool heldout = false;
  plugin::Options options{};
};

struct MeasureSpec {
  int64_t every = 10;
  std::vector<Metric> metrics;
  std::vector<Metric> across;  // of the set of a cell's repeats: no part of a trial's identity
};

// One fit.
struct Trial {
  DataSpec data;
  SplitSpec split;
  ModelSpec model;
  Use init, solver;
  StopSpec stop;
  MeasureSpec measure;
  std::vector<Use> writers;
  int64_t repeat = 0;
  bool deterministic = false;  // nothing in it reads a random stream: it stands for all repeats
  uint64_t seed = 0;
  std::vector<std::pair<std::string, std::string>> cell;  // matrix key -> value as text, for tables
  std::string config_json;  // canonical resolved configuration: what the trial's id is hashed from
                            // (data hash added later)
  std::string label;        // "mu, rank 16"
  std::vector<std::pair<std::string, std::string>>
      origins;  // dotted path -> "digits.yaml:12:3", "command line", "default"
};

struct Skipped {
  std::vector<std::pair<std::string, std::string>> cell;
  std::string reason;
};

// What the best trial is best by: a column of the trace; empty: none is chosen.
struct SelectSpec {
  std::string by;
  bool lower = true;
};

struct Experiment {
  std::string file, text;  // path as given, verbatim source
  std::string name, about;
  std::vector<Trial> trials;
  std::vector<Skipped> skipped;
  int threads = 0;  // 0: all cores the process may use
  std::string isa = "auto", plan = "auto";
  double checkpoint_seconds = 30;
  int64_t checkpoint_iterations = 0;
  std::vector<std::string> keep;
  SelectSpec select;
};

}  // namespace assay::spec
