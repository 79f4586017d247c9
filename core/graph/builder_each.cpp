// SPDX-License-Identifier: Apache-2.0
// Functions of blocks as a program declares them: each.
#include "core/graph/builder.hpp"

namespace assay::graph {

int32_t add_each(assay_builder* b, const assay_each* e) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!e || !e->fn || !e->name) return s.fail("an each without a name or a function");
  Line line;
  line.kind = LineKind::kEach;
  line.name = e->name;
  line.axis = e->axis;
  line.fn = e->fn;
  line.tag = e->tag;
  line.flags = e->flags;
  if ((e->flags & ASSAY_EACH_X) && e->axis == ASSAY_ONE)
    return s.fail("`" + line.name + "` asks for lines of X, which ONE has not");
  if (e->axis < ASSAY_ROWS || e->axis > ASSAY_ONE)
    return s.fail("`" + line.name + "` has an unknown axis");
  if (e->n_args < 0 || e->n_args > 64 || (e->n_args > 0 && !e->args))
    return s.fail("`" + line.name + "` has no arguments");
  for (int32_t i = 0; i < e->n_args; ++i) {
    const assay_arg a = e->args[i];
    if (!s.use(a.buffer, ("argument " + std::to_string(i) + " of `" + line.name + "`").c_str()))
      return ASSAY_E_PLUGIN;
    const BufferDecl& d = s.decl(a.buffer);
    const int32_t access = a.access & ~ASSAY_BY_COMPONENT;
    const bool statistic = d.role >= ASSAY_SUM;
    if (access != ASSAY_IN && access != ASSAY_OUT && access != ASSAY_INOUT && access != ASSAY_ADD)
      return s.fail("`" + line.name + "` has an unknown access to `" + d.name + "`");
    if ((access & ASSAY_IN) && !s.readable(a.buffer, line.name)) return ASSAY_E_PLUGIN;
    if ((access & ASSAY_OUT) && !s.writable(a.buffer, line.name)) return ASSAY_E_PLUGIN;
    if ((access & ASSAY_OUT) && (d.axis != line.axis || statistic))
      return s.fail("`" + line.name + "` writes `" + d.name + "`, which is not on its axis");
    if (s.matrices.count(a.buffer) && (a.access != ASSAY_IN || d.axis != line.axis))
      return s.fail("`" + line.name + "` may only read the matrices `" + d.name +
                    "` on their axis");
    if (access == ASSAY_ADD) {
      if (!statistic || line.axis == ASSAY_ONE)
        return s.fail("`" + line.name + "` adds to `" + d.name + "`, which is no statistic");
      if (s.written[static_cast<size_t>(a.buffer)])
        return s.fail("two lines add to `" + d.name + "`");
    }
    if ((a.access & ASSAY_BY_COMPONENT) &&
        (d.axis != line.axis || line.axis == ASSAY_ONE || d.dtype != ASSAY_F64))
      return s.fail("`" + line.name + "`: only float64 blocks of its own axis can be by component");
    for (const assay_arg& o : line.args)
      if (o.buffer == a.buffer && ((o.access | a.access) & (ASSAY_OUT | ASSAY_ADD)))
        return s.fail("`" + line.name + "` names `" + d.name + "` twice and writes it");
    line.args.push_back(a);
  }
  return s.push_call(std::move(line));
}

}  // namespace assay::graph
