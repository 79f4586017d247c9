// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of specs: any text gives an experiment or messages that can be drawn. A program
// of its own feeds mutations of real specs (--runs, --seed); with ASSAY_LIBFUZZER it is a libFuzzer
// target (clang, -fsanitize=fuzzer,address and the archive assay_core).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/plugin/registry.hpp"
#include "core/spec/parse.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto registry = [] {
    assay::plugin::SearchOptions none;
    none.use_builtin = false;
    auto opened = assay::plugin::Registry::open(none);  // ASSAY_PLUGIN_PATH adds plugins
    return opened ? *opened : nullptr;
  }();
  if (!registry) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  assay::spec::Overrides overrides;
  if (line != std::string::npos && text[0] == '!')
    overrides.values.push_back(text.substr(1, line - 1));
  const auto result = assay::spec::parse("fuzz.yaml", text, overrides, *registry);
  for (const auto& d : result.diagnostics) {
    if (render_text(d, result.document->sources, true).empty() ||
        render_json(d, result.document->sources).empty())
      __builtin_trap();
  }
  if (result.ok() == has_errors(result.diagnostics)) __builtin_trap();
  return 0;
}

#ifndef ASSAY_LIBFUZZER

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

int main(int argc, char** argv) {
  int64_t runs = 1000;
  uint64_t state = 88172645463325252u;
  for (int a = 1; a + 1 < argc; a += 2) {
    const std::string option = argv[a];
    if (option == "--runs") runs = std::atoll(argv[a + 1]);
    if (option == "--seed") state ^= static_cast<uint64_t>(std::atoll(argv[a + 1])) * 2654435761u;
  }
  const char* source = std::getenv("ASSAY_TEST_SOURCE");
  for (const char* name : {"digits.yaml", "random_matrix.yaml", "fashion.yaml"}) {
    std::ifstream in(std::string(source ? source : ".") + "/configs/" + name);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (text.empty()) {
      std::fprintf(stderr, "configs/%s is not there; run in the source folder\n", name);
      return 2;
    }
    for (int64_t i = 0; i < runs; ++i) {
      const std::string one = mutated(text, state);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(one.data()), one.size());
    }
  }
  std::printf("0 failures\n");
  return 0;
}

#endif
