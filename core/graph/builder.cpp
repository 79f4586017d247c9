// SPDX-License-Identifier: Apache-2.0
// The far side of assay_builder: collects a program and checks every line as it is written. Errors
// are sticky.
#include <cstring>
#include <exception>
#include <new>
#include <set>

#include "core/graph/program.hpp"

namespace assay::graph {

namespace {

constexpr int64_t kMostBuffers = 4096, kMostWidth = int64_t{1} << 24;

struct Builder {
  assay_builder table{};  // first: plugins hold a pointer to it
  const Model* model = nullptr;
  Program::Body* body = nullptr;
  std::vector<char> written;
  std::set<std::string> names;
  bool failed = false;
  Error error;

  static Builder& of(assay_builder* b) { return *reinterpret_cast<Builder*>(b); }

  int32_t fail(const std::string& what) {
    if (!failed) {
      failed = true;
      error = Error(ASSAY_E_PLUGIN, "E0410",
                    "plugin `" + body->who + "` declared a program that is not valid: " + what);
      error.note.push_back("line " + std::to_string(body->lines.size() + 1) + " of its program");
      error.help.push_back("mend the plugin's `build`; `docs/authors.md` explains the rules");
    }
    return ASSAY_E_PLUGIN;
  }
  bool known(assay_buf b) const { return b >= 0 && static_cast<size_t>(b) < body->buffers.size(); }
  const BufferDecl& decl(assay_buf b) const { return body->buffers[static_cast<size_t>(b)]; }
  // Checks that b exists; `as` says what for.
  bool use(assay_buf b, const char* as) {
    if (known(b)) return true;
    fail(std::string("it names buffer ") + std::to_string(b) + " as " + as +
         ", which it did not declare");
    return false;
  }
  bool readable(assay_buf b, const std::string& by) {
    const BufferDecl& d = decl(b);
    const bool lives = d.role == ASSAY_FACTOR || d.role == ASSAY_STATE || d.given >= 0;
    if (lives || written[static_cast<size_t>(b)]) return true;
    fail("`" + by + "` reads `" + d.name + "` before any line writes it");
    return false;
  }
  bool writable(assay_buf b, const std::string& by) {
    const BufferDecl& d = decl(b);
    if (d.given < 0) return true;
    fail("`" + by + "` writes `" + d.name + "`, which the host keeps and no plugin may write");
    return false;
  }
  assay_buf add(BufferDecl d) {
    if (static_cast<int64_t>(body->buffers.size()) >= kMostBuffers)
      return fail("more than 4096 buffers");
    body->buffers.push_back(std::move(d));
    written.push_back(0);
    return static_cast<assay_buf>(body->buffers.size()) - 1;
  }
  int64_t length(int32_t axis) const { return axis == ASSAY_ROWS ? model->n() : model->d(); }
};

assay_buf add_buffer(assay_builder* b, const assay_buffer* in) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!in || !in->name || !*in->name) return s.fail("a buffer without a name");
  BufferDecl d;
  d.name = in->name;
  d.axis = in->axis;
  d.role = in->role;
  d.dtype = in->dtype == ASSAY_NUM ? ASSAY_F64 : in->dtype;
  d.zero = in->zero != 0;
  d.output = (in->flags & ASSAY_BUFFER_OUTPUT) != 0;
  d.width = in->width == 0 ? s.model->factor[0].width : in->width;
  if (d.axis < ASSAY_ROWS || d.axis > ASSAY_ONE)
    return s.fail("buffer `" + d.name + "` has an unknown axis");
  if (d.role < ASSAY_FACTOR || d.role > ASSAY_MAX)
    return s.fail("buffer `" + d.name + "` has an unknown role");
  if (d.role == ASSAY_FACTOR)
    return s.fail("buffer `" + d.name + "`: factors come from `factor(side)`");
  if (d.dtype != ASSAY_F64 && d.dtype != ASSAY_I32 && d.dtype != ASSAY_I64)
    return s.fail("buffer `" + d.name + "` has an unknown dtype");
  if (d.role >= ASSAY_SUM && d.dtype != ASSAY_F64)
    return s.fail("statistic `" + d.name + "` must be float64");
  d.rows = d.axis == ASSAY_ONE ? in->rows : s.length(d.axis);
  if (d.width < 1 || d.width > kMostWidth || d.rows < 1 || d.rows > (int64_t{1} << 40))
    return s.fail("buffer `" + d.name + "` has an impossible shape");
  if (!s.names.insert(d.name).second) return s.fail("two buffers are named `" + d.name + "`");
  return s.add(std::move(d));
}

assay_buf add_factor(assay_builder* b, int32_t side) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (side < 0 || side >= s.model->n_factors)
    return s.fail("factor " + std::to_string(side) + " does not exist in this model");
  for (size_t i = 0; i < s.body->buffers.size(); ++i)
    if (s.body->buffers[i].side == side) return static_cast<assay_buf>(i);
  BufferDecl d;
  static const char* const kSides[] = {"W", "H", "S"};
  d.name = std::string(kSides[side]);
  d.axis = side == 0 ? ASSAY_ROWS : side == 1 ? ASSAY_COLS : ASSAY_ONE;
  d.role = ASSAY_FACTOR;
  d.side = side;
  d.rows = s.model->factor[side].rows;
  d.width = s.model->factor[side].width;
  s.names.insert(d.name);
  return s.add(std::move(d));
}

