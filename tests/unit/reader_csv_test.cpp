// SPDX-License-Identifier: Apache-2.0
// Reader `csv`: formats that are read, and files that are not.
#include <clocale>
#include <cmath>

#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;
using Numbers = std::vector<double>;
using Words = std::vector<std::string>;

TEST_CASE("csv: header, labels, names and quotes") {
  const Folder folder;
  const auto path = folder.file(
      "a.csv",
      "\xef\xbb\xbfname,\"a, b\",c,kind\r\nx,1,2.5,red\r\n\"y \"\"z\"\"\",-3,4e2,blue\r\n");
  plugin::LoadOptions how;
  how.label_column = "kind";
  const data::Data x = good("csv", path, how, text_option("row_names", "name"));
  CHECK(x.rows == 2);
  CHECK(entries(x) == Numbers{1, 2.5, -3, 400});
  CHECK(x.names->cols == Words{"a, b", "c"});
  CHECK(x.names->labels == Words{"red", "blue"});
  CHECK(x.names->rows == Words{"x", "y \"z\""});
  CHECK(x.id.size() == 32);
}

TEST_CASE("csv: header is found, or said") {
  const Folder folder;
  const auto numbers = folder.file("n.csv", "1,2\n3,4\n");
  CHECK(good("csv", numbers).rows == 2);
  CHECK(good("csv", numbers, {}, text_option("header", "yes", ASSAY_OPT_ENUM)).names->cols ==
        Words{"1", "2"});
  const auto named = folder.file("h.csv", "a,b\n3,4\n");
  CHECK(good("csv", named).rows == 1);
  CHECK(bad(ASSAY_E_NOT_NUMERIC, "csv", named, {}, text_option("header", "no", ASSAY_OPT_ENUM))
            .place == "1:1");
  plugin::LoadOptions how;
  how.label_column = "2";
  CHECK(good("csv", folder.file("l.csv", "1,2,red\n3,4,blue\n"), how).names->labels ==
        Words{"red", "blue"});
}

TEST_CASE("csv: delimiters, blank lines, last lines") {
  const Folder folder;
  const Numbers want{1, 2, 3, 4};
  CHECK(entries(good("csv", folder.file("s.csv", "1;2\n3;4\n"))) == want);
  CHECK(entries(good("csv", folder.file("t.tsv", "1\t2\n3\t4"))) == want);
  CHECK(entries(good("csv", folder.file("b.txt", "  1   2\n\n 3 \t 4  \n\n"))) == want);
  CHECK(entries(good("csv", folder.file("p.csv", "1|2\n3|4\n"))) == want);
  CHECK(entries(good("csv", folder.file("e.csv", "1,2,\n3,4,\n"), {},
                     text_option("use_columns", "0,1"))) == want);
  CHECK(entries(good("csv", folder.file("x.csv", "1x2\n3x4\n"), {},
                     text_option("delimiter", "x"))) == want);
  bad(ASSAY_E_SPEC, "csv", folder.path("x.csv"), {}, text_option("delimiter", "long"));
  CHECK(entries(good("csv", folder.gzipped("z.csv.gz", "1,2\n3,4\n"))) == want);
}

TEST_CASE("csv: numbers are read whatever the locale") {
  const Folder folder;
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  const auto path = folder.file(
      "n.csv", "0.1,+2,-.5,1e-3,1E5,007,123456789012345678,5.,1e-400,3.141592653589793\n");
  const auto got = entries(good("csv", path));
  std::setlocale(LC_ALL, "C");
  CHECK(got == Numbers{0.1, 2, -0.5, 1e-3, 1e5, 7, 123456789012345678.0, 5, 0, 3.141592653589793});
}

TEST_CASE("csv: selected columns may stand beside text") {
  const Folder folder;
  const auto path = folder.file("a.csv", "id,a,b,c\nx,1,2,3\ny,4,5,6\n");
  plugin::LoadOptions how;
  how.columns = {"c", "a"};
  const data::Data x = good("csv", path, how);
  CHECK(entries(x) == Numbers{3, 1, 6, 4});
  CHECK(x.names->cols == Words{"c", "a"});
  how.columns = {"1:3"};
  CHECK(entries(good("csv", path, how)) == Numbers{1, 2, 4, 5});
  how.rows = "1:";
  CHECK(entries(good("csv", path, how)) == Numbers{4, 5});
  how.columns = {"d"};
  CHECK(bad(ASSAY_E_SHAPE, "csv", path, how).help.size() == 1);
  how.columns = {"a"};
  how.rows = "1:5";
  CHECK(bad(ASSAY_E_SHAPE, "csv", path, how).key == "data.rows");
}

