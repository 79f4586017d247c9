// SPDX-License-Identifier: Apache-2.0
// Feeds mutations of real specs to the fuzzer's target: a bounded run of it for every build.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

uint64_t next(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

// What breaks readers of YAML: structure characters, odd numbers, anchors, wide and broken
// characters.
const std::vector<std::string> kPieces = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          ":",
                                          ": ",
                                          ",",
                                          "- ",
                                          "\n",
                                          "\n  ",
                                          "#",
                                          "&a ",
                                          "*a",
                                          "<<: ",
                                          "!!int ",
                                          "|\n",
                                          ">-\n",
                                          "'",
                                          "\"",
                                          "010",
                                          "1e999",
                                          ".nan",
                                          "~",
                                          "---\n",
                                          "\t",
                                          "\xC3\xA4",
                                          "\xFF",
                                          std::string(1, '\0'),
                                          "x-",
                                          "use",
                                          "matrix: {model.rank: [1,2]}\n",
                                          "repeats: 3\n",
                                          "[[[[[[[["};

std::string mutated(std::string text, uint64_t& state) {
  const uint64_t edits = 1 + next(state) % 4;
  for (uint64_t e = 0; e < edits; ++e) {
    const size_t at = text.empty() ? 0 : next(state) % text.size();
    switch (next(state) % 4) {
      case 0:
        text.insert(at, kPieces[next(state) % kPieces.size()]);
        break;
      case 1:
        text.erase(at, 1 + next(state) % 8);
        break;
      case 2:
        text.insert(at, text.substr(at, 1 + next(state) % 40));
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("no mutation of a spec breaks its reader") {
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  REQUIRE(source != nullptr);
  uint64_t state = 88172645463325252u;
  for (const char* name : {"digits.yaml", "random_matrix.yaml", "fashion.yaml"}) {
    std::ifstream in(std::string(source) + "/configs/" + name);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    REQUIRE_FALSE(text.empty());
    for (int i = 0; i < 400; ++i) {
      const std::string one = mutated(text, state);
      CAPTURE(one);
      CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(one.data()), one.size()) == 0);
    }
  }
}
