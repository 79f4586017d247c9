// SPDX-License-Identifier: Apache-2.0
// Error: what went wrong, where, and how to mend it, as data; core/spec and core/cli turn it into a framed message.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "assay/types.h"

namespace assay {

struct Error {
  int32_t status = ASSAY_E_INTERNAL;  // of types.h
  std::string code;                   // "E0301"; empty: derived from status
  std::string message;                // lower case, no final period
  std::string key;                    // dotted path in the spec the error is about: "data.path"
  std::string file;                   // data file the error is about
  std::string place;                  // "12:3" or "row 3, column 4" in that file
  std::vector<std::string> expected, found, help, note;

  Error() = default;
  Error(int32_t status_, std::string code_, std::string message_)
      : status(status_), code(std::move(code_)), message(std::move(message_)) {}

  Error& at(std::string k) & { key = std::move(k); return *this; }
  Error&& at(std::string k) && { key = std::move(k); return std::move(*this); }
  Error&& with_help(std::string t) && { help.push_back(std::move(t)); return std::move(*this); }
  Error&& with_note(std::string t) && { note.push_back(std::move(t)); return std::move(*this); }
  Error&& with_found(std::string t) && { found.push_back(std::move(t)); return std::move(*this); }
  Error&& with_expected(std::string t) && { expected.push_back(std::move(t)); return std::move(*this); }
};

}  // namespace assay
