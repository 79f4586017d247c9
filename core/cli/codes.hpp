// SPDX-License-Identifier: Apache-2.0
// The long text of every message code, for `assay explain E0204`.
#pragma once

#include <string>
#include <vector>

namespace assay::cli {

struct CodeText {
  const char* code;
  const char* title;  // what the message says, in general
  const char* text;   // why, and what to do
};

const std::vector<CodeText>& code_texts();
const CodeText* find_code(const std::string& code);

}  // namespace assay::cli