assay_buf add_given(assay_builder* b, int32_t which) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  static const char* const kNames[] = {"row_weights", "col_weights", "row_counts", "col_counts"};
  if (which < ASSAY_ROW_WEIGHTS || which > ASSAY_COL_COUNTS)
    return s.fail("an unknown given buffer");
  for (size_t i = 0; i < s.body->buffers.size(); ++i)
    if (s.body->buffers[i].given == which) return static_cast<assay_buf>(i);
  BufferDecl d;
  d.name = std::string("given.") + kNames[which];
  d.axis = which == ASSAY_ROW_WEIGHTS || which == ASSAY_ROW_COUNTS ? ASSAY_ROWS : ASSAY_COLS;
  d.role = ASSAY_STATE;
  d.given = which;
  d.rows = s.length(d.axis);
  d.width = 1;
  return s.add(std::move(d));
}

int32_t add_times(assay_builder* b,
                  assay_buf out,
                  assay_buf left,
                  assay_buf right,
                  uint32_t flags) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!s.use(out, "the result of times") || !s.use(right, "the right operand of times"))
    return ASSAY_E_PLUGIN;
  const BufferDecl &o = s.decl(out), &r = s.decl(right);
  Line line;
  line.kind = LineKind::kTimes;
  line.name = "times -> " + o.name;
  line.axis = o.axis;
  line.out = out;
  line.left = left;
  line.right = right;
  line.flags = flags;
  if (!s.writable(out, line.name) || !s.readable(right, line.name)) return ASSAY_E_PLUGIN;
  if (o.role != ASSAY_LOCAL)
    return s.fail("`" + line.name + "`: the result must be a LOCAL buffer");
  if (left == ASSAY_X) {
    if (o.axis == ASSAY_ONE || r.axis == ASSAY_ONE || o.axis == r.axis)
      return s.fail("`" + line.name +
                    "`: X times a buffer on one axis gives a buffer on the other");
    if (o.width != r.width) return s.fail("`" + line.name + "`: widths differ");
  } else {
    if (!s.use(left, "the left operand of times")) return ASSAY_E_PLUGIN;
    const BufferDecl& l = s.decl(left);
    if (!s.readable(left, line.name)) return ASSAY_E_PLUGIN;
    if (l.axis == ASSAY_ONE || l.axis != o.axis || r.axis != ASSAY_ONE || l.width != r.rows ||
        o.width != r.width || left == out)
      return s.fail("`" + line.name + "`: shapes do not fit: rows (columns) x k times ONE k x m");
  }
  s.written[static_cast<size_t>(out)] = 1;
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_gram(assay_builder* b, assay_buf out, assay_buf left, assay_buf right) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!s.use(out, "the result of gram") || !s.use(left, "an operand of gram") ||
      !s.use(right, "an operand of gram"))
    return ASSAY_E_PLUGIN;
  const BufferDecl &o = s.decl(out), &l = s.decl(left), &r = s.decl(right);
  Line line;
  line.kind = LineKind::kGram;
  line.name = "gram -> " + o.name;
  line.axis = l.axis;
  line.out = out;
  line.left = left;
  line.right = right;
  if (!s.readable(left, line.name) || !s.readable(right, line.name)) return ASSAY_E_PLUGIN;
  if (o.axis != ASSAY_ONE || o.role != ASSAY_SUM || l.axis != r.axis || l.axis == ASSAY_ONE ||
      o.rows != l.width || o.width != r.width)
    return s.fail("`" + line.name +
                  "`: a'b needs a, b on one axis and a SUM of width(a) x width(b) on ONE");
  if (s.written[static_cast<size_t>(out)]) return s.fail("two lines add to `" + o.name + "`");
  s.written[static_cast<size_t>(out)] = 1;
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_terms(assay_builder* b, const assay_terms* t) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!t) return s.fail("terms without a description");
  if (!s.model->loss && !(t->flags & ASSAY_TERMS_SQUARED))
    return s.fail("terms, but the model has no loss");
  if (!s.use(t->left, "the left operand of terms") ||
      !s.use(t->right, "the right operand of terms"))
    return ASSAY_E_PLUGIN;
  const BufferDecl &l = s.decl(t->left), &r = s.decl(t->right);
  Line line;
  line.kind = LineKind::kTerms;
  static const char* const kWhat[] = {"gradient", "multiplicative", "value", "newton"};
  if (t->what < ASSAY_GRAD || t->what > ASSAY_NEWTON) return s.fail("terms of an unknown kind");
  if (t->axis != ASSAY_ROWS && t->axis != ASSAY_COLS)
    return s.fail("terms must be on ROWS or COLS");
  line.name = std::string("terms ") + kWhat[t->what] + (t->axis == ASSAY_ROWS ? " rows" : " cols");
  line.axis = t->axis;
  line.terms = *t;
  if (!s.readable(t->left, line.name) || !s.readable(t->right, line.name)) return ASSAY_E_PLUGIN;
  if (l.axis != ASSAY_ROWS || r.axis != ASSAY_COLS || l.width != r.width)
    return s.fail("`" + line.name + "`: left must lie on ROWS, right on COLS, with one width");
  const bool two = t->what == ASSAY_MU || t->what == ASSAY_NEWTON;
  const assay_buf outs[2] = {t->out0, t->out1};
  for (int i = 0; i < 2; ++i) {
    const bool wanted = t->what != ASSAY_VALUE && (i == 0 || two);
    if (!wanted) {
      if (outs[i] != ASSAY_NO) return s.fail("`" + line.name + "`: has a result too many");
      continue;
    }
    if (!s.use(outs[i], "a result of terms")) return ASSAY_E_PLUGIN;
    const BufferDecl& o = s.decl(outs[i]);
    if (!s.writable(outs[i], line.name)) return ASSAY_E_PLUGIN;
    if (o.role != ASSAY_LOCAL || o.axis != t->axis || o.width != l.width ||
        (i == 1 && outs[0] == outs[1]))
      return s.fail("`" + line.name +
                    "`: results must be two LOCAL buffers of its axis and the factors' width");
    s.written[static_cast<size_t>(outs[i])] = 1;
  }
  if (t->value != ASSAY_NO) {
    if (!s.use(t->value, "the value of terms")) return ASSAY_E_PLUGIN;
    const BufferDecl& v = s.decl(t->value);
    if (v.axis != ASSAY_ONE || v.role != ASSAY_SUM || v.rows != 1 || v.width != 1 ||
        s.written[static_cast<size_t>(t->value)])
      return s.fail("`" + line.name +
                    "`: its value must be a 1 x 1 SUM on ONE that nothing else adds to");
    s.written[static_cast<size_t>(t->value)] = 1;
  } else if (t->what == ASSAY_VALUE) {
    return s.fail("`" + line.name + "`: asks for the value and names no buffer for it");
  }
  s.body->lines.push_back(std::move(line));
  return 0;
}

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
  for (const assay_arg& a : line.args)
    if (a.access & (ASSAY_OUT | ASSAY_ADD)) s.written[static_cast<size_t>(a.buffer)] = 1;
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_report(assay_builder* b, const char* name, assay_buf buffer) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!name || !*name) return s.fail("a report without a name");
  if (!s.use(buffer, "a report")) return ASSAY_E_PLUGIN;
  const BufferDecl& d = s.decl(buffer);
  if (d.axis != ASSAY_ONE || d.rows != 1 || d.width != 1)
    return s.fail("report `" + std::string(name) + "` is not 1 x 1");
  if (!s.readable(buffer, std::string("report ") + name)) return ASSAY_E_PLUGIN;
  Line line;
  line.kind = LineKind::kReport;
  line.name = name;
  line.left = buffer;
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t status(assay_builder* b) { return Builder::of(b).failed ? ASSAY_E_PLUGIN : ASSAY_OK; }

