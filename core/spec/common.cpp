// SPDX-License-Identifier: Apache-2.0
// Keys of the whole experiment: its name, threads, checkpoints and run time.
#include <fmt/core.h>

#include "core/spec/sections.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

// The file's name without folder and ending.
std::string stem(const std::string& file) {
  const std::string base = file.substr(file.find_last_of('/') + 1);
  const size_t dot = base.find_last_of('.');
  return dot == std::string::npos || dot == 0 ? base : base.substr(0, dot);
}

// A name is a folder's name as well.
void check_name(const Node& node, const std::string& name, Context& context) {
  const bool plain =
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
      std::string::npos;
  constexpr size_t kLongest = 100;
  if (plain && name[0] != '.' && name[0] != '-' && name.size() <= kLongest) return;
  context.out.push_back(
      Diagnostic("E0113", fmt::format("`{}` cannot name a run folder", name))
          .at(node.mark)
          .about("name")
          .with_expected(
              "letters, digits, `.`, `_` and `-`, at most 100, not beginning with `.` or `-`"));
}

void read_threads(const Node& root, Experiment& out, Context& context) {
  const Node* node = root.find("threads");
  if (!node) return;
  int64_t count = 0, trials = 1;
  if (node->is_map()) {
    const Section threads(root, "threads", context);
    threads.integer("per_trial", count);
    threads.integer("trials", trials);
    if (trials != 1)
      report_later(threads.find("trials")->mark, "threads.trials",
                   "trials that run at the same time", context);
  } else {
    Wanted wanted;
    wanted.path = "threads";
    wanted.lo = 1;
    wanted.hi = find_key("threads.per_trial")->hi;
    if (const auto value = read_int(*node, wanted, context.out)) count = *value;
  }
  out.threads = static_cast<int>(count);
}

}  // namespace

void read_common(const Node& root, const std::string& file, Experiment& out, Context& context) {
  const Section top(root, "", context);
  out.name = stem(file);
  top.text("name", out.name);
  if (const Node* name = top.find("name"); name && name->is_scalar() && !name->text.empty())
    check_name(*name, out.name, context);
  if (top.find("about")) top.text("about", out.about);
  read_threads(root, out, context);
  int64_t number = 0;
  top.integer("repeats", number);
  top.integer("seed", number);
  std::string word;
  top.word("on_incompatible", word);
  if (root.find("checkpoint")) {
    const Section checkpoint(root, "checkpoint", context);
    checkpoint.number("every_seconds", out.checkpoint_seconds);
    checkpoint.integer("every_iterations", out.checkpoint_iterations);
  }
  if (root.find("runtime")) {
    const Section runtime(root, "runtime", context);
    runtime.word("isa", out.isa);
    runtime.word("plan", out.plan);
  }
}

}  // namespace assay::spec
