// SPDX-License-Identifier: Apache-2.0
// Reader `text`: folders, lines and tables, words of Unicode, n-grams, limits, and what is refused.
#include <map>

#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

using Words = std::vector<std::string>;

void add_text(plugin::Options& options, const std::string& name, const std::string& text) {
  for (const auto& [key, value] : text_option(name, text).values) options.values[key] = value;
}

// Options by name: numbers and texts.
plugin::Options with(const std::map<std::string, double>& numbers,
                     const std::map<std::string, std::string>& texts = {}) {
  plugin::Options options;
  for (const auto& [name, value] : numbers) {
    const bool flag = name == "numbers" || name == "lower_case";
    const bool fraction = name == "min_documents" || name == "max_documents";
    add_number(options, name, value,
               flag       ? ASSAY_OPT_BOOL
               : fraction ? ASSAY_OPT_FLOAT
                          : ASSAY_OPT_INT);
  }
  for (const auto& [name, value] : texts) add_text(options, name, value);
  return options;
}

data::Data lines(const std::string& text, const plugin::Options& options = {}) {
  const Folder folder;
  return good("text", folder.file("a.txt", text), {}, options);
}
Words terms(const std::string& text, const plugin::Options& options = {}) {
  return lines(text, options).names->cols;
}

}  // namespace

TEST_CASE("each line is a document of counts, columns are its words in order") {
  const data::Data x = lines("The cat saw the dog\n\nDOG eat dog\n");
  CHECK(x.sparse);
  CHECK(x.unstored_zero);
  CHECK(x.rows == 3);
  CHECK(x.names->cols == Words{"cat", "dog", "eat", "saw", "the"});
  CHECK(entries(x) == std::vector<double>{1, 1, 0, 1, 2, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0});
  CHECK(x.names->rows.empty());
  CHECK(x.csr.nnz == 6);
  const Folder folder;
  CHECK(good("text", folder.gzipped("a.txt.gz", "The cat saw the dog\n\nDOG eat dog\n")).id ==
        x.id);
  CHECK(lines("The cat saw the dog\r\n\r\nDOG eat dog").id == x.id);
  CHECK(lines("\xef\xbb\xbfThe cat saw the dog\n\nDOG eat dog\n").id == x.id);
}

TEST_CASE("words are Unicode's: folded, composed, cut at its boundaries") {
  // Sharp s folds to ss, a final sigma to sigma; a combining accent joins its letter; wide letters
  // and ligatures become plain ones.
  CHECK(terms("Stra\xc3\x9f"
              "e STRASSE") == Words{"strasse"});
  CHECK(terms("\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xce\xbf\xce\xb4\xce\xbf\xcf\x82").size() == 1);
  CHECK(terms("cafe\xcc\x81 caf\xc3\xa9") == Words{"caf\xc3\xa9"});
  CHECK(terms("\xef\xbd\x81\xef\xbd\x82 \xef\xac\x81n") == Words{"ab", "fin"});
  CHECK(terms("don't don\xe2\x80\x99t well-known x_1, (e.g.) 1984 3d") ==
        Words{"3d", "don't", "e.g", "known", "well", "x_1"});
  CHECK(terms("in 1984 at 7", with({{"numbers", 1}, {"min_length", 1}})) ==
        Words{"1984", "7", "at", "in"});
  CHECK(terms("Cat cat", with({{"lower_case", 0}})) == Words{"Cat", "cat"});
  // The order is that of bytes; length counts letters, not bytes.
  CHECK(terms("z \xc3\xa9 \xc3\xa9t\xc3\xa9 zz") == Words{"zz", "\xc3\xa9t\xc3\xa9"});
  CHECK(terms("to be or not", with({{"min_length", 3}})) == Words{"not"});
}

TEST_CASE("stop words leave before n-grams are made") {
  CHECK(terms("The state of the art", with({}, {{"stop_words", "english"}})) ==
        Words{"art", "state"});
  CHECK(terms("the state of the art", with({{"ngrams", 2}}, {{"stop_words", "english"}})) ==
        Words{"art", "state", "state art"});
  CHECK(terms("one two six ten\nten two", with({{"ngrams", 3}})) ==
        Words{"one", "one two", "one two six", "six", "six ten", "ten", "ten two", "two", "two six",
              "two six ten"});
  CHECK(entries(lines("aa bb aa bb", with({{"ngrams", 2}}))) == std::vector<double>{2, 2, 2, 1});
  const Folder folder;
  const std::string file = folder.file("stop.txt", "State\nart \n");
  CHECK(terms("the STATE of the art", with({}, {{"stop_words_path", file}})) == Words{"of", "the"});
}

