// SPDX-License-Identifier: Apache-2.0
// The table of keys. A key that a later version brings is listed with what is missing, so that it
// is refused by name.
#include "core/spec/keys.hpp"

#include <sstream>

namespace assay::spec {

const std::vector<Key>& keys() {
  constexpr double kMost = 9007199254740992.0;  // 2^53: integers survive JSON and doubles
  static const std::vector<Key> table = {
      {"assay", Type::kInt, "", 1, 1, "", "version of the spec format", nullptr},
      {"name", Type::kText, "", 0, 0, "the file's name",
       "name of the experiment and of its run folder", nullptr},
      {"about", Type::kText, "", 0, 0, "", "one line for people", nullptr},

      {"data", Type::kMap, "", 0, 0, "", "where X comes from and what its entries mean", nullptr},
      {"data.use", Type::kWord, "", 0, 0, "by the file's suffix", "reader", nullptr},
      {"data.path", Type::kPath, "", 0, 0, "", "file, relative to the spec", nullptr},
      {"data.label_column", Type::kText, "", 0, 0, "",
       "column with the rows' labels, kept out of X", nullptr},
      {"data.columns", Type::kTextList, "", 0, 0, "all", "columns to keep, by name", nullptr},
      {"data.rows", Type::kText, "", 0, 0, "all", "rows to keep, as `first:end`", nullptr},
      {"data.transforms", Type::kUseList, "transform", 0, 0, "none",
       "applied in order to the view of X", nullptr},
      {"data.mask", Type::kMap, "", 0, 0, "", "which entries are observed", nullptr},
      {"data.mask.path", Type::kPath, "", 0, 0, "",
       "matrix of the shape of X, 0 where an entry is hidden", nullptr},
      {"data.weights", Type::kMap, "", 0, 0, "", "weights in the loss", nullptr},
      {"data.weights.path", Type::kPath, "", 0, 0, "", "a weight per entry", nullptr},
      {"data.weights.row_path", Type::kPath, "", 0, 0, "", "a weight per row", nullptr},
      {"data.weights.column_path", Type::kPath, "", 0, 0, "", "a weight per column", nullptr},
      {"data.unstored", Type::kWord, "zero unobserved", 0, 0, "what the reader says",
       "meaning of entries a sparse file does not store", nullptr},
      {"data.missing", Type::kWord, "error nan", 0, 0, "error",
       "`nan`: a NaN is an unobserved entry", nullptr},
      {"data.compute", Type::kWord, "f64 f32", 0, 0, "by the data", "arithmetic", nullptr},
      {"data.names", Type::kMap, "", 0, 0, "", "names that travel to every table", nullptr},
      {"data.names.rows", Type::kPath, "", 0, 0, "", "text file, one name per line", nullptr},
      {"data.names.columns", Type::kPath, "", 0, 0, "", "text file, one name per line", nullptr},

      {"split", Type::kMap, "", 0, 0, "none", "what is held out of the fit", nullptr},
      {"split.use", Type::kWord, "entries rows folds file", 0, 0, "",
       "single entries, whole rows, folds, or a file's entries", nullptr},
      {"split.test", Type::kNumber, "", 0, 1, "", "share held out", nullptr},
      {"split.keep_per_row", Type::kInt, "", 0, kMost, "0", "entries that stay in every row",
       nullptr},
      {"split.count", Type::kInt, "", 2, kMost, "", "number of folds", nullptr},
      {"split.path", Type::kPath, "", 0, 0, "",
       "matrix of the shape of X, or one column, 1 where an entry or a row is held out", nullptr},

      {"model", Type::kMap, "", 0, 0, "", "what is fitted", nullptr},
      {"model.kind", Type::kWord, "factorization mixture autoencoder neighbourhood", 0, 0,
       "factorization", "X ~ W H, a mixture of densities, or another model", nullptr},
      {"model.rank", Type::kIntOrList, "", 1, kMost, "",
       "number of components; of three factors [k1, k2]", nullptr},
      {"model.loss", Type::kUse, "loss", 0, 0, "", "distance of X and the model", nullptr},
      {"model.W", Type::kMap, "", 0, 0, "", "the factor on rows", nullptr},
      {"model.H", Type::kMap, "", 0, 0, "", "the factor on columns", nullptr},
      {"model.S", Type::kMap, "", 0, 0, "", "the factor between them, of three", nullptr},
      {"model.F.constraint", Type::kUse, "penalty", 0, 0, "what the solver keeps",
       "a set the factor stays in", nullptr},
      {"model.F.penalties", Type::kUseList, "penalty", 0, 0, "none", "added to the objective",
       nullptr},
      {"model.F.fixed", Type::kPath, "", 0, 0, "", "file with the factor's values, which then stay",
       nullptr},
      {"model.F.init", Type::kUse, "init", 0, 0, "", "start of this factor alone",
       "a start of its own per factor"},
      {"model.components", Type::kInt, "", 1, kMost, "", "of a mixture: number of components",
       nullptr},
      {"model.density", Type::kUse, "density", 0, 0, "", "of a mixture: its family", nullptr},
      {"model.prior", Type::kAny, "", 0, 0, "none",
       "of a mixture: `weights` (of a Dirichlet law), and what the density calls prior_NAME",
       nullptr},
      {"model.layers", Type::kIntList, "", 1, kMost, "",
       "of an autoencoder: widths of the layers between X and its model", nullptr},
      {"model.bias", Type::kBool, "", 0, 0, "true",
       "of an autoencoder: every layer adds a constant", nullptr},

      {"init", Type::kUse, "init", 0, 0, "", "starting factors", nullptr},
      {"solver", Type::kUse, "solver", 0, 0, "", "the algorithm (required)", nullptr},

      {"stop", Type::kMap, "", 0, 0, "", "when a fit ends; 0 switches a test off", nullptr},
      {"stop.max_iter", Type::kInt, "", 0, kMost, "500", "most steps", nullptr},
      {"stop.max_seconds", Type::kNumber, "", 0, kInfinity, "none", "most seconds inside steps",
       nullptr},
      {"stop.rel_tol", Type::kNumber, "", 0, kInfinity, "1e-5",
       "least relative decrease of the objective between measured rows", nullptr},
      {"stop.kkt_tol", Type::kNumber, "", 0, kInfinity, "0",
       "KKT residual that counts as converged", nullptr},
      {"stop.target", Type::kNumber, "", -kInfinity, kInfinity, "none",
       "objective that is good enough", nullptr},
      {"stop.patience", Type::kInt, "", 0, kMost, "10",
       "measured rows without a new minimum before it counts as stalled", nullptr},

      {"stop.watch", Type::kText, "", 0, 0, "none",
       "metric, `[heldout.]id[.FACTOR]`, that `patience` is about; the best iterate is kept",
       nullptr},

      {"measure", Type::kMap, "", 0, 0, "", "what the trace records", nullptr},
      {"measure.every", Type::kInt, "", 1, kMost, "10", "steps between measured rows", nullptr},
      {"measure.metrics", Type::kMetrics, "metric", 0, 0, "",
       "`[heldout.]id[.FACTOR]`, or a map of it with options and a label", nullptr},

      {"checkpoint", Type::kMap, "", 0, 0, "", "how often a fit is saved to go on from", nullptr},
      {"checkpoint.every_seconds", Type::kNumber, "", 0, kInfinity, "30", "0: not by time",
       nullptr},
      {"checkpoint.every_iterations", Type::kInt, "", 0, kMost, "0", "0: not by steps", nullptr},

      {"runtime", Type::kMap, "", 0, 0, "",
       "how it is computed; no influence on results beyond rounding", nullptr},
      {"runtime.isa", Type::kWord, "auto baseline avx2 avx512", 0, 0, "auto", "kernels to use",
       nullptr},
      {"runtime.plan", Type::kWord, "auto serial graph unfused", 0, 0, "auto",
       "how the plan is run", nullptr},

      {"matrix", Type::kAny, "", 0, 0, "", "key: list of values; every combination is tried",
       nullptr},
      {"cases", Type::kAny, "", 0, 0, "", "further combinations, each a map of keys", nullptr},
      {"exclude", Type::kAny, "", 0, 0, "", "combinations to leave out, each a map of keys",
       nullptr},
      {"repeats", Type::kInt, "", 1, 100000, "1",
       "trials per combination, each with random numbers of its own", nullptr},
      {"seeds", Type::kAny, "", 0, 0, "", "instead of repeats: a list of seeds", nullptr},
      {"seed", Type::kInt, "", 0, kMost, "0", "all random numbers follow from it", nullptr},
      {"threads", Type::kAny, "", 0, 0, "the cores the process may use",
       "a number, or per_trial and trials", nullptr},
      {"threads.per_trial", Type::kInt, "", 1, 4096, "", "threads of one fit", nullptr},
      {"threads.trials", Type::kInt, "", 1, 4096, "1", "fits at the same time", nullptr},
      {"on_incompatible", Type::kWord, "error skip", 0, 0, "error",
       "combinations whose plugins cannot work together", nullptr},
      {"keep", Type::kAny, "", 0, 0, "", "what a run folder keeps", "a choice of what a run keeps"},
      {"writers", Type::kUseList, "writer", 0, 0, "none", "results in the form people look at",
       nullptr},
      {"select", Type::kMap, "", 0, 0, "", "names the best of the trials", nullptr},
      {"select.by", Type::kText, "", 0, 0, "", "a metric of `measure.metrics`, or `objective`",
       nullptr},
  };
  return table;
}

namespace {
std::string folded(std::string path) {
  constexpr size_t kFactor = sizeof("model.") - 1;
  const bool factor = path.size() > kFactor + 1 && path.compare(0, kFactor, "model.") == 0 &&
                      std::string("WHS").find(path[kFactor]) != std::string::npos &&
                      path[kFactor + 1] == '.';
  if (factor) path[kFactor] = 'F';
  return path;
}
}  // namespace

const Key* find_key(const std::string& path) {
  const std::string wanted = folded(path);
  for (const Key& key : keys()) {
    if (wanted == key.path) return &key;
  }
  return nullptr;
}

std::vector<std::string> names_below(const std::string& path) {
  const std::string prefix = path.empty() ? "" : folded(path + ".");
  std::vector<std::string> out;
  for (const Key& key : keys()) {
    const std::string p = key.path;
    if (p.compare(0, prefix.size(), prefix) != 0) continue;
    const std::string rest = p.substr(prefix.size());
    if (!rest.empty() && rest.find('.') == std::string::npos) out.push_back(rest);
  }
  return out;
}

std::vector<std::string> words_of(const Key& key) {
  std::istringstream in(key.words);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::vector<std::string> words_taken(const Key& key) {
  const std::string path = key.path;
  if (path == "model.kind") return {"factorization", "mixture", "autoencoder"};
  return words_of(key);
}

}  // namespace assay::spec
