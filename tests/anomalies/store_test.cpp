// SPDX-License-Identifier: Apache-2.0
// The run store under trouble: interruption, a second process, a full disk, folders that refuse,
// damaged files.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>

#include "core/experiment/files.hpp"
#include "core/experiment/run.hpp"
#include "core/report/results.hpp"
#include "core/spec/parse.hpp"

using namespace assay;
namespace fs = std::filesystem;
using experiment::Action;
using experiment::Status;

namespace {

std::shared_ptr<plugin::Registry> registry() {
  static auto shared = [] {
    auto r = plugin::Registry::open({});
    REQUIRE(r.ok());
    return *r;
  }();
  return shared;
}

constexpr const char* kSpec = R"(
assay: 1
name: store
data: { use: synthetic, rows: 80, columns: 30, rank: 4 }
model: { rank: 4, loss: kl, W: { constraint: nonneg }, H: { constraint: nonneg } }
solver: mu
stop: { max_iter: 40, rel_tol: 0 }
measure: { every: 5, metrics: [rel_error] }
matrix: { model.rank: [3, 4] }
)";

spec::Experiment parse(const std::string& text) {
  auto parsed = spec::parse("store.yaml", text, {}, *registry());
  for (const auto& d : parsed.diagnostics) INFO(d.message);
  REQUIRE(parsed.ok());
  return std::move(*parsed.experiment);
}

// A folder that goes away with the test.
struct Folder {
  std::string path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "assay-store-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::permissions(path, fs::perms::owner_all, ignored);
    fs::remove_all(path, ignored);
  }
};

// Counts steps and can raise a cancel flag.
struct Watcher : experiment::Observer {
  int64_t steps = 0, cancel_at = -1;
  std::atomic<bool> cancel{false};
  void stepped(const experiment::TrialResult&, int64_t, int64_t, double) override {
    if (++steps == cancel_at) cancel = true;
  }
};

Expected<experiment::RunResult> run(const spec::Experiment& e,
                                    const std::string& folder,
                                    Watcher& watcher,
                                    experiment::RunOptions options = {}) {
  options.folder = folder;
  options.cancel = &watcher.cancel;
  return experiment::run(e, registry(), options, watcher);
}

std::vector<std::string> models(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() != "model.npz") continue;
    out.push_back(entry.path().parent_path().filename().string() +
                  *experiment::read_file(entry.path().string()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("run: two folders hold equal models whatever the threads; a second run does nothing") {
  spec::Experiment e = parse(kSpec);
  Folder a, b;
  Watcher first, second, again;
  e.threads = 1;
  REQUIRE(run(e, a.path, first).ok());
  e.threads = 7;
  REQUIRE(run(e, b.path, second).ok());
  CHECK(models(a.path).size() == 2);
  CHECK(models(a.path) == models(b.path));
  auto result = run(e, a.path, again);
  REQUIRE(result.ok());
  CHECK(result->nothing_to_do);
  CHECK(again.steps == 0);
  CHECK(result->kept == 2);
  CHECK(result->trials[0].trace.rows.size() == 9);
  for (const char* file : {"spec.yaml", "plan.json", "environment.json", "lock"})
    CHECK(fs::exists(a.path + "/" + file));
}

TEST_CASE("run: results.csv is made from the trials, also when nothing runs") {
  const spec::Experiment e = parse(kSpec);
  Folder a;
  Watcher w;
  auto first = run(e, a.path, w);
  REQUIRE(first.ok());
  auto second = run(e, a.path, w);
  REQUIRE(second.ok());
  CHECK(report::results_csv(*first) == report::results_csv(*second));
  CHECK(report::results_csv(*first).rfind("trial,status,stop,model.rank,repeat,metric,value\n",
                                          0) == 0);
}

TEST_CASE("run: interrupted anywhere and run again gives the files of a run that was not") {
  const spec::Experiment e = parse(kSpec);
  Folder whole;
  Watcher w;
  REQUIRE(run(e, whole.path, w).ok());
  for (const int64_t cut : {1, 17, 40, 41, 79}) {
    CAPTURE(cut);
    Folder folder;
    Watcher cutter, rest;
    cutter.cancel_at = cut;
    auto first = run(e, folder.path, cutter);
    REQUIRE(first.ok());
    CHECK(first->ran <= 2);
    CHECK(cutter.steps == cut);
    auto second = run(e, folder.path, rest);
    REQUIRE(second.ok());
    CHECK(cutter.steps + rest.steps == 80);
    CHECK(models(folder.path) == models(whole.path));
  }
}

TEST_CASE("run: a folder that another process holds is refused with its owner named") {
  const spec::Experiment e = parse(kSpec);
  Folder a;
  const int fd = open((a.path + "/lock").c_str(), O_RDWR | O_CREAT, 0666);
  REQUIRE(flock(fd, LOCK_EX) == 0);
  REQUIRE(write(fd, "pid 1 on host other\n", 20) == 20);
  Watcher w;
  auto result = run(e, a.path, w);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == "E0503");
  REQUIRE(result.error().found.size() == 1);
  CHECK(result.error().found[0] == "pid 1 on host other");
  CHECK_FALSE(fs::exists(a.path + "/trials"));
  close(fd);  // the owner dies: the lock is taken over, its words notwithstanding
  CHECK(run(e, a.path, w).ok());
}

TEST_CASE("run: a full disk is an error, nothing finished is lost, and the next run goes on") {
  // A model of 3000 rows is larger than every other file of the run.
  std::string text = kSpec;
  text.replace(text.find("rows: 80"), 8, "rows: 3000");
  const spec::Experiment e = parse(text);
  Folder whole, folder;
  Watcher w;
  REQUIRE(run(e, whole.path, w).ok());
  for (const rlim_t limit : {500, 3000, 60000}) {  // bytes of any one file
    CAPTURE(limit);
    rlimit old{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    rlimit small = old;
    small.rlim_cur = limit;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    auto full = run(e, folder.path, w);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().code == "E0502");
    for (const auto& entry : fs::recursive_directory_iterator(folder.path)) {
      CHECK(entry.path().filename() != "status.json");
      CHECK(entry.path().filename() != "model.npz");
    }
  }
  REQUIRE(run(e, folder.path, w).ok());
  CHECK(models(folder.path) == models(whole.path));
}

TEST_CASE("run: a folder that cannot be made or written to is E0501") {
  const spec::Experiment e = parse(kSpec);
  Folder a;
  Watcher w;
  REQUIRE(experiment::write_file(a.path + "/file", "x").ok());
  auto under_file = run(e, a.path + "/file/run", w);
  REQUIRE_FALSE(under_file.ok());
  CHECK(under_file.error().code == "E0501");
  if (geteuid() == 0) return;  // root may write everywhere
  fs::permissions(a.path, fs::perms::owner_read | fs::perms::owner_exec);
  auto closed = run(e, a.path + "/run", w);
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().code == "E0501");
}

