// SPDX-License-Identifier: Apache-2.0
// transform treats rows as training treated them: its columns, their weights, what is not stored.
// On the training rows W can only get better, so the objective never ends above that of the fit.
#include "core/experiment/new_rows.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "core/base/number.hpp"
#include "core/data/observe.hpp"
#include "core/experiment/apply.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/run.hpp"
#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"

using namespace assay;
using namespace assay::test;
namespace fs = std::filesystem;

namespace {

struct Folder {
  std::string path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "assay-rows-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string file(const std::string& name, const std::string& text) const {
    REQUIRE(experiment::write_file(path + "/" + name, text).ok());
    return path + "/" + name;
  }
};

// Columns a, b, c ...
std::string csv(const Problem& p) {
  std::string text;
  for (int64_t j = 0; j < p.d; ++j) {
    if (j > 0) text += ',';
    text += static_cast<char>('a' + j);
  }
  for (size_t at = 0; at < p.x.size(); ++at) {
    text += at % static_cast<size_t>(p.d) ? ',' : '\n';
    text += format_shortest(p.x[at]);
  }
  return text + "\n";
}

// Entries that are zero are not stored.
std::string svmlight(const Problem& p) {
  std::string text;
  for (int64_t i = 0; i < p.n; ++i) {
    text += "1";
    for (int64_t j = 0; j < p.d; ++j) {
      const double v = p.x[static_cast<size_t>(i * p.d + j)];
      if (v != 0) text.append(fmt::format(" {}:{}", j + 1, format_shortest(v)));
    }
    text += "\n";
  }
  return text;
}

std::string spec_text(const std::string& data) {
  return "assay: 1\nname: rows\ndata: " + data +
         "\nmodel: { rank: 2, W: { constraint: nonneg }, H: { constraint: nonneg } }\n"
         "solver: mu\nstop: { max_iter: 3000, rel_tol: 0, patience: 0 }\nmeasure: { every: 1000 "
         "}\n";
}

// The objectives of a fit of `data` and of transform of the same file.
struct Both {
  double fitted, transformed;
  int64_t cols;
};
Both fit_and_transform(const Folder& folder, const std::string& data, const std::string& file) {
  auto parsed = spec::parse("rows.yaml", spec_text(data), {}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  experiment::RunOptions options;
  options.folder = folder.path + "/run";
  experiment::Observer nobody;
  auto result = experiment::run(*parsed.experiment, registry(), options, nobody);
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  const auto& trial = result->trials[0];
  const std::string model = trial.folder + "/model.npz";
  auto applied = experiment::transform(model, file, folder.path + "/W.npy", registry(), {});
  REQUIRE_MESSAGE(applied.ok(), applied.error().message);
  auto saved = experiment::read_model(model);
  REQUIRE(saved.ok());
  return {trial.trace.rows.back().objective, applied->objective, saved->find("H")->cols};
}

void never_above(const Both& both) { CHECK(both.transformed <= both.fitted * (1 + 1e-6)); }

}  // namespace

TEST_CASE("transform selects the columns of training, by name and by index") {
  const Folder folder;
  const std::string x = folder.file("x.csv", csv(random_problem(20, 6, 2)));
  for (const char* columns : {"[f, b, c, a]", "['1:5']", "[5, 0, 2]"}) {
    CAPTURE(columns);
    const Both both =
        fit_and_transform(folder, "{ use: csv, path: " + x + ", columns: " + columns + " }", x);
    CHECK(both.cols < 6);
    never_above(both);
  }
}

