// SPDX-License-Identifier: Apache-2.0
// What runs lines more than once or in another order: loop, batches, end, grid.
#include <algorithm>

#include "core/graph/builder.hpp"

namespace assay::graph {

int32_t add_loop(assay_builder* b, int64_t max, assay_buf until) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (max < 1) return s.fail("a loop of less than one turn");
  if (until != ASSAY_NO) {
    if (!s.use(until, "the end of a loop")) return ASSAY_E_PLUGIN;
    const BufferDecl& d = s.decl(until);
    if (d.axis != ASSAY_ONE || d.rows != 1 || d.width != 1)
      return s.fail("a loop ends by a 1 x 1 buffer on ONE; `" + d.name + "` is none");
  }
  Line line;
  line.kind = LineKind::kLoop;
  line.name = "loop";
  line.left = until;
  line.count = max;
  s.open.push_back(line.kind);
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_batches(assay_builder* b, int64_t size, int32_t order, uint64_t stream) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (size < 1) return s.fail("batches of less than one row");
  if (order < ASSAY_NATURAL || order > ASSAY_SHUFFLED_ROWS)
    return s.fail("batches in unknown order");
  if (order == ASSAY_SHUFFLED_ROWS &&
      std::any_of(s.body->lines.begin(), s.body->lines.end(), [](const Line& line) {
        return line.kind == LineKind::kBatches && line.flags == ASSAY_SHUFFLED_ROWS;
      }))
    return s.fail("a second batches of shuffled rows");
  if (!s.open.empty()) return s.fail("batches inside a loop or inside batches");
  Line line;
  line.kind = LineKind::kBatches;
  line.name = "batches";
  line.count = size;
  line.flags = static_cast<uint32_t>(order);
  line.stream = stream;
  s.open.push_back(line.kind);
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_end(assay_builder* b) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (s.open.empty()) return s.fail("an end without its loop or batches");
  Line line;
  line.kind = LineKind::kEnd;
  line.name = "end";
  // A loop's predicate is looked at after a turn: somebody must have written it by then.
  for (size_t i = s.body->lines.size(), depth = 1; i-- > 0;) {
    const Line& at = s.body->lines[i];
    if (at.kind == LineKind::kEnd) ++depth;
    if (at.kind != LineKind::kLoop && at.kind != LineKind::kBatches) continue;
    if (--depth > 0) continue;
    if (at.left >= 0 && !s.readable(at.left, "loop")) return ASSAY_E_PLUGIN;
    break;
  }
  s.open.pop_back();
  s.body->lines.push_back(std::move(line));
  return 0;
}

void check_closed(Builder& s) {
  if (!s.failed && !s.open.empty()) s.fail("a loop or batches without its end");
}

int32_t add_grid(assay_builder* b, const assay_grid* g) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!g || !g->fn || !g->name) return s.fail("a grid without a name or a function");
  Line line;
  line.kind = LineKind::kGrid;
  line.name = g->name;
  line.fn = g->fn;
  line.tag = g->tag;
  line.count = g->blocks;
  line.stream = g->stream;
  if (g->blocks < 0 || g->blocks > 256) return s.fail("`" + line.name + "` has too many blocks");
  if (g->n_args < 1 || g->n_args > 64 || !g->args)
    return s.fail("`" + line.name + "` has no arguments");
  for (int32_t i = 0; i < g->n_args; ++i) {
    const assay_arg a = g->args[i];
    if (!s.use(a.buffer, ("argument " + std::to_string(i) + " of `" + line.name + "`").c_str()))
      return ASSAY_E_PLUGIN;
    const BufferDecl& d = s.decl(a.buffer);
    const bool statistic = d.role >= ASSAY_SUM;
    const bool fits = d.axis == ASSAY_ONE
                          ? a.access == ASSAY_IN || (statistic && a.access == ASSAY_ADD)
                          : a.access == ASSAY_IN || a.access == ASSAY_INOUT;
    if (!fits)
      return s.fail("`" + line.name + "` has an access to `" + d.name +
                    "` that a grid does not allow: rows and columns INOUT or IN, sums ADD or IN");
    if (a.access == ASSAY_ADD && s.written[static_cast<size_t>(a.buffer)])
      return s.fail("two lines add to `" + d.name + "`");
    if ((a.access & ASSAY_IN) && !s.readable(a.buffer, line.name)) return ASSAY_E_PLUGIN;
    if ((a.access & ASSAY_OUT) && !s.writable(a.buffer, line.name)) return ASSAY_E_PLUGIN;
    line.args.push_back(a);
  }
  return s.push_call(std::move(line));
}

}  // namespace assay::graph
