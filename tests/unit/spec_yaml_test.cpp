// SPDX-License-Identifier: Apache-2.0
// The YAML that is read, and the YAML that is refused: duplicates, merge keys, tags, depth, size,
// odd numbers.
#include <doctest/doctest.h>

#include "core/spec/document.hpp"
#include "core/spec/nearest.hpp"
#include "core/spec/values.hpp"
#include "tests/unit/spec_fakes.hpp"

using assay::spec::Diagnostic;
using assay::spec::Node;

namespace {

std::optional<Node> read(const std::string& text, std::string& codes) {
  std::vector<Diagnostic> out;
  auto node = assay::spec::read_yaml(text, 0, 0, out);
  codes.clear();
  for (const Diagnostic& d : out) codes += (codes.empty() ? "" : " ") + d.code;
  return node;
}

std::string codes_of(const std::string& text) {
  std::string codes;
  (void)read(text, codes);
  return codes;
}

std::string nested(size_t depth) {
  return "a: " + std::string(depth, '[') + std::string(depth, ']') + "\n";
}

}  // namespace

TEST_CASE("values keep their text, their quotes and their place") {
  std::string codes;
  const auto root = read("a: 1e-3\nb: '010'\nc: [x, {d: e}]\n\xC3\xA4: ok\n", codes);
  REQUIRE(root);
  CHECK(codes == "");
  CHECK(root->find("a")->text == "1e-3");
  CHECK(root->find("a")->mark.line == 1);
  CHECK(root->find("a")->mark.col == 4);
  CHECK(root->find("a")->mark.length == 4);
  CHECK(root->find("b")->quoted);
  CHECK(root->find("b")->mark.length == 5);
  CHECK(find_path(*root, "c[1].d")->text == "e");
  CHECK(find_path(*root, "c[2]") == nullptr);
  CHECK(find_path(*root, "a.use")->text == "1e-3");
}

TEST_CASE("YAML nobody needs in a spec is refused") {
  CHECK(codes_of("a: 1\na: 2\n") == "E0103");
  CHECK(codes_of("a: &x {b: 1}\nc:\n  <<: *x\n") == "E0105");
  CHECK(codes_of("a: &x 1\nb: *x\n") == "");
  CHECK(codes_of("a: !!int 1\n") == "E0105");
  CHECK(codes_of("? [a, b]\n: 1\n") == "E0105");
  CHECK(codes_of("a: 1\n---\nb: 2\n") == "E0105");
  CHECK(codes_of("a: [1, 2\n") == "E0100");
  CHECK(codes_of(nested(20)) == "");
  CHECK(codes_of(nested(40)) == "E0105");
  CHECK(codes_of("a: \"x" + std::string(assay::spec::kMaxBytes, 'x') + "\"\n") == "E0105");
  CHECK(codes_of(std::string("a: b\0c\n", 7)) == "E0100");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int j = 0; j < 9; ++j) bomb += ", " + below;
    bomb += "]\n";
  }
  CHECK(codes_of(bomb) == "E0105");
}

TEST_CASE("numbers are decimal, truth values are true and false") {
  const auto integer = [](const std::string& text) {
    std::vector<Diagnostic> out;
    auto root = assay::spec::read_yaml("a: " + text, 0, 0, out);
    assay::spec::Wanted wanted;
    wanted.path = "a";
    const auto value = read_int(*root->find("a"), wanted, out);
    return value ? std::to_string(*value) : out.back().code;
  };
  CHECK(integer("12") == "12");
  CHECK(integer("-3") == "-3");
  CHECK(integer("1e3") == "1000");
  CHECK(integer("010") == "E0115");
  CHECK(integer("0x10") == "E0112");
  CHECK(integer("1.5") == "E0112");
  CHECK(integer("'12'") == "E0112");
  CHECK(integer("1_000") == "E0112");
  CHECK(integer("1e300") == "E0113");
  CHECK(integer(".inf") == "E0112");
  CHECK(integer("inf") == "E0112");
  CHECK(integer("nan") == "E0112");
  const auto truth = [](const std::string& text) {
    std::vector<Diagnostic> out;
    auto root = assay::spec::read_yaml("a: " + text, 0, 0, out);
    return read_bool(*root->find("a"), "a", out).has_value();
  };
  CHECK(truth("true"));
  CHECK_FALSE(truth("yes"));
  CHECK_FALSE(truth("True"));
  CHECK_FALSE(truth("1"));
}

TEST_CASE("a duplicate key shows both lines") {
  const auto result = fakes::parse("assay: 1\nmodel:\n  rank: 1\n  rank: 2\n");
  const std::string text = fakes::drawn(result);
  CHECK(text.find("error[E0103]: key `rank` is given twice\n"
                  "  --> specs/small.yaml:4:3\n"
                  "   |\n"
                  " 3 |   rank: 1\n"
                  "   |   ---- first time here\n"
                  " 4 |   rank: 2\n"
                  "   |   ^^^^ second time here\n") != std::string::npos);
}

TEST_CASE("the nearest name is one that could have been meant") {
  using assay::spec::edit_distance;
  using assay::spec::nearest;
  CHECK(edit_distance("hals", "hasl") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(nearest("max_itr", {"max_iter", "max_seconds"}) == "max_iter");
  CHECK(nearest("zzz", {"abc", "xy"}) == "");
  CHECK(nearest("k", {"kl"}) == "kl");
  CHECK(nearest("x", {"y"}) == "");
}

TEST_CASE("positions of JSON count characters, also behind wider ones") {
  const auto result = fakes::parse(
      "assay: 1\nabout: \"\xC3\xA4\"\nsolver: {use: gentle, pace: \xC3\xB6}\nmodel: {rank: "
      "2}\ndata: {path: x.tab}\n");
  REQUIRE(result.diagnostics.size() == 1);
  const std::string json = render_json(result.diagnostics[0], result.document->sources);
  CHECK(json.find("\"line\":3,\"col\":29,\"end_col\":30") != std::string::npos);
}

TEST_CASE("messages carry no control characters and no broken bytes to the terminal") {
  assay::spec::Diagnostic d("E0304", "text \x1b[31m\xFFx\xC3\xA4");
  d.found.emplace_back("a\tb\x01");
  CHECK(render_text(d, {}, false) == "error[E0304]: text  [31m?x\xC3\xA4\n   = found: a b \n");
}