TEST_CASE("reconstruct gives W H in the units of the data as read") {
  const Folder folder;
  // Of rank two once it is shifted and scaled back.
  Problem p = random_problem(20, 6, 1);
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 0; j < p.d; ++j)
      p.x[static_cast<size_t>(i * p.d + j)] =
          static_cast<double>((i + 1) * (j + 2)) + 0.5 * static_cast<double>((i % 3) * (j % 2)) - 4;
  const std::string x = folder.file("x.csv", csv(p));
  fit_and_transform(folder,
                    "{ use: csv, path: " + x +
                        ", transforms: [{ use: shift, by: 4 }, { use: scale, by: 0.01 }] }",
                    x);
  std::string model;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path))
    if (entry.path().filename() == "model.npz") model = entry.path().string();
  const std::string file = folder.path + "/X.npy";
  const auto done = experiment::reconstruct(model, file, registry(), {});
  REQUIRE_MESSAGE(done.ok(), done.error().message);
  const auto X = kernels::read_npy(file);
  REQUIRE(X.ok());
  CHECK(X->rows == p.n);
  CHECK(X->cols == p.d);
  std::vector<double> values(p.x.size());
  kernels::widen(*X, values.data());
  auto saved = experiment::read_model(model);
  REQUIRE(saved.ok());
  std::vector<double> W(static_cast<size_t>(p.n * 2)), H(static_cast<size_t>(2 * p.d));
  kernels::widen(*saved->find("W"), W.data());
  kernels::widen(*saved->find("H"), H.data());
  double apart = 0, size = 0;
  for (size_t i = 0; i < static_cast<size_t>(p.n); ++i)
    for (size_t j = 0; j < static_cast<size_t>(p.d); ++j) {
      const size_t at = i * static_cast<size_t>(p.d) + j;
      const double scaled = W[2 * i] * H[j] + W[2 * i + 1] * H[static_cast<size_t>(p.d) + j];
      CHECK(values[at] == doctest::Approx(scaled / 0.01 - 4).epsilon(1e-9).scale(1));
      apart += std::abs(values[at] - p.x[at]);
      size += std::abs(p.x[at]);
    }
  CHECK(apart < 0.02 * size);
}

TEST_CASE("transform weighs columns as training did") {
  const Folder folder;
  const std::string x = folder.file("x.csv", csv(random_problem(20, 6, 2)));
  const std::string w = folder.file("w.csv", "0.001\n2\n0.001\n0\n0.5\n0.001\n");
  const Both both = fit_and_transform(
      folder, "{ use: csv, path: " + x + ", weights: { column_path: " + w + " } }", x);
  never_above(both);
}

TEST_CASE("transform takes what is not stored for what training took it") {
  const Folder folder;
  Problem p = random_problem(30, 6, 2);
  for (size_t at = 0; at < p.x.size(); at += 3) p.x[at] = 0;  // not rank 2 if these are zeros
  for (int64_t j = 0; j < p.d; ++j) p.x[static_cast<size_t>(j)] = 1;  // all columns occur
  const std::string x = folder.file("x.svm", svmlight(p));
  const std::string data = "{ use: svmlight, path: " + x + ", unstored: ";
  const Both zero = fit_and_transform(folder, data + "zero }", x);
  const Both unknown = fit_and_transform(folder, data + "unobserved }", x);
  never_above(zero);
  never_above(unknown);
  CHECK(unknown.transformed < 0.5 * zero.transformed);
  // The same model on dense rows: everything is stored.
  const std::string full = folder.file("x.csv", csv(p));
  CHECK(fit_and_transform(folder, data + "unobserved }", full).transformed > unknown.transformed);
}

TEST_CASE("rows in memory get the meaning of training, and the model's columns are taken as such") {
  const Folder folder;
  const Problem p = random_problem(20, 6, 2);
  const std::string x = folder.file("x.csv", csv(p));
  fit_and_transform(folder, "{ use: csv, path: " + x + ", columns: [b, c] }", x);
  std::string model;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path))
    if (entry.path().filename() == "model.npz") model = entry.path().string();
  auto saved = experiment::read_model(model);
  REQUIRE(saved.ok());
  auto runtime = experiment::Runtime::create(registry(), 1, "auto", "auto");
  REQUIRE(runtime.ok());
  auto trial = experiment::trial_of(*saved, *registry());
  REQUIRE(trial.ok());
  Problem two{20, 2, 2, {}};
  for (int64_t i = 0; i < p.n; ++i)
    for (int64_t j = 1; j < 3; ++j) two.x.push_back(p.x[static_cast<size_t>(i * p.d + j)]);
  experiment::Session given(*runtime), wrong(*runtime);
  given.give(dense(two));
  auto rows = experiment::load_rows(*saved, *trial, given);
  REQUIRE(rows.ok());
  CHECK((*rows)->cols == 2);
  wrong.give(dense(p));  // without names nobody knows which columns `b` and `c` are
  CHECK_FALSE(experiment::load_rows(*saved, *trial, wrong).ok());
}

