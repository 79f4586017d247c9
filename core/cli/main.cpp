// SPDX-License-Identifier: Apache-2.0
// The tool `assay`: the command line, one verb per command. The only file that sees CLI11.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "core/base/number.hpp"
#include "core/base/version.hpp"
#include "core/cli/verbs.hpp"
#include "core/spec/nearest.hpp"

namespace assay::cli {
namespace {

// A verb with its flags, which live as long as its action.
template <class Flags>
struct Verb {
  CLI::App* app;
  std::shared_ptr<Flags> flags;
};

void add_common(CLI::App& verb, Tool& tool) {
  verb.add_option("--plugin-dir", tool.plugin_dirs, "search this folder for plugins first")
      ->type_name("DIR")
      ->allow_extra_args(false);
  verb.add_flag("--json", tool.json, "one JSON object per line");
  verb.add_flag("--quiet", tool.quiet, "no progress");
}

template <class Flags>
Verb<Flags> add_verb(CLI::App& app,
                     Tool& tool,
                     const char* name,
                     const char* what,
                     int (*act)(const Tool&, const Flags&)) {
  Verb<Flags> verb{app.add_subcommand(name, what), std::make_shared<Flags>()};
  verb.app->final_callback([&tool, flags = verb.flags, act] {
    tool.action = [&tool, flags, act] { return act(tool, *flags); };
  });
  return verb;
}

void add_verb(CLI::App& app,
              Tool& tool,
              const char* name,
              const char* what,
              int (*act)(const Tool&)) {
  CLI::App* verb = app.add_subcommand(name, what);
  add_common(*verb, tool);
  verb->final_callback([&tool, act] { tool.action = [&tool, act] { return act(tool); }; });
}

void add_run(CLI::App& app, Tool& tool) {
  const auto [verb, flags] =
      add_verb(app, tool, "run", "check an experiment, then run what is missing of it", run);
  verb->add_option("spec", flags->spec, "spec file")->required()->type_name("SPEC");
  verb->add_option("overrides", flags->overrides,
                   "values that go before the file's, such as model.rank=8")
      ->type_name("KEY=VALUE ...");
  verb->add_option("-o,--output", flags->folder, "the run folder itself (default: runs/NAME)")
      ->type_name("DIR");
  verb->add_option("--grid", flags->grid, "try each value of a key")
      ->type_name("KEY=A,B")
      ->allow_extra_args(false);
  verb->add_flag("--dry-run", flags->dry_run, "show the trials, run nothing");
  verb->add_flag("--why", flags->why, "say of each trial why it is run or kept");
  verb->add_option("--only", flags->only, "run failed and diverged trials again, nothing else")
      ->type_name("failed")
      ->check(CLI::IsMember({"failed"}));
  verb->add_option("--rerun", flags->rerun, "run this trial again")
      ->type_name("ID")
      ->allow_extra_args(false);
  verb->add_flag("--fail-fast", flags->fail_fast, "stop after the first trial that fails");
  add_common(*verb, tool);
}

void add_validate(CLI::App& app, Tool& tool) {
  const auto [verb, flags] =
      add_verb(app, tool, "validate", "check specs; nothing is run", validate);
  verb->add_option("specs", flags->specs, "spec files")->required()->type_name("SPEC ...");
  verb->add_flag("--data", flags->data, "open the data as well");
  add_common(*verb, tool);
}

void add_list(CLI::App& app, Tool& tool) {
  const auto [verb, flags] =
      add_verb(app, tool, "list", "plugins, of one kind or of all, or stored runs", list);
  verb->add_option(
      "what", flags->what,
      "losses, penalties, inits, solvers, readers, transforms, metrics, writers or runs");
  verb->add_option("--loss", flags->loss, "solvers that can minimise this loss")->type_name("ID");
  verb->add_option("--accepts", flags->accepts,
                   "solvers for such data: sparse, masked, weighted, unobserved")
      ->delimiter(',')
      ->type_name("WORD,...");
  verb->add_option("--in", flags->runs, "folder with runs")
      ->type_name("DIR")
      ->capture_default_str();
  add_common(*verb, tool);
}

void add_explain(CLI::App& app, Tool& tool) {
  const auto [verb, flags] =
      add_verb(app, tool, "explain",
               "a plugin's card, an error code, or where a trial's values came from", explain);
  verb->add_option("what", flags->what, "plugin id, code such as E0204, or run folder")
      ->required()
      ->type_name("ID|CODE|RUN");
  verb->add_option("--trial", flags->trial, "trial of the run")->type_name("ID");
  add_common(*verb, tool);
}

void add_graph(CLI::App& app, Tool& tool) {
  const auto [verb, flags] =
      add_verb(app, tool, "graph", "the plan of a step, in words and as DOT", graph);
  verb->add_option("spec", flags->spec, "spec file")->required()->type_name("SPEC");
  verb->add_option("overrides", flags->overrides, "values that go before the file's")
      ->type_name("KEY=VALUE ...");
  verb->add_option("--trial", flags->trial, "which trial, counted from 0")
      ->type_name("N")
      ->capture_default_str();
  verb->add_flag("--dot", flags->dot, "DOT only, for Graphviz");
  verb->add_option("--trace", flags->trace,
                   "run a few steps and write when each node ran, as a Chrome trace")
      ->type_name("FILE");
  add_common(*verb, tool);
}

void add_apply(CLI::App& app, Tool& tool) {
  const auto [forth, new_rows] =
      add_verb(app, tool, "transform", "apply a saved model to new rows", transform);
  const auto [which, clustered] =
      add_verb(app, tool, "predict", "the cluster of each new row under a saved model", predict);
  const auto [on, more_rows] =
      add_verb(app, tool, "partial-fit", "go on fitting a saved model over new rows", partial_fit);
  const auto [near, queries] =
      add_verb(app, tool, "nearest", "the rows of a model most similar to new rows", nearest);
  const auto [left, observed] = add_verb(
      app, tool, "residual", "what a saved model leaves of data, as a sparse matrix", residual);
  for (const auto& [verb, flags] :
       {std::pair(forth, new_rows), std::pair(which, clustered), std::pair(on, more_rows),
        std::pair(near, queries), std::pair(left, observed)}) {
    verb->add_option("model", flags->model, "model.npz of a trial")->required()->type_name("MODEL");
    verb->add_option("data", flags->data, "file with the new rows")->required()->type_name("DATA");
    verb->add_option("--reader", flags->reader,
                     "reader of the data (default: as in training, else by suffix)")
        ->type_name("ID");
    verb->add_option("--threads", flags->threads, "threads (default: all cores)")->type_name("N");
  }
  on->add_option("--steps", more_rows->steps, "most steps; 0: the model's own stop tests")
      ->type_name("N")
      ->capture_default_str();
  clustered->output = "labels.csv";
  which
      ->add_option("-o,--output", clustered->output,
                   "file to write: .csv (rows by name or counted from 1, labels from 0), "
                   ".npy or .npz")
      ->type_name("FILE")
      ->capture_default_str();
  add_common(*which, tool);
  more_rows->output = "model.npz";
  on->add_option("-o,--output", more_rows->output, "model to write, .npz")
      ->type_name("FILE")
      ->capture_default_str();
  add_common(*on, tool);
  near->add_option("--top", queries->top, "how many of them")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  near->add_flag("--csv", queries->csv, "CSV instead of a table");
  add_common(*near, tool);
  left->add_option("--threshold", observed->threshold,
                   "x - m of at most this size is left out, what is larger comes this much nearer "
                   "0 (default: the delta of the loss huber); 0: all of it")
      ->type_name("T")
      ->check([](const std::string& text) {
        const auto value = parse_double(text);
        return value && *value >= 0 && *value <= 1e300 ? std::string()
                                                       : "must be a number from 0 on";
      });
  left->add_option("--mask", observed->mask,
                   "file with 1 for an observed entry and 0 for a hidden one")
      ->type_name("FILE");
  observed->output = "residual.mtx";
  left->add_option("-o,--output", observed->output, "file to write: .mtx or .csv")
      ->type_name("FILE")
      ->capture_default_str();
  add_common(*left, tool);
  const auto [back, known] =
      add_verb(app, tool, "reconstruct", "the model's approximation of its data", reconstruct);
  const auto [drawn, made] =
      add_verb(app, tool, "sample", "rows drawn from a fitted mixture", sample);
  drawn->add_option("model", made->model, "model.npz of a trial")->required()->type_name("MODEL");
  drawn->add_option("--rows", made->rows, "how many of them")
      ->type_name("N")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str();
  drawn->add_option("--seed", made->seed, "of the random numbers")
      ->type_name("S")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  made->output = "sample.csv";
  back->add_option("model", known->model, "model.npz of a trial")->required()->type_name("MODEL");
  new_rows->output = "transformed.npy";
  known->output = "reconstructed.npy";
  for (const auto& [verb, flags] :
       {std::pair(forth, new_rows), std::pair(back, known), std::pair(drawn, made)}) {
    verb->add_option("-o,--output", flags->output, "file to write: .npy, .npz or .csv")
        ->type_name("FILE")
        ->capture_default_str();
    add_common(*verb, tool);
  }
}

void add_init(CLI::App& app, Tool& tool) {
  const auto [verb, flags] = add_verb(app, tool, "init", "a commented spec to start from", init);
  verb->add_option("file", flags->output, "where to write it (default: to the terminal)")
      ->type_name("FILE");
  verb->add_option("--data", flags->data, "the data file it names")
      ->type_name("PATH")
      ->capture_default_str();
  verb->add_flag("--force", flags->force, "replace an existing file");
  add_common(*verb, tool);
}

void add_bench(CLI::App& app, Tool& tool) {
  const auto [verb, flags] = add_verb(
      app, tool, "bench", "measure the machine, and each solver's fraction of its limit", bench);
  verb->add_option("solver", flags->solver, "one solver only")->type_name("ID");
  verb->add_option("--seconds", flags->seconds, "time per measurement")
      ->type_name("S")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 600.0));
  verb->add_option("--budget", flags->budget,
                   fmt::format("time per solver, shared by its losses (default: {}, and no end "
                               "where one solver is named)",
                               kBenchBudget))
      ->type_name("S")
      ->check(CLI::Range(0.1, 3600.0));
  verb->add_option("--threads", flags->threads, "threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  add_common(*verb, tool);
}

// What was mistyped, with the nearest verb.
Error unknown_verb(const CLI::App& app, const std::string& word) {
  auto error = usage("E0001", fmt::format("there is no verb `{}`", word));
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  const std::string near = spec::nearest(word, verbs);
  error.help.push_back(near.empty() ? "verbs are " + spec::quoted_list(verbs, 30)
                                    : fmt::format("a verb with a similar name exists: `{}`", near));
  return error;
}

// CLI11 begins with a capital and may end with a full stop or a line end.
std::string in_our_style(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.size() > 1 && upper(text[0]) && !upper(text[1]))
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

int refuse(const Tool& tool, const CLI::App& app, const CLI::ParseError& e, int argc, char** argv) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty() && argc > 1 && argv[1][0] != '-') return tool.show(unknown_verb(app, argv[1]));
  auto error = usage("E0001", in_our_style(e.what()));
  error.help.push_back(fmt::format("`assay {}--help` lists what can be given",
                                   chosen.empty() ? "" : chosen.front()->get_name() + " "));
  return tool.show(error);
}

