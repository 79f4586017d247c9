// SPDX-License-Identifier: Apache-2.0
// A program's inside: the buffers and lines a plugin declared, in the order written.
#pragma once

#include <string>
#include <vector>

#include "assay/plugin.h"
#include "core/graph/plan.hpp"

namespace assay::graph {

struct BufferDecl {
  std::string name;
  int32_t axis = ASSAY_ONE, role = ASSAY_LOCAL, dtype = ASSAY_F64;
  int32_t side = -1;   // FACTOR: which
  int32_t given = -1;  // one of the host's read-only buffers
  bool zero = false, output = false;
  bool made_w = false;  // LOCAL: W, which the model does not store
  int64_t rows = 0, width = 0;
};

enum class LineKind {
  kTimes,
  kGram,
  kTerms,
  kNormals,
  kEach,
  kReport,
  kLoop,     // left: until, or ASSAY_NO; count: most turns
  kBatches,  // count: rows of a batch; flags: order
  kEnd,
  kGrid,   // count: blocks a side
  kGather  // left: indices
};

struct Line {
  LineKind kind = LineKind::kEach;
  std::string name;          // for messages: "update_w", "times -> num_w"
  int32_t axis = ASSAY_ONE;  // of the result
  assay_buf out = ASSAY_NO, left = ASSAY_NO, right = ASSAY_NO;
  uint32_t flags = 0;
  assay_terms terms{};
  assay_fn fn = nullptr;
  void* self = nullptr;  // of the plugin whose function that is
  std::vector<assay_arg> args;
  int32_t tag = 0;
  assay_buf gram = ASSAY_NO;  // kNormals; out is the right side
  int64_t count = 0;
  uint64_t stream = 0;
};

struct Program::Body {
  std::string who;  // the plugin, for messages
  std::vector<BufferDecl> buffers;
  std::vector<Line> lines;
};

// The lines that still matter when some factors are frozen: writes to frozen factors are dropped,
// then lines nothing needs. Roots: writes of unfrozen factors and of STATE, reports, OUTPUT
// buffers.
std::vector<Line> live_lines(const Program::Body& program, const bool frozen[3]);

// Every buffer a line reads, and every buffer it writes.
void line_reads(const Line& line, std::vector<assay_buf>& out);
void line_writes(const Line& line, std::vector<assay_buf>& out);

}  // namespace assay::graph
