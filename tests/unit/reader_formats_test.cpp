// SPDX-License-Identifier: Apache-2.0
// Readers `mtx`, `svmlight` and `idx`: variants that are read, and files that are not.
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;
using Numbers = std::vector<double>;
using Words = std::vector<std::string>;

namespace {

const std::string kReal = "%%MatrixMarket matrix coordinate real general\n";

std::string be32(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}
std::string idx_head(int type, const std::vector<uint32_t>& axes) {
  std::string out{'\0', '\0', static_cast<char>(type), static_cast<char>(axes.size())};
  for (const uint32_t a : axes) out += be32(a);
  return out;
}

}  // namespace

TEST_CASE("mtx: coordinates in any order") {
  const Folder folder;
  const auto path =
      folder.file("a.mtx", kReal + "% a comment\n\n3 4 4\n3 1 -2\n1 4 1.5\n1 2 7\n3 3 0\n");
  const data::Data x = good("mtx", path);
  CHECK(x.sparse);
  CHECK(x.unstored_zero);
  CHECK(x.csr.nnz == 4);  // a stored zero is an observation
  CHECK(entries(x) == Numbers{0, 7, 0, 1.5, 0, 0, 0, 0, -2, 0, 0, 0});
  CHECK(entries(good("mtx", folder.gzipped("a.mtx.gz", kReal + "1 2 1\n1 2 3\n"))) ==
        Numbers{0, 3});
  plugin::LoadOptions how;
  how.unstored = "unobserved";
  CHECK(data::measure(good("mtx", path, how)).entries == 4);
  how.unstored.clear();
  how.rows = "0:1";
  how.columns = {"3", "1"};
  CHECK(entries(good("mtx", path, how)) == Numbers{1.5, 7});
}

TEST_CASE("mtx: pattern, symmetric, integer, array") {
  const Folder folder;
  const auto head = [](const char* rest) {
    return std::string("%%MatrixMarket MATRIX ") + rest + "\n";
  };
  CHECK(entries(good("mtx", folder.file("p", head("coordinate pattern general") +
                                                 "2 2 2\n1 1\n2 2\n"))) == Numbers{1, 0, 0, 1});
  CHECK(entries(good("mtx", folder.file("s", head("coordinate integer symmetric") +
                                                 "2 2 2\n1 1 5\n2 1 3\n"))) == Numbers{5, 3, 3, 0});
  CHECK(entries(good("mtx", folder.file("k", head("coordinate real skew-symmetric") +
                                                 "2 2 1\n2 1 3\n"))) == Numbers{0, -3, 3, 0});
  const data::Data x =
      good("mtx", folder.file("d", head("array real general") + "2 3\n1\n2\n3\n4\n5\n6\n"));
  CHECK(!x.sparse);
  CHECK(entries(x) == Numbers{1, 3, 5, 2, 4, 6});
  CHECK(entries(good("mtx", folder.file("t", head("array real symmetric") + "2 2\n1\n2\n3\n"))) ==
        Numbers{1, 2, 2, 3});
}

TEST_CASE("mtx: files that are not read") {
  const Folder folder;
  const auto status = [&](int32_t want, const std::string& bytes) {
    return bad(want, "mtx", folder.file("x.mtx", bytes));
  };
  status(ASSAY_E_EMPTY, "");
  status(ASSAY_E_FORMAT, "1,2\n");
  status(ASSAY_E_FORMAT, "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 0\n");
  status(ASSAY_E_TRUNCATED, kReal);
  status(ASSAY_E_FORMAT, kReal + "2 2\n1 1 1\n");
  status(ASSAY_E_TRUNCATED, kReal + "2 2 2\n1 1 1\n");
  status(ASSAY_E_EMPTY, kReal + "0 2 0\n");
  status(ASSAY_E_FORMAT, kReal + "2 2 1\n3 1 1\n");
  status(ASSAY_E_FORMAT, kReal + "2 2 1\n0 1 1\n");
  status(ASSAY_E_FORMAT, kReal + "2 2 1\n1 1 1\n2 2 2\n");
  CHECK(status(ASSAY_E_NOT_NUMERIC, kReal + "2 2 1\n1 1 one\n").place == "3:1");
  CHECK(status(ASSAY_E_FORMAT, kReal + "2 2 2\n2 1 1\n2 1 5\n").message ==
        "an entry is stored twice");
  CHECK(status(ASSAY_E_NON_FINITE, kReal + "2 2 1\n2 1 nan\n").place == "row 2, column 1");
}