TEST_CASE("run: a damaged checkpoint is named, and --rerun starts anew") {
  const spec::Experiment e = parse(kSpec);
  Folder a;
  Watcher cutter, w;
  cutter.cancel_at = 12;
  auto first = run(e, a.path, cutter);
  REQUIRE(first.ok());
  const std::string id = first->trials[0].id;
  REQUIRE(experiment::write_file(a.path + "/trials/" + id + "/checkpoint.npz", "PK nonsense").ok());
  auto second = run(e, a.path, w);
  if (second.ok()) {
    CHECK(second->trials[0].status == Status::kFailed);
  } else {
    CHECK(second.error().code != "");
  }
  experiment::RunOptions options;
  options.rerun = {id.substr(0, 8)};
  auto third = run(e, a.path, w, options);
  REQUIRE(third.ok());
  CHECK(third->trials[0].status == Status::kOk);
  options.rerun = {"ffffff00"};
  auto none = run(e, a.path, w, options);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().code == "E0506");
}

TEST_CASE("run: a dry run decides and writes nothing; --only failed leaves the rest alone") {
  const spec::Experiment e = parse(kSpec);
  Folder a;
  Watcher w;
  experiment::RunOptions dry;
  dry.dry_run = true;
  auto planned = run(e, a.path + "/run", w, dry);
  REQUIRE(planned.ok());
  CHECK(planned->trials.size() == 2);
  CHECK(planned->trials[0].action == Action::kRun);
  CHECK(planned->trials[0].why == "new");
  CHECK_FALSE(fs::exists(a.path + "/run"));
  experiment::RunOptions failed;
  failed.only_failed = true;
  auto nothing = run(e, a.path + "/run", w, failed);
  REQUIRE(nothing.ok());
  CHECK(nothing->nothing_to_do);
}

TEST_CASE(
    "run: data outside the loss's domain and ranks larger than the data stop it before anything is "
    "run") {
  Folder a;
  Watcher w;
  auto big =
      run(parse("assay: 1\nname: big\ndata: { use: synthetic, rows: 8, columns: 5, rank: 2 }\n"
                "model: { rank: 6 , W: { constraint: nonneg }, H: { constraint: nonneg } "
                "}\ninit: nndsvd\nsolver: mu\n"),
          a.path + "/big", w);
  REQUIRE_FALSE(big.ok());
  CHECK(big.error().code == "E0311");
  CHECK(big.error().key == "model.rank");
  auto negative = run(
      parse(
          "assay: 1\nname: neg\ndata: { use: synthetic, rows: 20, columns: 9, rank: 2, transforms: "
          "[{ use: shift, by: -100 }] }\nmodel: { rank: 2, loss: kl, W: { constraint: nonneg }, "
          "H: { constraint: nonneg } }\nsolver: mu\n"),
      a.path + "/neg", w);
  REQUIRE_FALSE(negative.ok());
  CHECK(negative.error().code == "E0310");
  CHECK_FALSE(fs::exists(a.path + "/big"));
  CHECK_FALSE(fs::exists(a.path + "/neg"));
}
