// SPDX-License-Identifier: Apache-2.0
// The plan in words, as DOT, and its times as a Chrome trace.
#include "core/graph/words.hpp"

#include <fmt/format.h>

namespace assay::graph {

namespace {

const char* axis_name(int32_t axis) {
  return axis == ASSAY_ROWS ? "rows" : axis == ASSAY_COLS ? "columns" : "one";
}

std::string names_of(const Layout& layout, const Op& op) {
  std::string out;
  for (const int b : {op.out0, op.out1, op.value}) {
    if (b < 0) continue;
    const PlanBuffer& p = layout.buffers[static_cast<size_t>(b)];
    out += (out.empty() ? "" : ", ") + p.decl.name.substr(0, p.decl.name.find('#'));
  }
  return out;
}

std::string bytes_text(double b) {
  if (b >= 1e9) return fmt::format("{:.2f} GB", b / 1e9);
  if (b >= 1e6) return fmt::format("{:.1f} MB", b / 1e6);
  return fmt::format("{:.1f} kB", b / 1e3);
}

std::string escape(const std::string& s) {
  std::string out;
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

void describe(const Layout& layout, int sweep, const std::string& margin, std::string& out) {
  const Stage& s = layout.stages[static_cast<size_t>(sweep)];
  if (s.blocks > 0) {
    if (s.round > 0) return;
    out += fmt::format(
        "{}{}. {} rounds of {} blocks that share no row and no column, in {} lanes, reads X ({})\n",
        margin, sweep + 1, s.blocks, s.blocks, s.lanes,
        bytes_text(s.x_bytes * static_cast<double>(s.blocks)));
  } else if (s.axis == ASSAY_ONE) {
    out += fmt::format("{}{}. once\n", margin, sweep + 1);
  } else {
    out += fmt::format("{}{}. sweep over {} {}: {} tiles of {} in {} lanes", margin, sweep + 1,
                       s.length, axis_name(s.axis), s.tiles, s.tile, s.lanes);
    if (s.reads_x) out += fmt::format(", reads X ({})", bytes_text(s.x_bytes));
    if (s.partial > 0)
      out += fmt::format(", {} of sums a lane", bytes_text(8.0 * static_cast<double>(s.partial)));
    out += '\n';
  }
  for (const Op& op : s.ops) {
    const std::string made = names_of(layout, op);
    out += fmt::format("{}   {}{}{}{}{}\n", margin, op.name, made.empty() ? "" : " -> ", made,
                       op.next      ? " (for the next step)"
                       : op.carried ? " (carried)"
                                    : "",
                       op.only_measured && op.kind != OpKind::kTerms ? " (measured steps)" : "");
  }
}

std::string heading(const Layout& layout, const Control& c) {
  if (c.kind == Control::Kind::kBatches)
    return fmt::format("for each batch of {} rows{}", c.count,
                       c.windowed   ? " drawn anew every step, gathered side by side"
                       : c.shuffled ? ", in an order drawn anew every step"
                                    : "");
  return fmt::format(
      "at most {} times{}", c.count,
      c.until < 0 ? "" : ", until " + layout.buffers[static_cast<size_t>(c.until)].decl.name);
}

void describe(const Layout& layout,
              const std::vector<Control>& control,
              int depth,
              std::string& out) {
  const std::string margin(static_cast<size_t>(3 * depth), ' ');
  for (const Control& c : control) {
    if (c.kind == Control::Kind::kRun) {
      for (int s = c.first; s < c.last; ++s) describe(layout, s, margin, out);
    } else {
      out += margin + heading(layout, c) + ":\n";
      describe(layout, c.body, depth + 1, out);
    }
  }
}

// Boxes around what runs more than once.
void frame(const Layout& layout, const std::vector<Control>& control, std::string& out) {
  for (const Control& c : control) {
    if (c.kind == Control::Kind::kRun) {
      for (int s = c.first; s < c.last; ++s) out += fmt::format("  s{};\n", s);
      continue;
    }
    out += fmt::format("  subgraph cluster{} {{ label=\"{}\";\n", out.size(),
                       escape(heading(layout, c)));
    frame(layout, c.body, out);
    out += "  }\n";
  }
}

}  // namespace

std::string describe(const Layout& layout, const Model& model) {
  std::string out;
  double bytes = 0, flops = 0;
  describe(layout, layout.control, 0, out);
  for (const Stage& s : layout.stages) {
    bytes += s.x_bytes * s.times;
    flops += s.flops * s.times;
  }
  for (const std::string& r : layout.remarks) out += "note: " + r + "\n";
  out += fmt::format("a step reads {} of X ({} as stored) and does {:.3g} flops\n",
                     bytes_text(bytes), bytes_text(static_cast<double>(model.x->bytes())), flops);
  return out;
}

std::string draw(const Layout& layout) {
  std::string out = "digraph plan {\n  rankdir=TB;\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (size_t i = 0; i < layout.stages.size(); ++i) {
    const Stage& s = layout.stages[i];
    std::string label =
        s.axis == ASSAY_ONE ? "once"
        : s.blocks > 0
            ? fmt::format("round {} of {}, reads X", s.round + 1, s.blocks)
            : fmt::format("sweep over {}{}", axis_name(s.axis), s.reads_x ? ", reads X" : "");
    for (const Op& op : s.ops) label += "\\l" + escape(op.name) + (op.carried ? " (carried)" : "");
    out += fmt::format("  s{} [label=\"{}\\l\"];\n", i, label);
    if (i > 0) out += fmt::format("  s{} -> s{};\n", i - 1, i);
  }
  if (layout.control.size() > 1 || (!layout.control.empty() && !layout.control[0].body.empty()))
    frame(layout, layout.control, out);
  return out + "}\n";
}

std::string trace_json(const std::vector<NodeTime>& times) {
  std::string out = "{\"traceEvents\":[";
  for (size_t i = 0; i < times.size(); ++i)
    out += fmt::format(
        "{}{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{:.3f},\"dur\":{:.3f}}}",
        i ? ",\n" : "\n", escape(times[i].name), times[i].thread, times[i].start,
        times[i].end - times[i].start);
  return out + "\n]}\n";
}

}  // namespace assay::graph