TEST_CASE("sizes a head declares are not believed") {
  const Folder folder;
  bad(ASSAY_E_TRUNCATED, "mtx",
      folder.file("a.mtx", kReal + "2000000000 2000000000 4000000000000000000\n1 1 1\n"));
  bad(ASSAY_E_FORMAT, "mtx", folder.file("b.mtx", kReal + "2000000000 2 1\n1 1 1\n"));
  bad(ASSAY_E_TRUNCATED, "mtx",
      folder.file("c.mtx", "%%MatrixMarket matrix array real general\n1000000 1000000\n1\n"));
  bad(ASSAY_E_FORMAT, "svmlight", folder.file("a.svm", "1 2000000000:1\n"));
  bad(ASSAY_E_TRUNCATED, "idx", folder.file("a.idx", idx_head(8, {60000, 4000, 4000}) + "x"));
  bad(ASSAY_E_FORMAT, "idx",
      folder.file("b.idx", idx_head(8, {4000000000u, 4000000000u, 4000000000u}) + "x"));
  bad(ASSAY_E_TRUNCATED, "idx", folder.gzipped("c.idx.gz", idx_head(8, {100, 28, 28}) + "x"));
}

TEST_CASE("svmlight: labels, comments, bases") {
  const Folder folder;
  const data::Data x =
      good("svmlight", folder.file("a.svm", "+1 1:0.5 4:2 # first\n\n-1 qid:3 2:1e2\n+1\n"));
  CHECK(x.sparse);
  CHECK(x.rows == 3);
  CHECK(entries(x) == Numbers{0.5, 0, 0, 2, 0, 100, 0, 0, 0, 0, 0, 0});
  CHECK(x.names->labels == Words{"+1", "-1", "+1"});
  CHECK(good("svmlight", folder.file("z.svm", "1 0:1 2:1\n")).cols == 3);
  CHECK(good("svmlight", folder.gzipped("a.svm.gz", "1:1 3:2\n")).cols == 3);
  plugin::Options options;
  add_number(options, "n_columns", 10);
  CHECK(good("svmlight", folder.path("a.svm"), {}, options).cols == 10);
  add_number(options, "n_columns", 2);
  bad(ASSAY_E_SHAPE, "svmlight", folder.path("a.svm"), {}, options);
  bad(ASSAY_E_FORMAT, "svmlight", folder.path("z.svm"), {},
      text_option("first_index", "one", ASSAY_OPT_ENUM));
  bad(ASSAY_E_EMPTY, "svmlight", folder.file("e.svm", "# nothing\n"));
  bad(ASSAY_E_EMPTY, "svmlight", folder.file("l.svm", "1\n-1\n"));
  bad(ASSAY_E_NOT_NUMERIC, "svmlight", folder.file("t.svm", "1 1:x\n"));
  bad(ASSAY_E_FORMAT, "svmlight", folder.file("i.svm", "1 1.5:2\n"));
  bad(ASSAY_E_FORMAT, "svmlight", folder.file("n.svm", "1 1:2 7\n"));
  bad(ASSAY_E_FORMAT, "svmlight", folder.file("d.svm", "1 1:2 1:3\n"));
}

TEST_CASE("svmlight: the first index is found, and the log says which it is") {
  const Folder folder;
  std::string said;
  const plugin::LogSink log = [&said](int32_t, const std::string& text) { said += text + "\n"; };
  plugin::LoadOptions how;
  how.log = &log;
  const auto columns = [&](const char* text, const plugin::Options& options = {}) {
    said.clear();
    return good("svmlight", folder.file("x.svm", text), how, options).cols;
  };
  CHECK(columns("1 0:1 2:1\n") == 3);
  CHECK(said.find("counted from 0") != std::string::npos);
  CHECK(columns("1 1:1 2:1\n") == 2);
  CHECK(said.find("counted from 1") != std::string::npos);
  CHECK(columns("1 1:1 2:1\n", text_option("first_index", "zero", ASSAY_OPT_ENUM)) == 3);
  CHECK(said.find("index 0") == std::string::npos);
}

TEST_CASE("idx: bytes stay bytes, mapped or gzipped") {
  const Folder folder;
  const std::string bytes =
      idx_head(8, {2, 2, 3}) + std::string("\x00\x01\x02\x03\x04\xff\x06\x07\x08\x09\x0a\x0b", 12);
  const Numbers want{0, 1, 2, 3, 4, 255, 6, 7, 8, 9, 10, 11};
  const data::Data plain = good("idx", folder.file("a.idx", bytes)),
                   packed = good("idx", folder.gzipped("a.idx.gz", bytes));
  for (const data::Data& x : {plain, packed}) {
    CHECK(x.rows == 2);
    CHECK(x.cols == 6);
    CHECK(x.dense.dtype == ASSAY_U8);
    CHECK(x.bytes() == 12);
    CHECK(entries(x) == want);
  }
  CHECK(plain.id == packed.id);
  const auto labels = folder.gzipped("l.idx.gz", idx_head(8, {2}) + "\x05\x09");
  CHECK(good("idx", folder.path("a.idx"), {}, text_option("labels", labels, ASSAY_OPT_PATH))
            .names->labels == Words{"5", "9"});
  bad(ASSAY_E_SHAPE, "idx", folder.path("a.idx"), {},
      text_option("labels", folder.file("w", idx_head(8, {3}) + "abc"), ASSAY_OPT_PATH));
  plugin::LoadOptions how;
  how.rows = "1";
  CHECK(entries(good("idx", folder.path("a.idx"), how)) == Numbers{6, 7, 8, 9, 10, 11});
  CHECK(entries(good("idx", folder.path("a.idx.gz"), how)) == Numbers{6, 7, 8, 9, 10, 11});
}

