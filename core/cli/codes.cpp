// SPDX-License-Identifier: Apache-2.0
// Every code there is. tests/scripts/errors.py compares this table with the sources and with
// tests/errors.
#include "core/cli/codes.hpp"

#include <algorithm>

namespace assay::cli {

const std::vector<CodeText>& code_texts() {
  static const std::vector<CodeText> table = {
      {"E0001", "the command line is not understood",
       "A verb, an option or its value is unknown. `assay --help` lists the verbs, `assay VERB "
       "--help` the options of one."},
      {"E0002", "the spec cannot be read",
       "The file does not exist, is a folder, or may not be read. Paths of the command line are "
       "relative to the current folder."},
      {"E0003", "an argument is not an override",
       "After the spec, `assay run` takes `key=value` arguments, cut at the first `=`. The value "
       "is read as YAML: `model.rank=8`, `solver.inner=2`, `about='two words'`. Sweeps are written "
       "`--grid key=a,b`."},
      {"E0004", "there is nothing of this name to explain",
       "`assay explain` takes the id of a plugin (`assay list` shows them), a code such as E0204, "
       "or a run folder with `--trial ID`."},
      {"E0005", "there is no such run or trial",
       "A run is a folder with `spec.yaml` and `trials/`. A trial is named by the first digits of "
       "its id, six or more where that is needed to tell it from others."},
      {"E0006", "the instruction set cannot be used",
       "`runtime.isa` and the variable ASSAY_ISA take auto, baseline, avx2 and avx512, as far as "
       "the machine has them. `assay doctor` shows what it has."},
      {"E0007", "there is no such trial in the experiment",
       "Trials are counted from 0 in the order `assay run --dry-run` lists them."},
      {"E0008", "the format of the output is not known",
       "`transform` and `reconstruct` write .npy, .npz and .csv, `residual` writes .mtx and .csv; "
       "the ending of the file name decides."},
      {"E0009", "the model has no such residual",
       "`assay residual` keeps x - m where it is larger than a threshold. The loss `huber` has "
       "one, "
       "its delta; for other losses `--threshold` says it."},
      {"E0100", "the spec is not valid YAML",
       "The text breaks YAML's own rules: a bracket or quote that is not closed, a tab in the "
       "indentation, a key in a place where none can be. The fault is often on the line above the "
       "one shown."},
      {"E0101", "no loaded plugin has this id",
       "Ids are spelt exactly as `assay list` shows them. A plugin of your own is found in folders "
       "named by `--plugin-dir` and ASSAY_PLUGIN_PATH; `assay doctor` shows which folders were "
       "searched and which modules were refused, and why."},
      {"E0102", "unknown key",
       "A key that is not known is never ignored: it would be a typing mistake that silently "
       "changes an experiment. Keys that begin with `x-` are free for your own notes."},
      {"E0103", "a key is given twice",
       "YAML readers disagree about which of the two counts, so neither does. Delete one."},
      {"E0104", "something the spec needs is missing", "The key named has no default."},
      {"E0105", "YAML that specs do not use",
       "Tags, merge keys (`<<`), several documents in one file, keys that are not words, and texts "
       "beyond the limits (1 MiB, 32 levels, 100 aliases) are refused, because they hide what an "
       "experiment says."},
      {"E0110", "the plugin has no such option",
       "`assay explain ID` lists the options of a plugin with their defaults and ranges."},
      {"E0111", "the plugin needs an option that is not given",
       "The option has no default. `assay explain ID` says what it means."},
      {"E0112", "a value is of the wrong type",
       "Numbers are decimal (1, -2.5, 1e-3); truth values are `true` and `false` and nothing else; "
       "a text in quotes is never a number."},
      {"E0113", "a value is out of range",
       "The message gives the range; for options of plugins it comes from the plugin's own table."},
      {"E0114", "a value is not one of the words allowed", "The message lists the words."},
      {"E0115", "a number with a leading zero",
       "010 is eight for some YAML readers and ten for others, so it is neither here. Write the "
       "number without the zero, or put it in quotes if it is a text."},
      {"E0116", "this version does not have the feature",
       "The key or word belongs to the spec format, and a later version of assay will read it. "
       "Nothing is ignored in silence, so it is refused until then."},
      {"E0117", "the metric, its factor and its column do not fit",
       "Metrics are written `[heldout.]id[.FACTOR]`, or as a map with `use`, options and `label`. "
       "Those about a factor, such as a sparseness, must name W or H; the others must not. Each is "
       "a column under its label, or its name with the options given; no two are called alike."},
      {"E0118", "the sweep is not well formed",
       "`matrix` maps dotted keys to lists of values, `cases` is a list of maps, and `exclude` is "
       "a list of maps over keys that vary. Keys that say how and where to run (threads, runtime, "
       "checkpoint, writers, name) cannot vary within an experiment."},
      {"E0119", "the version of the spec",
       "A spec begins with `assay: 1`, so that later versions of the tool know how to read it."},
      {"E0120", "keys that exclude each other",
       "Two keys say the same thing in two ways, or a key belongs to another choice than the one "
       "made. Keep one."},
      {"E0200", "plugins that cannot work together",
       "Before any data are read, the capabilities of the plugins are compared. In a sweep, "
       "`on_incompatible: skip` leaves such combinations out and lists them."},
      {"E0204", "the solver cannot minimise the loss",
       "Solvers need different things of a loss: multiplicative updates need its derivative as a "
       "difference of two non-negative parts, coordinate descent needs a squared loss or a "
       "curvature that bounds it. The message lists the solvers that take the loss; `assay list "
       "solvers --loss ID` does too."},
      {"E0205", "the solver cannot take the penalty or constraint",
       "A penalty offers some of: terms for multiplicative updates, a quadratic form per "
       "component, a prox, a gradient. A solver works with some of these. Choose another of the "
       "two."},
      {"E0206", "the solver cannot take such data",
       "Masks, held-out entries, weights and unobserved entries need a solver that treats entries "
       "differently. `assay list solvers --accepts masked,weighted` shows them."},
      {"E0207", "a penalty where a constraint belongs, or the reverse",
       "A constraint is a set the factor stays in, and a factor has at most one: `constraint: "
       "nonneg`. A penalty is added to the objective: `penalties: [{ use: l1, weight: 0.1 }]`."},
      {"E0208", "penalties of one factor that do not compose",
       "One factor takes at most one quadratic penalty, one l1 penalty and one set, applied in "
       "this order; then the step is exact."},
      {"E0209", "a held-out metric without held-out entries",
       "`heldout.` metrics are computed on the entries that `split` keeps out of the fit."},
      {"E0210", "no combination of the sweep can run",
       "`on_incompatible: skip` left every combination out. With `on_incompatible: error` each "
       "says why."},
      {"E0211", "the solver does not fit so many factors",
       "`rank: 8` is a model of two factors, W H; `rank: [8, 12]` one of three, W S H with S 8 x "
       "12. "
       "Most solvers fit two; `assay explain` of a solver says what it fits."},
      {"E0212", "the solver says no to this model",
       "Some solvers fit models of one form only: one factor of any sign, equal ranks, no "
       "penalties "
       "on a factor that follows from others. The message says which rule is broken and how to "
       "keep "
       "it. What depends on the data (their shape, signs, symmetry) is said once they are read."},
      {"E0213", "a factor that may be negative under a loss of positive models",
       "Losses such as `kl`, `itakura_saito` and `beta` are defined for W H >= 0 only. Give each "
       "factor a constraint that keeps it there: `nonneg`, `simplex`, or a `box` from 0 on."},
      {"E0214", "a transform of whole rows beside single held-out entries",
       "A transform such as `normalise` divides a row by what all of its entries add up to. "
       "Entries "
       "held out one by one would be scaled by themselves, in other units than the model's, and "
       "`heldout.` metrics would compare the two. Without such metrics the split is fine."},
      {"E0215", "a penalty that knows rows by their place beside held-out rows",
       "`smooth` on W joins each row with the next, `graph` and `fixed` name rows by their "
       "numbers. "
       "With rows held out (`split.use: rows`, `folds`, or a file of one column) those left would "
       "be joined as if they were neighbours. Sets and penalties that tie rows together without "
       "regard to their order (`unit_norm`, `orthogonal`) hold over the training rows, and new "
       "rows "
       "are taken without them."},
      {"E0300", "the data cannot be used",
       "The message says what is wrong with them. Nothing was changed and nothing was run."},
      {"E0301", "the data file is not there",
       "Paths in a spec are relative to the spec file, not to the current folder. The message "
       "shows what the path resolved to."},
      {"E0302", "the data file ends too early",
       "The head of the file announces more than follows: an interrupted download or copy."},
      {"E0303", "the data are empty",
       "There is no row, no column, or no observed entry to fit; or a split that holds out nothing "
       "or everything."},
      {"E0304", "text where a number must stand",
       "The message gives line and column in the file. Columns of names are kept out of X by "
       "`label_column` or `columns`; a first line of names needs `header: yes`."},
      {"E0305", "NaN or infinity at an observed entry",
       "A fit would turn every factor into NaN. `missing: nan` makes NaN an unobserved entry, for "
       "solvers that take masks; infinities have to be mended in the data."},
      {"E0306", "the file is not of the format, or of a variant that is not read",
       "Another reader may be meant; `assay list readers` shows them. For a model: it was not "
       "written by assay, or by a later version."},
      {"E0307", "shapes that do not fit together",
       "A mask, a matrix of weights, a fixed factor, names or new rows must have the shape the "
       "data ask for; each side of X is below 2^31."},
      {"E0310", "values outside the loss's domain",
       "A divergence between counts is not defined for negative values. Use data that were not "
       "centred, or a loss for real values. Nothing is clipped."},
      {"E0311", "the rank is larger than the data allow",
       "Singular vectors are no more than the smaller side of X, and what is made of them needs "
       "one "
       "for each component. Lower `model.rank`, or take another init or solver: most take any "
       "rank, "
       "and the log says when it is above a side of the data."},
      {"E0400", "a plugin failed",
       "The message is the plugin's own. Nothing of the step that failed was kept."},
      {"E0401", "a module cannot be loaded",
       "The file is missing, may not be read, is no shared library, or needs libraries that are "
       "not there."},
      {"E0402", "a library that is no plugin",
       "A module exports one function, `assay_plugin_main_v1`. Other libraries do not belong into "
       "a plugin folder."},
      {"E0403", "a module of another ABI",
       "The message gives both versions. Build the module with the headers of this assay, or "
       "install the assay it was built for."},
      {"E0404", "a descriptor that is not well formed",
       "For authors of plugins: a field of the module's or plugin's descriptor is missing or "
       "contradicts the header; `assay/plugin.h` says what each one holds."},
      {"E0405", "a file anybody can write",
       "Code is not loaded from places that every user of the machine may change. Take the write "
       "permission away, or move the module."},
      {"E0406", "a module that changes floating point for everybody",
       "Libraries linked with -ffast-math switch denormal numbers off in the whole process when "
       "they are loaded, and results would depend on which plugins are found. Build the module "
       "without it."},
      {"E0407", "a module's file name",
       "A module's file is called `<kind>-<id>.so` after one of its plugins, so that missing "
       "plugins can be named before anything is loaded."},
      {"E0408", "a module failed to start", "Its `init` returned an error."},
      {"E0409", "two plugins of one kind and id",
       "Ids are unique within a kind. Ids of plugins from elsewhere carry a dot, such as "
       "`acme.logcosh`."},
      {"E0410", "a step program that is not valid",
       "For authors of plugins: the program a solver, init, metric or transform declared breaks a "
       "rule of the builder. The message says which line."},
      {"E0411", "a plugin could not build its program",
       "`build` returned an error; its message is shown when it left one."},
      {"E0412", "a plugin let an exception out, or wrote where it must not",
       "For authors of plugins: a function called in a step ended in another way than by its "
       "status, or touched a buffer it did not declare for writing. Nothing of the block was "
       "kept."},
      {"E0413", "a program without the result asked for",
       "For authors of plugins: a buffer that others read must be declared with "
       "ASSAY_BUFFER_OUTPUT."},
      {"E0414", "a plugin that describes itself wrongly",
       "For authors of plugins: a fact contradicts the functions, or they each other: a loss whose "
       "`grad` is not the slope of its `value`, say. Losses are tried at some points of their "
       "domain when they are made; the message gives the function, the point and both numbers."},
      {"E0415", "a plugin folder that does not exist",
       "A folder named by `--plugin-dir` or ASSAY_PLUGIN_PATH is not there."},
      {"E0500", "a file could not be read or written",
       "The message gives the file and the reason of the operating system."},
      {"E0501", "the run folder cannot be written",
       "Runs go to `runs/NAME` below the current folder, or to `-o DIR`. The folder is tried "
       "before anything is computed."},
      {"E0502", "the disk is full",
       "What is finished stays; the file being written was not put in place of the old one. Make "
       "room, then run the same command again: it goes on."},
      {"E0503", "the run is in use by another process",
       "One process at a time works on a run folder. The message gives its process id and machine. "
       "The lock of a process that died is taken over by itself."},
      {"E0504", "a checkpoint that does not fit",
       "The checkpoint in the trial's folder was written for another program, rank or data, or is "
       "damaged. `--rerun ID` starts the trial from the beginning."},
      {"E0505", "writing failed",
       "The operating system refused to write a file of the run; the message gives its reason."},
      {"E0506", "the run has no such trial",
       "Trials are named by their id or by its first digits, six at least, as tables show them."},
      {"E0900", "a fault of assay's own",
       "This should not happen. Please report it with the spec and the message."},
      {"E0901", "numbers that are not finite",
       "A sum or a step gave NaN or infinity. The last finite factors were kept. Scaling the data, "
       "or a floor in the solver's options, usually helps."},
      {"E0902", "out of memory",
       "The plan needs more memory than there is. `assay graph SPEC` shows how much; fewer threads "
       "or a smaller rank need less."},
      {"E0903", "the machine refused threads",
       "The limit on processes or threads of this user is reached. `threads: 1` runs without "
       "further ones."},
      {"E0904", "an argument of the C API that cannot be",
       "A NULL, a stride or an element type that a function of assay.h does not take. The program "
       "that calls it has a fault."},
      {"W0111", "an option that is not read",
       "Some options belong to one method of a plugin, as its card says (`power: most "
       "iterations`), "
       "and the one chosen does not read them. In a sweep nothing is said: another combination "
       "may."},
      {"W0118", "an exclusion that leaves nothing out",
       "An entry of `exclude` matches no combination. It is often a value that was changed in "
       "`matrix` and not in `exclude`."},
  };
  return table;
}

const CodeText* find_code(const std::string& code) {
  const auto& all = code_texts();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const CodeText& c) { return code == c.code; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace assay::cli