TEST_CASE("a trial is another one when a file it names has other contents") {
  const Folder folder;
  const std::string x = folder.file("x.csv", csv(random_problem(5, 3, 2)));
  const auto id = [&](const std::string& more) {
    const std::string text =
        "assay: 1\nname: ids\ndata: { use: csv, path: " + x + " }\nsolver: mu\n" + more;
    auto parsed = spec::parse("ids.yaml", text, {}, *registry());
    REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
    experiment::RunOptions dry;
    dry.dry_run = true;
    dry.folder = folder.path + "/ids";
    experiment::Observer nobody;
    auto result = experiment::run(*parsed.experiment, registry(), dry, nobody);
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    return result->trials[0].id;
  };
  const auto model = [](const std::string& W) {
    return "model: { rank: 1, W: { constraint: nonneg" + W + " }, H: { constraint: nonneg } }\n";
  };
  const std::string file = folder.path + "/file.csv";
  const struct {
    const char* about;
    std::string spec, one, other;
  } cases[] = {{"fixed", model(", fixed: " + file), "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n6\n"},
               {"split", model("") + "split: { use: file, path: " + file + " }\n",
                "1,0,0\n0,0,0\n0,0,0\n0,0,0\n0,0,0\n", "0,1,0\n0,0,0\n0,0,0\n0,0,0\n0,0,0\n"},
               {"init", model("") + "init: { use: from_file, path: " + folder.path + "/W.npz }\n",
                "1", "2"}};
  // Factors of the value in `text`, for the init.
  const auto write = [&](const std::string& text) {
    folder.file("file.csv", text);
    const auto ones = [&](const char* name, int64_t rows, int64_t cols) {
      kernels::Member m;
      m.name = name;
      m.dtype = ASSAY_F64;
      m.rows = rows;
      m.cols = cols;
      const std::vector<double> values(static_cast<size_t>(rows * cols), text == "1" ? 1 : 2);
      m.bytes.resize(values.size() * sizeof(double));
      std::memcpy(m.bytes.data(), values.data(), m.bytes.size());
      return m;
    };
    REQUIRE(kernels::write_npz(folder.path + "/W.npz", {ones("W", 5, 1), ones("H", 1, 3)}, false));
  };
  for (const auto& c : cases) {
    CAPTURE(c.about);
    write(c.one);
    const std::string before = id(c.spec);
    write(c.other);
    CHECK(id(c.spec) != before);
    write(c.one);
    CHECK(id(c.spec) == before);
  }
}

TEST_CASE("a mask whose entries are no numbers is refused with their place") {
  const auto x = dense(Problem{3, 2, 1, {1, 0, 1, 1, 1, 1}});
  data::Matrix m{3, 2, {1, 0, 1, std::numeric_limits<double>::quiet_NaN(), 1, 1}};
  auto masked = data::apply_mask(*x, m);
  REQUIRE_FALSE(masked.ok());
  CHECK(masked.error().status == ASSAY_E_DATA);
  CHECK(masked.error().place == "row 2, column 2");
  m.values[3] = std::numeric_limits<double>::infinity();
  CHECK_FALSE(data::apply_mask(*x, m).ok());
  m.values[3] = 0.5;
  masked = data::apply_mask(*x, m);
  REQUIRE_FALSE(masked.ok());
  CHECK(masked.error().place == "row 2, column 2");
  CHECK(masked.error().help[0].find("data.weights") != std::string::npos);
  CHECK(data::weigh_entries(*x, m).ok());
  m.values[3] = 1;
  CHECK(data::apply_mask(*x, m).ok());
  // Weights of entries are kept as float32.
  for (const double w : {1e39, 1e-60}) {
    m.values[3] = w;
    const auto weighed = data::weigh_entries(*x, m);
    REQUIRE_FALSE(weighed.ok());
    CHECK(weighed.error().place == "row 2, column 2");
  }
}

