// SPDX-License-Identifier: Apache-2.0
// Mark and Source: a place in the text of a spec or of a command-line argument, and that text.
#pragma once

#include <string>
#include <vector>

namespace assay::spec {

// A run of bytes of one line. Lines and columns count from 1; line 0 is nowhere (a default).
struct Mark {
  int source = 0;  // index into the document's sources
  int line = 0, col = 0, length = 1;

  bool somewhere() const { return line > 0; }
};

// The spec file (first) or an override such as `stop.max_iter=10` (the rest).
struct Source {
  std::string name;
  std::string text;
  bool command_line = false;

  // Without its line end; empty when there is no such line.
  std::string line(int number) const;
};

}  // namespace assay::spec
