// SPDX-License-Identifier: Apache-2.0
// Latent semantic indexing from files to queries: the fit is LAPACK's truncated SVD of the same
// weighted counts, a training document folds in onto its own row, and queries find what they are
// about.
#include <cmath>
#include <map>

#include "core/data/tile.hpp"
#include "core/experiment/apply.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/nearest_rows.hpp"
#include "core/experiment/run.hpp"
#include "core/experiment/session.hpp"
#include "core/kernels/linalg.hpp"
#include "core/spec/parse.hpp"
#include "tests/fit/support.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using assay::samples::Folder;

namespace {

const char* const kText =
    "The human machine interface for computer applications\n"
    "A survey of user opinion of computer system response time\n"
    "The user interface management system\n"
    "System and human system engineering testing of the interface\n"
    "Relation of user perceived response time to error measurement\n"
    "The generation of random binary ordered trees\n"
    "The intersection graph of paths in trees\n"
    "Graph minors: widths of trees and well quasi ordering\n"
    "Graph minors: a survey\n";
constexpr int64_t kDocuments = 9, kRank = 2;

// A fitted model of the documents, from Deerwester and others (1990), in a folder of its own.
struct Fitted {
  Folder folder;
  std::string model;
  experiment::SavedModel saved;

  explicit Fitted(const std::string& reader = "", const std::string& text = kText) {
    const std::string spec =
        "assay: 1\nname: lsi\ndata: { use: text, path: " + folder.file("documents.tsv", text) +
        ", stop_words: english, min_documents: 2" + reader +
        ", transforms: [tfidf, normalise] }\nmodel: { rank: 2 }\nsolver: { use: svd, method: "
        "lanczos }\n";
    auto parsed = spec::parse("lsi.yaml", spec, {}, *test::registry());
    REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
    experiment::RunOptions options;
    options.folder = folder.path("run");
    experiment::Observer nobody;
    auto result = experiment::run(*parsed.experiment, test::registry(), options, nobody);
    REQUIRE_MESSAGE(result.ok(), result.error().message);
    REQUIRE_MESSAGE(!result->trials.empty(), "no trial");
    model = result->trials[0].folder + "/model.npz";
    auto read = experiment::read_model(model);
    REQUIRE_MESSAGE(read.ok(), read.error().message);
    saved = std::move(*read);
  }
};

std::vector<double> numbers(const kernels::Member& m) {
  const graph::Buffer b = experiment::storage_view(m, 0);
  std::vector<double> out;
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t j = 0; j < b.width; ++j) out.push_back(b.get(i, j));
  return out;
}

}  // namespace

TEST_CASE("LSI is LAPACK's truncated SVD of the same weighted counts") {
  const Fitted f;
  const auto names = experiment::names_of(f.saved);
  const auto d = static_cast<int64_t>(names.cols.size());
  CHECK(names.cols == std::vector<std::string>{"computer", "graph", "human", "interface", "minors",
                                               "response", "survey", "system", "time", "trees",
                                               "user"});
  // Counts and weights once more, by hand.
  std::vector<double> x;
  std::istringstream lines(kText);
  for (std::string line; std::getline(lines, line);) {
    for (char& c : line)
      c = std::isalpha(static_cast<unsigned char>(c))
              ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
              : ' ';
    std::istringstream words(line);
    std::map<std::string, double> count;
    for (std::string word; words >> word;) count[word] += 1;
    for (const std::string& name : names.cols) x.push_back(count[name]);
  }
  for (int64_t j = 0; j < d; ++j) {
    double df = 0;
    for (int64_t i = 0; i < kDocuments; ++i) df += x[static_cast<size_t>(i * d + j)] > 0;
    for (int64_t i = 0; i < kDocuments; ++i)
      x[static_cast<size_t>(i * d + j)] *= std::log((1 + kDocuments) / (1 + df)) + 1;
  }
  for (int64_t i = 0; i < kDocuments; ++i) {
    double squares = 0;
    for (int64_t j = 0; j < d; ++j) squares += std::pow(x[static_cast<size_t>(i * d + j)], 2);
    for (int64_t j = 0; j < d; ++j) x[static_cast<size_t>(i * d + j)] /= std::sqrt(squares);
  }
  std::vector<double> a = x, u(kDocuments * kDocuments), s(kDocuments),
                      vt(static_cast<size_t>(kDocuments * d));
  REQUIRE(kernels::la_table()->svd(kDocuments, d, a.data(), d, u.data(), kDocuments, s.data(),
                                   vt.data(), d) == ASSAY_OK);
  const auto W = numbers(*f.saved.find("W")), H = numbers(*f.saved.find("H"));
  for (int64_t c = 0; c < kRank; ++c) {
    double best = 0;  // the sign of the vectors is free
    for (int64_t j = 0; j < d; ++j)
      best += H[static_cast<size_t>(c * d + j)] * vt[static_cast<size_t>(c * d + j)];
    const double sign = best < 0 ? -1 : 1;
    for (int64_t j = 0; j < d; ++j)
      CHECK(std::abs(H[static_cast<size_t>(c * d + j)] -
                     sign * vt[static_cast<size_t>(c * d + j)]) < 1e-10);
    for (int64_t i = 0; i < kDocuments; ++i)
      CHECK(std::abs(W[static_cast<size_t>(i * kRank + c)] -
                     sign * u[static_cast<size_t>(i * kDocuments + c)] *
                         s[static_cast<size_t>(c)]) < 1e-10);
  }
}