// No exception crosses into a plugin: running out of memory while declaring is an error of the
// program.
template <auto Fn, class... Args>
int32_t guarded(assay_builder* b, Args... args) {
  try {
    return Fn(b, args...);
  } catch (const std::exception& e) {
    return Builder::of(b).fail(e.what());
  }
}

}  // namespace

Expected<std::shared_ptr<const Program>> Program::build(const Model& model,
                                                        const std::string& who,
                                                        void* self,
                                                        const Build& fn) {
  std::shared_ptr<Program> program(new Program());
  program->body_ = std::make_unique<Body>();
  program->body_->who = who;
  program->body_->self = self;
  Builder s;
  s.model = &model;
  s.body = program->body_.get();
  s.table.struct_size = sizeof s.table;
  s.table.buffer = guarded<add_buffer, const assay_buffer*>;
  s.table.factor = guarded<add_factor, int32_t>;
  s.table.given = guarded<add_given, int32_t>;
  s.table.times = guarded<add_times, assay_buf, assay_buf, assay_buf, uint32_t>;
  s.table.gram = guarded<add_gram, assay_buf, assay_buf, assay_buf>;
  s.table.terms = guarded<add_terms, const assay_terms*>;
  s.table.each = guarded<add_each, const assay_each*>;
  s.table.report = guarded<add_report, const char*, assay_buf>;
  s.table.status = status;
  int32_t result = ASSAY_OK;
  try {
    result = fn(&s.table);
  } catch (const std::exception& e) {
    s.fail(std::string("its `build` threw: ") + e.what());
  } catch (...) {
    s.fail("its `build` threw");
  }
  if (s.failed) return s.error;
  if (result < 0)
    return Error(
        result, "E0411",
        "plugin `" + who + "` could not build its program (status " + std::to_string(result) + ")");
  return std::shared_ptr<const Program>(std::move(program));
}

bool Program::empty() const { return body_->lines.empty(); }
Program::~Program() = default;

}  // namespace assay::graph