TEST_CASE("idx: other element types") {
  const Folder folder;
  CHECK(entries(good("idx", folder.file("s", idx_head(0x0B, {1, 2}) +
                                                 std::string("\xff\xfe\x01\x02", 4)))) ==
        Numbers{-2, 258});
  CHECK(entries(good("idx", folder.file("i", idx_head(0x0C, {1, 1}) + be32(0xfffffffd)))) ==
        Numbers{-3});
  CHECK(entries(good("idx", folder.file("b", idx_head(0x09, {1, 1}) + "\xff"))) == Numbers{-1});
  const data::Data f = good("idx", folder.file("f", idx_head(0x0D, {1, 1}) + be32(0x3fc00000)));
  CHECK(f.dense.dtype == ASSAY_F32);
  CHECK(entries(f) == Numbers{1.5});
  CHECK(entries(good("idx", folder.file("d", idx_head(0x0E, {1, 1}) + be32(0x3ff80000) +
                                                 be32(0)))) == Numbers{1.5});
}

TEST_CASE("idx: files that are not read") {
  const Folder folder;
  const auto status = [&](int32_t want, const std::string& bytes) {
    bad(want, "idx", folder.file("x.idx", bytes));
  };
  status(ASSAY_E_TRUNCATED, "");
  status(ASSAY_E_FORMAT, "text, not idx");
  status(ASSAY_E_FORMAT, std::string("\0\0\x07\x01\0\0\0\x01\0", 9));
  status(ASSAY_E_TRUNCATED, idx_head(8, {2, 2}) + "abc");
  status(ASSAY_E_TRUNCATED, idx_head(8, {2, 2}).substr(0, 10));
  status(ASSAY_E_EMPTY, idx_head(8, {0, 2}));
  status(ASSAY_E_EMPTY, idx_head(8, {2, 0}));
}

TEST_CASE("synthetic: size, repetition, noise") {
  plugin::Options options;
  add_number(options, "rows", 40);
  add_number(options, "columns", 30);
  add_number(options, "rank", 3);
  const data::Data x = good("synthetic", "", {}, options);
  CHECK(x.rows == 40);
  CHECK(x.cols == 30);
  CHECK(x.id == good("synthetic", "", {}, options).id);
  const data::Facts facts = data::measure(x);
  CHECK(facts.min >= 0);
  CHECK(facts.sum / 1200 == doctest::Approx(1).epsilon(0.5));
  auto other = options;
  add_number(other, "seed", 1);
  CHECK(good("synthetic", "", {}, other).id != x.id);
  for (const char* noise : {"normal", "laplace", "poisson", "gamma"}) {
    plugin::Options noisy = text_option("noise", noise, ASSAY_OPT_ENUM);
    noisy.values.insert(options.values.begin(), options.values.end());
    add_number(noisy, "sigma", 1, ASSAY_OPT_FLOAT);
    const data::Data y = good("synthetic", "", {}, noisy);
    const data::Facts dirty = data::measure(y);
    CHECK(y.id != x.id);
    CHECK(dirty.sum / 1200 == doctest::Approx(facts.sum / 1200).epsilon(0.15));
    const bool additive = noise[0] == 'n' || noise[0] == 'l';
    CHECK((dirty.negative > 0) == additive);
    if (additive) {
      double square = 0;
      for (int64_t i = 0; i < 40; ++i)
        for (int64_t j = 0; j < 30; ++j)
          square += (y.value(i, j) - x.value(i, j)) * (y.value(i, j) - x.value(i, j));
      CHECK(square / 1200 == doctest::Approx(1).epsilon(0.25));
      add_number(noisy, "clip", 1, ASSAY_OPT_BOOL);
      CHECK(data::measure(good("synthetic", "", {}, noisy)).min == 0);
    }
    if (std::string(noise) == "poisson")
      CHECK(y.value(3, 4) == static_cast<double>(static_cast<int64_t>(y.value(3, 4))));
  }
  plugin::Options narrow = text_option("dtype", "float32", ASSAY_OPT_ENUM);
  narrow.values.insert(options.values.begin(), options.values.end());
  CHECK(good("synthetic", "", {}, narrow).dense.dtype == ASSAY_F32);
  plugin::Options thin = options;
  add_number(thin, "density", 0.2, ASSAY_OPT_FLOAT);
  int64_t zeros = 0;
  for (const double v : entries(good("synthetic", "", {}, thin))) zeros += v == 0;
  CHECK(zeros > 600);
}
