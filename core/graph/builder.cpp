// SPDX-License-Identifier: Apache-2.0
// The far side of assay_builder: collects a program and checks every line as it is written.
#include "core/graph/builder.hpp"

#include <exception>
#include <new>
#include <utility>

namespace assay::graph {

namespace {

constexpr int64_t kMostWidth = int64_t{1} << 24;

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
  d.output = (in->flags & ASSAY_BUFFER_OUTPUT) != 0 && (!s.inlined || d.role == ASSAY_STATE);
  d.width = in->width == 0 ? s.model->factor[0].width : in->width;
  if (d.axis < ASSAY_ROWS || d.axis > ASSAY_ONE)
    return s.fail("buffer `" + d.name + "` has an unknown axis");
  if (d.role < ASSAY_FACTOR || d.role > ASSAY_SMALLEST)
    return s.fail("buffer `" + d.name + "` has an unknown role");
  if (d.role == ASSAY_FACTOR)
    return s.fail("buffer `" + d.name + "`: factors come from `factor(side)`");
  const bool narrow = d.dtype == ASSAY_F32 && ((d.role == ASSAY_STATE && d.axis == ASSAY_ROWS) ||
                                               (d.role == ASSAY_LOCAL && d.axis == ASSAY_ONE));
  if (d.dtype != ASSAY_F64 && d.dtype != ASSAY_I32 && d.dtype != ASSAY_I64 && !narrow)
    return s.fail("buffer `" + d.name + "` has an unknown dtype");
  if (d.role >= ASSAY_SUM && d.dtype != ASSAY_F64)
    return s.fail("statistic `" + d.name + "` must be float64");
  d.rows = d.axis == ASSAY_ONE ? in->rows : s.length(d.axis);
  if (d.role == ASSAY_SMALLEST && (d.axis != ASSAY_ONE || d.width != 2))
    return s.fail("buffer `" + d.name + "`: the smallest keys are m x 2 on ONE");
  if (d.width < 1 || d.width > kMostWidth || d.rows < 1 || d.rows > (int64_t{1} << 40))
    return s.fail("buffer `" + d.name + "` has an impossible shape");
  if (!s.names.insert(d.name).second) {
    // State of one name is one buffer, whoever declares it.
    for (size_t i = 0; i < s.body->buffers.size(); ++i) {
      const BufferDecl& known = s.body->buffers[i];
      if (known.name == d.name && known.role == ASSAY_STATE && d.role == ASSAY_STATE &&
          known.axis == d.axis && known.rows == d.rows && known.width == d.width)
        return static_cast<assay_buf>(i);
    }
    return s.fail("two buffers are named `" + d.name + "`");
  }
  return s.add(std::move(d));
}

assay_buf add_left(assay_builder* b);
void make_rows(Builder& s);

assay_buf add_factor(assay_builder* b, int32_t side) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (side == ASSAY_LEFT) return s.model->n_factors == 3 ? add_left(b) : add_factor(b, 0);
  if (side < 0 || side >= s.model->n_factors)
    return s.fail("factor " + std::to_string(side) + " does not exist in this model");
  for (size_t i = 0; i < s.body->buffers.size(); ++i)
    if (s.body->buffers[i].side == side || (side == 0 && s.body->buffers[i].made_w))
      return static_cast<assay_buf>(i);
  BufferDecl d;
  static const char* const kSides[] = {"W", "H", "S"};
  d.name = std::string(kSides[side]);
  d.axis = side == 0 ? ASSAY_ROWS : side == 1 ? ASSAY_COLS : ASSAY_ONE;
  d.role = ASSAY_FACTOR;
  d.side = side;
  d.rows = s.model->factor[side].rows;
  d.width = s.model->factor[side].width;
  const bool made = side == 0 && d.rows == 0;
  if (made) {
    d.role = ASSAY_LOCAL;
    d.side = -1;
    d.made_w = true;
    d.rows = s.model->n();
  }
  s.names.insert(d.name);
  const assay_buf out = s.add(std::move(d));
  if (made && !s.applies) make_rows(s);
  return out;
}

// The lines that make W, where it is stored nowhere, as if the program began with them: what they
// read outlives a step.
void make_rows(Builder& s) {
  // An init may write a W that is made anew before anything reads it.
  if (!s.model->apply.fn) return;
  void* const own = std::exchange(s.self, s.model->apply.self);
  s.applies = s.inlined = true;
  (void)s.model->apply.fn(&s.table);
  s.applies = s.inlined = false;
  s.self = own;
}

// W S as it is at this line, in a LOCAL of its own.
assay_buf add_left(assay_builder* b) {
  Builder& s = Builder::of(b);
  BufferDecl d;
  d.name = "W S#" + std::to_string(s.body->lines.size());
  d.axis = ASSAY_ROWS;
  d.rows = s.model->n();
  d.width = s.model->factor[1].width;
  const assay_buf W = add_factor(b, 0), S = add_factor(b, 2), out = s.add(std::move(d));
  if (s.failed) return ASSAY_E_PLUGIN;
  add_times(b, out, W, S, 0);
  return out;
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

// No exception crosses into a plugin.
template <auto Fn, class... Args>
int32_t guarded(assay_builder* b, Args... args) {
  try {
    return Fn(b, args...);
  } catch (const std::bad_alloc&) {
    return Builder::of(b).fail_memory();
  }
}

}  // namespace

Expected<std::shared_ptr<const Program>> Program::build(const Model& model,
                                                        const std::string& who,
                                                        void* self,
                                                        const Build& fn,
                                                        bool applies) {
  std::shared_ptr<Program> program(new Program());
  program->body_ = std::make_unique<Body>();
  program->body_->who = who;
  Builder s;
  s.model = &model;
  s.body = program->body_.get();
  s.self = self;
  s.applies = applies;
  s.table.struct_size = sizeof s.table;
  s.table.buffer = guarded<add_buffer, const assay_buffer*>;
  s.table.factor = guarded<add_factor, int32_t>;
  s.table.given = guarded<add_given, int32_t>;
  s.table.times = guarded<add_times, assay_buf, assay_buf, assay_buf, uint32_t>;
  s.table.gather = guarded<add_gather, assay_buf, assay_buf>;
  s.table.gram = guarded<add_gram, assay_buf, assay_buf, assay_buf>;
  s.table.terms = guarded<add_terms, const assay_terms*>;
  s.table.each = guarded<add_each, const assay_each*>;
  s.table.normals = guarded<add_normals, const assay_normals*>;
  s.table.grid = guarded<add_grid, const assay_grid*>;
  s.table.loop = guarded<add_loop, int64_t, assay_buf>;
  s.table.batches = guarded<add_batches, int64_t, int32_t, uint64_t>;
  s.table.end = guarded<add_end>;
  s.table.report = guarded<add_report, const char*, assay_buf>;
  s.table.status = status;
  int32_t result = ASSAY_OK;
  try {
    result = fn(&s.table);
  } catch (const std::bad_alloc&) {
    s.fail_memory();
  } catch (const std::exception& e) {
    s.fail(std::string("its `build` threw: ") + e.what());
  } catch (...) {
    s.fail("its `build` threw");
  }
  if (result >= 0) check_closed(s);
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
