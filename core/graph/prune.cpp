// SPDX-License-Identifier: Apache-2.0
// Freeze and prune: transform, held-out scores and known dictionaries run the lines that are left.
#include <algorithm>

#include "core/graph/program.hpp"

namespace assay::graph {

void line_reads(const Line& line, std::vector<assay_buf>& out) {
  const auto add = [&out](assay_buf b) {
    if (b >= 0) out.push_back(b);
  };
  switch (line.kind) {
    case LineKind::kTimes:
    case LineKind::kGram:
    case LineKind::kReport:
    case LineKind::kNormals:
    case LineKind::kLoop:
    case LineKind::kGather:
      add(line.left);
      add(line.right);
      break;
    case LineKind::kTerms:
      add(line.terms.left);
      add(line.terms.right);
      break;
    case LineKind::kEach:
    case LineKind::kGrid:
      for (const assay_arg& a : line.args)
        if (a.access & ASSAY_IN) add(a.buffer);
      break;
    case LineKind::kBatches:
    case LineKind::kEnd:
      break;
  }
}

void line_writes(const Line& line, std::vector<assay_buf>& out) {
  const auto add = [&out](assay_buf b) {
    if (b >= 0) out.push_back(b);
  };
  switch (line.kind) {
    case LineKind::kTimes:
    case LineKind::kGram:
    case LineKind::kGather:
      add(line.out);
      break;
    case LineKind::kTerms:
      add(line.terms.out0);
      add(line.terms.out1);
      add(line.terms.value);
      break;
    case LineKind::kNormals:
      add(line.out);
      add(line.gram);
      break;
    case LineKind::kEach:
    case LineKind::kGrid:
      for (const assay_arg& a : line.args)
        if (a.access & (ASSAY_OUT | ASSAY_ADD)) add(a.buffer);
      break;
    case LineKind::kReport:
    case LineKind::kLoop:
    case LineKind::kBatches:
    case LineKind::kEnd:
      break;
  }
}

namespace {

// For a loop or batches the line of its end, for other lines themselves.
std::vector<size_t> matching_ends(const std::vector<Line>& lines) {
  std::vector<size_t> ends(lines.size()), open;
  for (size_t i = 0; i < lines.size(); ++i) {
    ends[i] = i;
    if (lines[i].kind == LineKind::kLoop || lines[i].kind == LineKind::kBatches) open.push_back(i);
    if (lines[i].kind != LineKind::kEnd || open.empty()) continue;
    ends[open.back()] = i;
    open.pop_back();
  }
  return ends;
}

}  // namespace

std::vector<Line> live_lines(const Program::Body& program, const bool frozen[3]) {
  std::vector<char> needed(program.buffers.size(), 0);
  std::vector<char> keep(program.lines.size(), 0);
  const auto is_frozen = [&](assay_buf b) {
    const int32_t side = program.buffers[static_cast<size_t>(b)].side;
    return side >= 0 && frozen[side];
  };
  // Backwards to a fixed point: a buffer read early in a step may have been written late in the
  // step before.
  const std::vector<size_t> ends = matching_ends(program.lines);
  bool changed = true;
  while (changed) {
    changed = false;
    for (size_t i = program.lines.size(); i-- > 0;) {
      if (keep[i]) continue;
      const Line& line = program.lines[i];
      std::vector<assay_buf> writes;
      line_writes(line, writes);
      if (line.kind == LineKind::kEnd) continue;  // goes with what it ends
      bool live = line.kind == LineKind::kReport;
      for (size_t j = i; j < ends[i]; ++j) live = live || keep[j];
      for (const assay_buf b : writes) {
        const BufferDecl& d = program.buffers[static_cast<size_t>(b)];
        live = live || d.output || d.role == ASSAY_STATE ||
               (d.role == ASSAY_FACTOR && !is_frozen(b)) || needed[static_cast<size_t>(b)];
      }
      if (!live) continue;
      keep[i] = keep[ends[i]] = 1;
      changed = true;
      std::vector<assay_buf> reads;
      line_reads(line, reads);
      for (const assay_buf b : reads) needed[static_cast<size_t>(b)] = !is_frozen(b);
    }
  }
  std::vector<Line> lines;
  for (size_t i = 0; i < program.lines.size(); ++i)
    if (keep[i]) lines.push_back(program.lines[i]);
  return lines;
}

}  // namespace assay::graph
