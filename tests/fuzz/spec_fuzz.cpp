// SPDX-License-Identifier: Apache-2.0
// A libFuzzer target for the reader of specs: any text gives an experiment or messages that can be
// drawn. Build it with clang, -fsanitize=fuzzer,address and the archive assay_core; without
// libFuzzer, spec_fuzz_test.cpp feeds it mutations.
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