TEST_CASE("csv: missing numbers") {
  const Folder folder;
  const auto path = folder.file("m.csv", "a,b,c\n1,,3\nNA,5,nan\n");
  const Error error = bad(ASSAY_E_NON_FINITE, "csv", path);
  CHECK(error.place == "row 1, column 2 (`b`)");
  CHECK(error.key == "data.path");
  CHECK(error.file == path);
  CHECK(error.help[0].find("missing: nan") != std::string::npos);
  plugin::LoadOptions how;
  how.missing_nan = true;
  const data::Data x = good("csv", path, how);
  CHECK(data::measure(x).entries == 3);
  CHECK(x.weight(0, 1) == 0);
  const auto marked = folder.file("q.csv", "1,?\n3,4\n");
  CHECK(data::measure(good("csv", marked, how, text_option("missing_marker", "?"))).entries == 3);
  CHECK(bad(ASSAY_E_NON_FINITE, "csv", folder.file("i.csv", "1,inf\n")).help[0].find("infinite") !=
        std::string::npos);
  CHECK(bad(ASSAY_E_EMPTY, "csv", folder.file("all.csv", "a,b\n,nan\n"), how).message ==
        "the data have no observed entry");
}

TEST_CASE("csv: files that are not read") {
  const Folder folder;
  const Error absent = bad(ASSAY_E_NO_FILE, "csv", folder.path("none.csv"));
  CHECK(absent.help.size() == 1);
  bad(ASSAY_E_NO_FILE, "csv", folder.path("."));
  bad(ASSAY_E_EMPTY, "csv", folder.file("empty.csv", ""));
  bad(ASSAY_E_EMPTY, "csv", folder.file("blank.csv", "\n \n"));
  bad(ASSAY_E_EMPTY, "csv", folder.file("head.csv", "a,b\n"));
  const Error ragged = bad(ASSAY_E_FORMAT, "csv", folder.file("r.csv", "1,2,3\n4,5\n6,7,8\n"));
  CHECK(ragged.place == "2:4");
  CHECK(ragged.found[0] == "2 fields");
  bad(ASSAY_E_FORMAT, "csv", folder.file("long.csv", "1,2\n3,4,5\n"));
  bad(ASSAY_E_TRUNCATED, "csv", folder.file("cut.csv", "1,2,3\n4,5,6\n7,8"));
  bad(ASSAY_E_TRUNCATED, "csv", folder.file("quote.csv", "1,\"2\n3,4\n"));
  const Error text = bad(ASSAY_E_NOT_NUMERIC, "csv", folder.file("t.csv", "a,b\n1,2\n3,four\n"));
  CHECK(text.place == "3:3");
  CHECK(text.found[0] == "`four`");
  CHECK(text.message == "text where a number must stand in column `b`");
  plugin::LoadOptions how;
  how.label_column = "none";
  bad(ASSAY_E_SHAPE, "csv", folder.path("t.csv"), how);
  const auto whole = folder.gzipped("cut.csv.gz", std::string(100000, '1') + ",2\n3,4\n");
  std::filesystem::resize_file(whole, std::filesystem::file_size(whole) - 9);
  bad(ASSAY_E_TRUNCATED, "csv", whole);
}

TEST_CASE("csv: float32 is kept when the run computes in it") {
  const Folder folder;
  plugin::LoadOptions how;
  how.compute = "f32";
  const data::Data x = good("csv", folder.file("a.csv", "0.1,2\n"), how);
  CHECK(x.dense.dtype == ASSAY_F32);
  CHECK(plugin::compute_type(x, "") == ASSAY_F32);
  CHECK(plugin::compute_type(x, "f64") == ASSAY_F64);
}

TEST_CASE("readers are found by name and content") {
  const Folder folder;
  const auto id = [&](const std::string& name, const std::string& bytes) {
    const plugin::Descriptor* d = plugin::find_reader(registry(), folder.file(name, bytes));
    return d ? d->id : "none";
  };
  CHECK(id("a.csv", "1,2\n") == "csv");
  CHECK(id("a.mtx", "") == "mtx");
  CHECK(id("a.dat", "%%MatrixMarket matrix") == "mtx");
  CHECK(id("a.bin", "\x93NUMPY") == "npy");
  CHECK(id("a.svm", "1 2:3") == "svmlight");
  CHECK(id("b", std::string("\0\0\x08\x03\0\0", 6)) == "idx");
  CHECK(id("c", std::string("\x01\x02", 2)) == "none");
}