TEST_CASE("terms of too few or too many documents leave, and all but the most frequent") {
  const std::string text = "aa bb cc\naa bb bb\naa dd\naa bb\n";
  CHECK(terms(text, with({{"min_documents", 2}})) == Words{"aa", "bb"});
  CHECK(terms(text, with({{"min_documents", 0.5}})) == Words{"aa", "bb"});
  CHECK(terms(text, with({{"max_documents", 0.75}})) == Words{"bb", "cc", "dd"});
  CHECK(terms(text, with({{"max_documents", 3}})) == Words{"bb", "cc", "dd"});
  CHECK(terms(text, with({{"max_terms", 3}})) == Words{"aa", "bb", "cc"});
  const data::Data x = lines(text, with({{"max_terms", 1}}));
  CHECK(entries(x) == std::vector<double>{1, 1, 1, 1});
}

TEST_CASE("a folder holds a document a file, folders in it are labels") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("docs/sport"));
  std::filesystem::create_directories(folder.path("docs/.hidden"));
  folder.file("docs/sport/one.txt", "ball game\nball");
  folder.file("docs/zebra.txt", "zoo");
  folder.file("docs/.secret", "secret");
  folder.file("docs/.hidden/x", "secret");
  const data::Data x = good("text", folder.path("docs"));
  CHECK(x.names->rows == Words{"sport/one.txt", "zebra.txt"});
  CHECK(x.names->labels == Words{"sport", ""});
  CHECK(x.names->cols == Words{"ball", "game", "zoo"});
  CHECK(entries(x) == std::vector<double>{2, 1, 0, 0, 0, 1});
}

TEST_CASE("columns of a table are documents, names and labels") {
  const Folder folder;
  const std::string tsv = folder.file("a.tsv", "7\tx y\tcats, dogs\tA\n8\tz\t\"cats\"\tB\n");
  plugin::LoadOptions how;
  how.label_column = "3";
  const data::Data x = good("text", tsv, how, with({}, {{"column", "2"}, {"name_column", "0"}}));
  CHECK(x.names->cols == Words{"cats", "dogs"});
  CHECK(x.names->rows == Words{"7", "8"});
  CHECK(x.names->labels == Words{"A", "B"});
  CHECK(terms("7\tone two\tthree\n", with({{"ngrams", 1}}, {{"column", "1, 2"}})).size() == 3);
  const std::string csv =
      folder.file("a.csv", "id,body\n1,\"first, with a comma\nand a line\"\n2,second\n");
  const data::Data y = good("text", csv, {}, with({}, {{"column", "body"}, {"name_column", "id"}}));
  CHECK(y.names->cols == Words{"and", "comma", "first", "line", "second", "with"});
  CHECK(y.names->rows == Words{"1", "2"});
}

TEST_CASE("a vocabulary and a model's columns fix the terms and their order") {
  const Folder folder;
  const std::string file = folder.file("v.txt", "ZZ\naa\n\nbb cc\n");
  const data::Data x =
      lines("aa zz aa yy\nbb cc bb\n", with({{"ngrams", 2}}, {{"vocabulary", file}}));
  CHECK(x.names->cols == Words{"zz", "aa", "bb cc"});
  CHECK(entries(x) == std::vector<double>{1, 2, 0, 0, 0, 1});
  plugin::LoadOptions how;
  how.for_model = true;
  how.model_columns = {"zz", "nowhere", "aa"};
  how.columns = {"0:1"};  // those of training: the reader has chosen already
  std::vector<std::string> said;
  const plugin::LogSink log = [&](int32_t, const std::string& line) { said.push_back(line); };
  how.log = &log;
  const data::Data y = good("text", folder.file("b.txt", "aa zz aa yy\nqq\n"), how,
                            with({{"min_documents", 5}}, {{"vocabulary", file}}));
  CHECK(y.names->cols == Words{"zz", "nowhere", "aa"});
  CHECK(entries(y) == std::vector<double>{1, 0, 2, 0, 0, 0});
  CHECK(said == Words{"2 of 5 words are unknown to the model and are left out"});
}

TEST_CASE("rows for a model of a table may be a table, lines or a folder") {
  const Folder folder;
  plugin::LoadOptions how;
  how.for_model = true;
  how.model_columns = {"cats", "dogs"};
  how.label_column = "kind";
  const plugin::Options options = with({}, {{"column", "title, body"}, {"name_column", "title"}});
  const auto counts = [&](const std::string& name, const std::string& bytes) {
    return good("text", folder.file(name, bytes), how, options);
  };
  const std::vector<double> expected = {1, 2, 0, 1};
  const data::Data whole = counts("a.csv", "kind,title,body\nA,cats,dogs dogs\nB,dogs,none\n");
  CHECK(entries(whole) == expected);
  CHECK(whole.names->labels == Words{"A", "B"});
  CHECK(whole.names->rows == Words{"cats", "dogs"});
  const data::Data part = counts("b.tsv", "body\tmore\ncats, dogs, dogs\tdogs\ndogs\tcats\n");
  CHECK(entries(part) == expected);
  CHECK(part.names->labels.empty());
  CHECK(entries(counts("c.txt", "Cats, dogs and dogs\nno cat, a dog: dogs\n")) == expected);
  std::filesystem::create_directories(folder.path("d"));
  folder.file("d/1", "cats dogs\ndogs");
  folder.file("d/2", "dogs");
  CHECK(entries(good("text", folder.path("d"), how, options)) == expected);
  // By number, commas delimit in files of that name alone.
  how.label_column.clear();
  const plugin::Options numbered = with({}, {{"column", "1"}});
  CHECK(entries(good("text", folder.file("e.csv", "x,cats dogs dogs\ny,dogs\n"), how, numbered)) ==
        expected);
  CHECK(entries(good("text", folder.file("f.txt", "dogs, cats, dogs\ndogs\n"), how, numbered)) ==
        expected);
}