int run_tool(int argc, char** argv) {
  Tool tool;
  tool.look();
  tool.command = "assay";
  for (int i = 1; i < argc; ++i) tool.command += " " + quoted(argv[i]);

  CLI::App app{
      "finds the parts a data matrix is made of: factorizations with losses, constraints and "
      "algorithms as plugins",
      "assay"};
  app.set_version_flag("--version", std::string("assay ") + version());
  app.require_subcommand(0, 1);
  app.footer(
      "\nStart with `assay init first.yaml` and `assay run first.yaml`; `assay VERB --help` "
      "describes a verb.");
  add_run(app, tool);
  add_validate(app, tool);
  add_list(app, tool);
  add_explain(app, tool);
  add_graph(app, tool);
  add_apply(app, tool);
  add_verb(app, tool, "schema", "the JSON Schema (draft 7) of a spec, plugins found included",
           schema);
  add_verb(app, tool, "doctor", "the machine, and where plugins are searched", doctor);
  add_init(app, tool);
  add_bench(app, tool);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return refuse(tool, app, e, argc, argv);
  }
  if (!tool.action) {
    tool.out(app.help());
    return argc > 1 ? kUsage : kOk;
  }
  const int code = tool.action();
  return std::fflush(stdout) == 0 ? code : kUnusable;
}

}  // namespace
}  // namespace assay::cli

int main(int argc, char** argv) {
  try {
    return assay::cli::run_tool(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error[E0900]: a fault of assay's own: %s\n", e.what());
    return assay::cli::kFault;
  }
}