namespace {

// A run of `text` in a folder of its own, in full.
Expected<experiment::RunResult> run_of(const Folder& folder,
                                       const std::string& text,
                                       const std::string& name) {
  auto parsed = spec::parse("spec.yaml", text, {}, *registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  experiment::RunOptions options;
  options.folder = folder.path + "/" + name;
  experiment::Observer nobody;
  return experiment::run(*parsed.experiment, registry(), options, nobody);
}

}  // namespace

TEST_CASE("held-out entries may be anything where no metric reads them") {
  const Folder folder;
  const std::string held = folder.file("held.csv", "0,0,0\n0,1,0\n0,0,0\n0,0,0\n");
  const auto attempt = [&](const std::string& value, const std::string& more) {
    const std::string x = folder.file("x.csv", "1,2,3\n4," + value + ",6\n7,8,9\n2,1,2\n");
    return run_of(folder,
                  "assay: 1\nname: held\ndata: { use: csv, path: " + x +
                      ", transforms: [log1p] }\nmodel: { rank: 2, loss: kl }\nsolver: mu\n"
                      "split: { use: file, path: " +
                      held + " }\nstop: { max_iter: 5 }\n" + more,
                  "run" + value + std::to_string(more.size()));
  };
  auto plain = attempt("5", "");
  REQUIRE_MESSAGE(plain.ok(), plain.error().message);
  for (const char* value : {"nan", "-1e9"}) {
    auto other = attempt(value, "");
    REQUIRE_MESSAGE(other.ok(), other.error().message);
    CHECK(other->trials[0].trace.rows.back().objective ==
          plain->trials[0].trace.rows.back().objective);
  }
  const std::string reads = "measure: { metrics: [objective, heldout.rmse] }\n";
  CHECK(attempt("5", reads).ok());
  const auto nan = attempt("nan", reads);
  REQUIRE_FALSE(nan.ok());
  CHECK(nan.error().message == "the data have NaN at a held-out entry");
  CHECK(nan.error().key == "data.path");
  const auto low = attempt("-1e9", reads);
  REQUIRE_FALSE(low.ok());
  CHECK(low.error().note.back().find("heldout.") != std::string::npos);
}

TEST_CASE("a split's file is 0 and 1") {
  const Folder folder;
  const std::string x = folder.file("x.csv", "1,2\n3,4\n5,6\n");
  const auto refused = [&](const std::string& mask) {
    const std::string path = folder.file("held.csv", mask);
    const auto result =
        run_of(folder,
               "assay: 1\ndata: { use: csv, path: " + x +
                   " }\nmodel: { rank: 1 }\nsolver: mu\nsplit: { use: file, path: " + path + " }\n",
               "split");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().key == "split.path");
    return result.error();
  };
  CHECK(refused("0,0\n0,0.5\n0,0\n").place == "row 2, column 2");
  CHECK(refused("1,1\n1,1\n1,1\n").help[0].find("1 holds") != std::string::npos);
}

TEST_CASE("what init, solver and metrics refuse about the data is said before anything is run") {
  const Folder folder;
  const std::string x = folder.file("x.csv", "1,2,3\n4,5,6\n7,8,9\n2,1,2\n");
  const auto spec = [&](const std::string& more) {
    return "assay: 1\ndata: { use: csv, path: " + x + " }\nstop: { max_iter: 3 }\n" + more;
  };
  const struct {
    const char *key, *text;
  } cases[] = {
      {"solver", "model: { rank: 1 }\nsolver: symmetric\n"},
      {"model.rank", "model: { rank: 4 }\ninit: nndsvd\nsolver: mu\n"},
      {"measure.metrics[1]",
       "model: { rank: 1, loss: { use: beta, beta: 0.5 } }\nsolver: mu\n"
       "measure: { metrics: [objective, log_likelihood] }\n"},
  };
  for (const auto& c : cases) {
    const auto result = run_of(folder, spec(c.text), "refused");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().key == c.key);
    CHECK_FALSE(fs::exists(folder.path + "/refused/trials"));
  }
  // A sweep goes on without them.
  const auto sweep =
      run_of(folder, spec("model: { rank: 1 }\nsolver: mu\nmatrix: { solver: [mu, symmetric] }\n"),
             "sweep");
  REQUIRE_MESSAGE(sweep.ok(), sweep.error().message);
  CHECK(sweep->failed == 1);
  CHECK(sweep->trials[0].status == experiment::Status::kOk);
  CHECK(sweep->trials[1].errors[0].key == "solver");
}

TEST_CASE("a writer that cannot draw costs no model") {
  const Folder folder;
  if (!registry()->find("writer", "image_grid")) return;
  const std::string x = folder.file("x.csv", "1,2,3\n4,5,6\n7,8,9\n");
  const auto result = run_of(folder,
                             "assay: 1\ndata: { use: csv, path: " + x +
                                 " }\nmodel: { rank: 1 }\nsolver: mu\nstop: { max_iter: 3 }\n"
                                 "writers: [{ use: image_grid, shape: [8, 8] }]\n",
                             "drawn");
  REQUIRE_MESSAGE(result.ok(), result.error().message);
  CHECK(result->trials[0].status == experiment::Status::kOk);
  CHECK(result->trials[0].errors.size() == 1);
  CHECK(result->failed == 0);
  CHECK(fs::exists(result->trials[0].folder + "/model.npz"));
}