TEST_CASE("LSI of abstracts has LAPACK's singular values and vectors") {
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  REQUIRE(source != nullptr);
  const std::string text =
      "assay: 1\nname: lsi\ndata: { use: text, path: " + std::string(source) +
      "/configs/data/arxiv-abstracts/abstracts.tsv.gz, column: abstract, rows: '0:150', "
      "stop_words: english, min_documents: 20, transforms: [{ use: tfidf, tf: log }, normalise] }\n"
      "model: { rank: 20 }\nsolver: { use: svd, method: lanczos }\n";
  auto parsed = spec::parse("lsi.yaml", text, {}, *test::registry());
  REQUIRE_MESSAGE(parsed.ok(), parsed.diagnostics.front().message);
  const spec::Trial& trial = parsed.experiment->trials[0];
  auto runtime = experiment::Runtime::create(test::registry(), 2, "auto", "auto");
  REQUIRE(runtime.ok());
  experiment::Session session(*runtime);
  const auto raw = session.load(trial);
  REQUIRE_MESSAGE(raw.ok(), raw.error().message);
  test::Fixture f(*raw, trial);
  f.run();
  const data::Data& x = *f.data.train;
  constexpr int64_t k = 20;
  const int64_t n = x.rows, d = x.cols, r = std::min(n, d);
  std::vector<double> a(static_cast<size_t>(n * d)), u(static_cast<size_t>(n * r)),
      s(static_cast<size_t>(r)), vt(static_cast<size_t>(r * d));
  data::load<double>(x, 0, n, 0, d, a.data(), d);
  REQUIRE(kernels::la_table()->svd(n, d, a.data(), d, u.data(), r, s.data(), vt.data(), d) ==
          ASSAY_OK);
  const std::vector<double> W = f.factor(0), H = f.factor(1);
  for (int64_t c = 0; c < k; ++c) {
    double length = 0, angle = 0;
    for (int64_t i = 0; i < n; ++i) length += std::pow(W[static_cast<size_t>(i * k + c)], 2);
    for (int64_t j = 0; j < d; ++j)
      angle += H[static_cast<size_t>(j * k + c)] * vt[static_cast<size_t>(c * d + j)];
    const double sigma = s[static_cast<size_t>(c)];
    CHECK(std::abs(std::sqrt(length) - sigma) < 1e-10 * sigma);
    CHECK(std::abs(angle) > 1 - 1e-9);
  }
}

TEST_CASE("a training document folds in onto its own row, and is nearest to itself") {
  const Fitted f;
  const std::string out = f.folder.path("W.npz");
  auto done =
      experiment::transform(f.model, f.folder.path("documents.tsv"), out, test::registry(), {});
  REQUIRE_MESSAGE(done.ok(), done.error().message);
  const auto members = kernels::read_npz(out);
  REQUIRE(members.ok());
  const auto again = numbers(members->front()), W = numbers(*f.saved.find("W"));
  REQUIRE(again.size() == W.size());
  for (size_t e = 0; e < W.size(); ++e) CHECK(std::abs(again[e] - W[e]) < 1e-12);
  const auto near =
      experiment::nearest_rows(f.model, f.folder.path("documents.tsv"), 2, test::registry(), {});
  REQUIRE(near.ok());
  REQUIRE(near->of.size() == kDocuments);
  for (const auto& of : near->of) {
    REQUIRE(of.size() == 2);
    CHECK(of[0].cosine == 1);  // whatever the build's rounding
    CHECK(of[0].cosine >= of[1].cosine);
  }
}

TEST_CASE("queries find documents that share a meaning and no word") {
  const Fitted f(", column: 1, name_column: 0", [] {
    std::istringstream lines(kText);
    std::string out;
    int number = 0;
    for (std::string line; std::getline(lines, line);)
      out.append("d").append(std::to_string(++number)).append("\t").append(line).append("\n");
    return out;
  }());
  std::vector<std::string> said;
  experiment::ApplyOptions options;
  options.log = [&](int32_t level, const std::string& text) {
    if (level == ASSAY_LOG_WARNING) said.push_back(text);
  };
  const std::string queries =
      f.folder.file("queries.txt", "human computer interaction\ntrees\nnothing of it\n");
  const auto near = experiment::nearest_rows(f.model, queries, 100, test::registry(), options);
  REQUIRE_MESSAGE(near.ok(), near.error().message);
  REQUIRE(near->of.size() == 3);
  CHECK(near->rows[0] == "d1");
  CHECK(said == std::vector<std::string>{"1 of 4 words are unknown to the model and are left out"});
  // The first five documents are about people and machines; the third and fifth lack both words.
  REQUIRE(near->of[0].size() == kDocuments);
  for (size_t place = 0; place < 5; ++place) CHECK(near->of[0][place].row < 5);
  for (size_t place = 0; place < 3; ++place) CHECK(near->of[1][place].row >= 5);
  CHECK(near->of[2].empty());
}

TEST_CASE("reconstruct says that it stays in the units after normalise") {
  const Fitted f;
  const auto done = experiment::reconstruct(f.model, f.folder.path("X.npz"), test::registry(), {});
  REQUIRE(done.ok());
  CHECK(done->units == "normalise");
  const auto members = kernels::read_npz(f.folder.path("X.npz"));
  REQUIRE(members.ok());
  const auto X = numbers(members->front()), W = numbers(*f.saved.find("W")),
             H = numbers(*f.saved.find("H"));
  double first = 0;
  for (size_t a = 0; a < kRank; ++a) first += W[a] * H[a * (H.size() / kRank)];
  CHECK(X[0] == doctest::Approx(first));
}