TEST_CASE("what is no text is refused with its place") {
  const Folder folder;
  const auto at = [&](const std::string& name, const std::string& bytes) {
    return folder.file(name, bytes);
  };
  Error e = bad(ASSAY_E_FORMAT, "text", at("latin.txt", "fine\nna\xefve\n"));
  CHECK(e.place == "2:3");
  CHECK(e.message == "the text is not UTF-8");
  std::filesystem::create_directories(folder.path("docs"));
  at("docs/a.txt", "fine\nfine\n\xc3(");
  e = bad(ASSAY_E_FORMAT, "text", folder.path("docs"));
  CHECK(e.place == "3:1");
  CHECK(e.message == "the text is not UTF-8 (`a.txt`)");
  std::filesystem::create_directories(folder.path("empty"));
  CHECK(bad(ASSAY_E_EMPTY, "text", folder.path("empty")).message == "the folder holds no file");
  bad(ASSAY_E_NO_FILE, "text", folder.path("nowhere.txt"));
  bad(ASSAY_E_EMPTY, "text", at("nothing.txt", ""));
  CHECK(bad(ASSAY_E_EMPTY, "text", at("dots.txt", "... 1 2 3\n")).message ==
        "the documents have no words");
  e = bad(ASSAY_E_EMPTY, "text", at("few.txt", "aa bb\ncc\n"), {}, with({{"min_documents", 2}}));
  CHECK(e.message == "no term is left");
  CHECK(e.found[0] == "3 terms before `min_documents` and `max_documents`");
  e = bad(ASSAY_E_FORMAT, "text", at("ragged.tsv", "a\tb\nc\n"), {}, with({}, {{"column", "1"}}));
  CHECK(e.place == "2:1");
  e = bad(ASSAY_E_SHAPE, "text", at("t.tsv", "a\tb\nc\td\n"), {}, with({}, {{"column", "body"}}));
  CHECK(e.message == "there is no column `body` for `column`");
  bad(ASSAY_E_SPEC, "text", folder.path("t.tsv"), {}, with({}, {{"name_column", "0"}}));
  bad(ASSAY_E_NO_FILE, "text", folder.path("few.txt"), {},
      with({}, {{"stop_words_path", folder.path("nowhere")}}));
}

TEST_CASE("folders and endings of text are the reader's to claim") {
  const Folder folder;
  std::filesystem::create_directories(folder.path("docs.csv"));
  CHECK(plugin::claims(reader("text"), folder.path("docs.csv")));
  CHECK(!plugin::claims(reader("csv"), folder.path("docs.csv")));
  CHECK(plugin::claims(reader("text"), folder.path("a.tsv.gz")));
  CHECK(!plugin::claims(reader("text"), folder.path("a.npy")));
  folder.file("docs.csv/one", "a word");
  const plugin::Descriptor* found = plugin::find_reader(registry(), folder.path("docs.csv"));
  REQUIRE(found != nullptr);
  CHECK(found->id == "text");
}

TEST_CASE("counts of the abstracts are those of another counter") {
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  REQUIRE(source != nullptr);
  const std::string data = std::string(source) + "/configs/data/arxiv-abstracts/";
  const data::Data x =
      good("text", data + "abstracts.tsv.gz", {},
           with({}, {{"column", "title,abstract"}, {"vocabulary", data + "terms.txt"}}));
  const data::Data all = good("mtx", data + "docs_terms.mtx.gz");
  REQUIRE(x.rows == 1000);
  REQUIRE(x.cols == all.cols);
  // The first 100 of each 250 are the same documents; the other counter cuts words at hyphens,
  // apostrophes and digits alike, so that a few counts differ.
  double apart = 0, total = 0;
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j) {
      const double theirs = all.value(i / 100 * 250 + i % 100, j);
      apart += std::abs(x.value(i, j) - theirs);
      total += theirs;
    }
  CHECK(total > 70000);
  CHECK(apart < 0.02 * total);
}
