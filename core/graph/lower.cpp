// SPDX-License-Identifier: Apache-2.0
// Lowering: each line of a program becomes ops, and each op joins the open sweep of its axis or
// opens a new one.
//
// An op joins the open sweep when everything it reads whole was finished before that sweep began
// and everything it makes on the other axis is a sum. A product for the other axis is carried: X_t
// stays in cache between X_t H', the row update and W_t' X_t. Zero terms and constant denominators
// replace contractions by column sums; the squared loss by Gram matrices.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/graph/coupled.hpp"
#include "core/graph/grid.hpp"

namespace assay::graph {

namespace {

// A carried sum may be this large: dense X, or sparse X where a lane's scatter must stay in cache.
constexpr double kDenseCarryBytes = 8.0 * 1024 * 1024, kSparseCarryBytes = 512.0 * 1024;

class Lowering {
 public:
  Lowering(const Program::Body& program, Model& model, const PlanOptions& options)
      : program_(program), model_(model), options_(options) {
    const data::Data& x = *model.x;
    weighted_ = x.weighted() || x.mask != nullptr;
    zeros_ = x.sparse && x.unstored_zero;
    compute_ = options.compute == ASSAY_NUM ? model.compute : options.compute;
    main_ = x.rows >= x.cols ? ASSAY_ROWS : ASSAY_COLS;
  }

  Expected<Layout> run() {
    ASSAY_TRY(place_buffers());
    const std::vector<Line> lines = live_lines(program_, model_.frozen);
    for (const Line& line : lines) {
      switch (line.kind) {
        case LineKind::kTimes:
          lower_times(line);
          break;
        case LineKind::kGram:
          lower_gram(line);
          break;
        case LineKind::kTerms:
          lower_terms(line);
          break;
        case LineKind::kEach:
          lower_each(line);
          break;
        case LineKind::kReport:
          layout_.reports.emplace_back(line.name, line.left);
          break;
        case LineKind::kNormals:
          lower_normals(line);
          break;
        case LineKind::kLoop:
        case LineKind::kBatches:
          open_control(line);
          break;
        case LineKind::kEnd:
          close_control();
          break;
        case LineKind::kGrid:
          lower_grid(line);
          break;
      }
    }
    if (refused_) return std::move(*refused_);
    settle_buffers();
    return std::move(layout_);
  }

 private:
  PlanBuffer& buffer(int b) { return layout_.buffers[static_cast<size_t>(b)]; }
  int64_t ld_of(int64_t width) const {
    return compute_ == ASSAY_F32 ? kernels::padded<float>(width) : kernels::padded<double>(width);
  }

  Expected<void> place_buffers() {
    for (const BufferDecl& d : program_.buffers) {
      PlanBuffer b;
      b.decl = d;
      b.ld = ld_of(d.width);
      if (d.side >= 0) {
        b.place = Place::kModel;
        b.model = &model_.factor[d.side];
      } else if (d.given >= 0) {
        b.place = Place::kGiven;
        b.ld = 1;
      } else if (d.role == ASSAY_STATE) {
        // What is on the rows belongs to these rows; the rest may go on with others.
        const std::string key = (d.axis == ASSAY_ROWS ? kRowsState : "") + d.name;
        auto found = model_.state.find(key);
        if (found == model_.state.end())
          found = model_.state.emplace(key, Buffer::make(d.dtype, d.rows, d.width)).first;
        else if (found->second.rows != d.rows || found->second.width != d.width ||
                 found->second.dtype != d.dtype)
          return Error(ASSAY_E_PLUGIN, "E0410",
                       "plugin `" + program_.who + "` declares state `" + d.name +
                           "` with two different shapes");
        b.place = Place::kModel;
        b.model = &found->second;
        if (d.output) model_.results[d.name] = key;
      } else if (d.role >= ASSAY_SUM) {
        b.place = Place::kStat;
      }
      if (b.place == Place::kModel) b.ld = b.model->ld;
      layout_.buffers.push_back(std::move(b));
    }
    return {};
  }

  int internal(const std::string& name, int32_t axis, int32_t role, int64_t rows, int64_t width) {
    PlanBuffer b;
    b.decl.name = name + "#" + std::to_string(layout_.buffers.size());
    b.decl.axis = axis;
    b.decl.role = role;
    b.decl.rows = axis == ASSAY_ONE ? rows : axis == ASSAY_ROWS ? model_.n() : model_.d();
    b.decl.width = width;
    b.ld = ld_of(width);
    b.place = role == ASSAY_SUM ? Place::kStat : Place::kStored;
    layout_.buffers.push_back(std::move(b));
    return static_cast<int>(layout_.buffers.size()) - 1;
  }

  // ---- sweeps ----

  // Buffers an op reads whole (not as the slice of its sweep's tile).
  std::vector<int> whole_reads(const Op& op) {
    std::vector<int> whole;
    const auto add = [&](int b) {
      if (b >= 0 && buffer(b).decl.axis != op.axis) whole.push_back(b);
    };
    add(op.left);
    add(op.right);
    add(op.extra);
    for (const auto& in : op.inputs) add(in.first);
    for (const assay_arg& a : op.line.args)
      if (a.access & ASSAY_IN) add(a.buffer);
    return whole;
  }

  std::vector<int> touched(const Op& op) {
    std::vector<int> all = {op.left, op.right, op.extra, op.out0, op.out1, op.value};
    for (const auto& in : op.inputs) all.push_back(in.first);
    for (const assay_arg& a : op.line.args) all.push_back(a.buffer);
    std::erase_if(all, [](int b) { return b < 0; });
    return all;
  }

  std::vector<int> made(const Op& op) {
    std::vector<int> out = {op.out0, op.out1, op.value};
    for (const assay_arg& a : op.line.args)
      if (a.access & (ASSAY_OUT | ASSAY_ADD)) out.push_back(a.buffer);
    std::erase_if(out, [](int b) { return b < 0; });
    return out;
  }

  // True when everything op reads whole was finished before the sweep began.
  bool joins(const Op& op, const Stage& stage) {
    if (stage.axis != op.axis || op.axis == ASSAY_ONE || op.axis == kBlocks || !options_.force.fuse)
      return false;
    for (const int b : whole_reads(op))
      for (const Op& before : stage.ops)
        for (const int m : made(before))
          if (m == b) return false;
    // A factor with a set of the whole is projected between sweeps.
    for (const int b : touched(op))
      if (Coupled::projected(model_, buffer(b).decl))
        for (const Op& before : stage.ops)
          for (const int m : made(before))
            if (m == b) return false;
    return true;
  }

  // A sweep never reaches over the start or the end of a loop or of batches.
  void open_control(const Line& line) {
    Control c;
    c.kind = line.kind == LineKind::kLoop ? Control::Kind::kLoop : Control::Kind::kBatches;
    c.until = line.left;
    c.count = line.count;
    c.shuffled = line.flags == ASSAY_SHUFFLED;
    c.stream = line.stream;
    if (c.kind == Control::Kind::kBatches) batch_ = line.count;
    open_.back()->push_back(std::move(c));
    open_.push_back(&open_.back()->back().body);
  }
  void close_control() {
    open_.pop_back();
    if (open_.size() == 1) batch_ = 0;
  }

  void emit(Op op) {
    std::vector<Control>& control = *open_.back();
    const bool running = !control.empty() && control.back().kind == Control::Kind::kRun;
    if (!running || !joins(op, layout_.stages.back())) {
      Stage stage;
      stage.axis = op.axis;
      stage.batch = batch_;
      layout_.stages.push_back(std::move(stage));
      if (!running) {
        control.emplace_back();
        control.back().first = static_cast<int>(layout_.stages.size()) - 1;
      }
      control.back().last = static_cast<int>(layout_.stages.size());
    }
    Stage& stage = layout_.stages.back();
    const int index = static_cast<int>(layout_.stages.size()) - 1;
    stage.reads_x = stage.reads_x || op.reads_x;
    for (const int b : touched(op)) {
      PlanBuffer& p = buffer(b);
      if (p.first_stage < 0) p.first_stage = index;
      p.last_stage = index;
    }
    for (const int b : made(op)) {
      PlanBuffer& p = buffer(b);
      if (p.place == Place::kStat && p.stage < 0) {
        p.stage = index;
        p.offset = stage.partial;
        const int64_t size = p.decl.rows * p.ld;
        stage.partial += (size + 7) / 8 * 8;
        stage.ranges.push_back({p.offset, size, p.decl.role});
        stage.stats.push_back(b);
      }
    }
    stage.ops.push_back(std::move(op));
  }

  // Whether a product of X for `axis` is carried in a sweep of the other axis.
  bool carry(int32_t axis, int64_t width, int results) {
    // Batches are runs of rows: their sums over rows are carried, for sparse X always (its column
    // index knows no batches).
    if (batch_ > 0 && model_.x->sparse) return axis == ASSAY_COLS;
    if (options_.force.carry == Force::Carry::kNever) return false;
    if (batch_ > 0) return axis == ASSAY_COLS;
    const int64_t length = axis == ASSAY_ROWS ? model_.n() : model_.d();
    const double bytes = 8.0 * static_cast<double>(length * ld_of(width) * results);
    if (options_.force.carry == Force::Carry::kAlways) return bytes <= 4 * kDenseCarryBytes;
    if (model_.x->sparse) return axis != main_ && bytes <= kSparseCarryBytes;
    return axis != main_ && bytes <= kDenseCarryBytes;
  }

  static int32_t other(int32_t axis) { return axis == ASSAY_ROWS ? ASSAY_COLS : ASSAY_ROWS; }

  void emit_x(Op op, int32_t axis, bool carried) {
    op.reads_x = true;
    op.carried = carried;
    op.axis = carried ? other(axis) : axis;
    if (carried)
      for (const int b : {op.out0, op.out1})
        if (b >= 0) buffer(b).place = Place::kStat;
    if (model_.x->sparse && !op.densify && op.axis == ASSAY_COLS) layout_.needs_csc = true;
    emit(std::move(op));
  }

  // ---- lines ----

  void lower_times(const Line& line) {
    Op op;
    op.name = line.name;
    op.out0 = line.out;
    if (line.left == ASSAY_X) {
      op.kind = OpKind::kProduct;
      op.power = line.flags & ASSAY_PATTERN  ? 0
                 : line.flags & ASSAY_SQUARE ? 2
                 : line.flags & ASSAY_ABS    ? kernels::kAbsolute
                                             : 1;
      op.right = line.right;
      op.densify = model_.x->sparse && densified_products();
      const int64_t width = buffer(line.out).decl.width;
      op.flops = product_flops(width);
      emit_x(std::move(op), line.axis, carry(line.axis, width, 1));
      return;
    }
    op.kind = OpKind::kSmall;
    op.axis = line.axis;
    op.left = line.left;
    op.right = line.right;
    op.transposed = (line.flags & ASSAY_TRANSPOSED) != 0;
    note_product(line);
    op.flops =
        2.0 * static_cast<double>(buffer(line.left).decl.rows * buffer(line.left).decl.width *
                                  buffer(line.out).decl.width);
    emit(std::move(op));
  }

  void lower_gram(const Line& line) { emit_gram(line.name, line.left, line.right, line.out, -1); }

  int emit_gram(const std::string& name,
                int left,
                int right,
                int out,
                int weight,
                double scale = 1) {
    const int64_t kl = buffer(left).decl.width, kr = buffer(right).decl.width;
    Op op;
    op.kind = OpKind::kGram;
    op.name = name;
    op.axis = buffer(left).decl.axis;
    op.left = left;
    op.right = right;
    op.weight = weight;
    op.scale = scale;
    op.out0 = out >= 0 ? out : internal("gram", ASSAY_ONE, ASSAY_SUM, kl, kr);
    op.flops = 2.0 * static_cast<double>(buffer(left).decl.rows * kl * kr);
    const int result = op.out0;
    emit(std::move(op));
    return result;
  }

  int emit_colsum(int left, int weight) {
    Op op;
    op.kind = OpKind::kColSum;
    op.name = "column sums of " + buffer(left).decl.name;
    op.axis = buffer(left).decl.axis;
    op.left = left;
    op.weight = weight;
    op.out0 = internal("colsum", ASSAY_ONE, ASSAY_SUM, 1, buffer(left).decl.width);
    const int result = op.out0;
    emit(std::move(op));
    return result;
  }

  void lower_each(const Line& line) {
    if (batch_ > 0 && line.axis == ASSAY_COLS && (line.flags & ASSAY_EACH_X) != 0)
      return refuse("`" + line.name + "` asks for columns of X inside batches of rows");
    Op op;
    op.kind = OpKind::kEach;
    op.name = line.name;
    op.axis = line.axis;
    op.line = line;
    op.reads_x = (line.flags & ASSAY_EACH_X) != 0;
    if (op.reads_x && model_.x->sparse && op.axis == ASSAY_COLS) layout_.needs_csc = true;
    for (const assay_arg& a : line.args)
      if (buffer(a.buffer).shared >= 0) op.inputs.emplace_back(buffer(a.buffer).shared, 0.0);
    emit(std::move(op));
  }

  // A stage per round. Sums go on from round to round: they have the same places in the partials
  // of all rounds, and the last one has the result.
  void lower_grid(const Line& line) {
    if (batch_ > 0) {
      refused_ = Error(ASSAY_E_PLUGIN, "E0410",
                       "`" + line.name + "`: a grid has its own order and cannot be in batches");
      return;
    }
    const data::Data& x = *model_.x;
    const int64_t asked = line.count > 0 ? line.count : grid_blocks(x);
    const int64_t blocks = std::min({asked, x.rows, x.cols});
    for (int64_t r = 0; r < blocks; ++r) {
      Op op;
      op.kind = OpKind::kGrid;
      op.name = line.name;
      op.axis = kBlocks;
      op.line = line;
      op.reads_x = true;
      op.flops = 4 * product_flops(buffer(line.args.front().buffer).decl.width) /
                 static_cast<double>(blocks);
      emit(std::move(op));
      Stage& stage = layout_.stages.back();
      stage.blocks = blocks;
      stage.round = r;
      if (r == 0) continue;
      const Stage& before = layout_.stages[layout_.stages.size() - 2];
      stage.partial = before.partial;
      stage.ranges = before.ranges;
      stage.stats = before.stats;
      for (const int b : stage.stats) ++buffer(b).stage;
    }
  }

  // ---- terms ----

  bool densified_products() const { return model_.x->shift != nullptr && zeros_; }
  double product_flops(int64_t width) const {
    const data::Data& x = *model_.x;
    const double entries = x.sparse ? static_cast<double>(x.csr.nnz)
                                    : static_cast<double>(x.rows) * static_cast<double>(x.cols);
    return 2.0 * entries * static_cast<double>(ld_of(width));
  }
  int row_weight(int32_t axis) const {
    const data::Data& x = *model_.x;
    return (axis == ASSAY_ROWS ? x.row_weights : x.col_weights) ? axis : -1;
  }

  void lower_terms(const Line& line) {
    const assay_terms& t = line.terms;
    const bool squared =
        (t.flags & ASSAY_TERMS_SQUARED) ||
        (!(t.flags & ASSAY_TERMS_LOG_DENSITY) && model_.loss->facts().tag == ASSAY_TAG_SQUARED);
    const bool entering = wants_entering(t);
    const bool plain = !weighted_ && (!model_.x->sparse || zeros_);
    const bool apart = per_line(t) || (batch_ > 0 && t.value != ASSAY_NO);
    if (squared && !plain && t.what != ASSAY_VALUE) say_cost();
    if (squared && plain && !apart && !densified_products() &&
        (t.what == ASSAY_MU || t.what == ASSAY_GRAD) && options_.force.fuse)
      lower_squared(line, entering);
    else
      lower_general(line, squared, entering);
  }

  // What masks and weights cost under the squared loss, said once.
  void say_cost() {
    if (std::exchange(cost_said_, true)) return;
    layout_.remarks.push_back(
        "X is masked, weighted or unobserved where not stored: the model is evaluated at every "
        "observed entry, about 3 times the flops of a plain squared loss and no more memory");
  }

  // The host measures the loss on the first terms whose operands are the factors as they enter the
  // step.
  bool wants_entering(const assay_terms& t) {
    if (open_.size() > 1 || entering_done_ || t.value != ASSAY_NO || t.what == ASSAY_VALUE ||
        (t.flags & ASSAY_TERMS_SQUARED))
      return false;
    if (!at_model(t)) return false;
    for (const Stage& stage : layout_.stages)
      for (const Op& op : stage.ops)
        for (const int b : made(op))
          if (buffer(b).decl.side >= 0) return false;
    entering_done_ = true;
    return true;
  }

  // The value is wanted for each row (column).
  bool per_line(const assay_terms& t) {
    return t.value != ASSAY_NO && buffer(t.value).decl.axis != ASSAY_ONE;
  }

  // A buffer that holds a factor times S or S', as the factors were at its line.
  void note_product(const Line& line) {
    const bool turned = (line.flags & ASSAY_TRANSPOSED) != 0;
    if (buffer(line.right).decl.side != 2) return;
    if (buffer(line.left).decl.side == (turned ? 1 : 0)) with_s_[turned ? 1 : 0] = line.out;
  }

  // Whether left right' is the model: W H', or (W S) H', or W (H S')'.
  bool at_model(const assay_terms& t) {
    const bool w = buffer(t.left).decl.side == 0, h = buffer(t.right).decl.side == 1;
    if (model_.n_factors == 2) return w && h;
    return (h && t.left == with_s_[0]) || (w && t.right == with_s_[1]);
  }

  // The loss of a terms line as scalars: into its own value buffer, or as the entering loss.
  void publish_value(const assay_terms& t,
                     bool entering,
                     std::vector<std::pair<int, double>> scalars,
                     double constant,
                     bool free) {
    if (entering) {
      layout_.entering = std::move(scalars);
      layout_.entering_constant = constant;
      layout_.entering_free = free;
      return;
    }
    Op op;
    op.kind = OpKind::kCombine;
    op.name = "value";
    op.axis = ASSAY_ONE;
    op.inputs = std::move(scalars);
    op.constant = constant;
    op.out0 = t.value;
    buffer(t.value).place = Place::kStored;
    emit(std::move(op));
  }

  // 1/2 |X - M|^2 = 1/2 |X|^2 - <F, X O> + 1/2 <F, F O'O>
  void emit_squared_value(const assay_terms& t,
                          int own,
                          int product,
                          int den,
                          int32_t axis,
                          bool entering) {
    Op dot;
    dot.kind = OpKind::kDot;
    dot.name = "squared loss from the products";
    dot.axis = axis;
    dot.left = own;
    dot.right = product;
    dot.extra = den;
    dot.scale = -1;
    dot.scale1 = 0.5;
    dot.only_measured = entering;
    dot.value = internal("loss", ASSAY_ONE, ASSAY_SUM, 1, 1);
    const int scalar = dot.value;
    emit(std::move(dot));
    publish_value(t, entering, {{scalar, 1.0}}, 0.5 * model_.facts.sumsq, true);
  }

  // M = W H' under the squared loss: num = X O, den = F (O'O); the value falls out of both.
  void lower_squared(const Line& line, bool entering) {
    const assay_terms& t = line.terms;
    const int own = t.axis == ASSAY_ROWS ? t.left : t.right,
              opposite = t.axis == ASSAY_ROWS ? t.right : t.left;
    const int64_t k = buffer(own).decl.width;
    const int gram = emit_gram("gram of " + buffer(opposite).decl.name, opposite, opposite, -1, -1);
    Op product;
    product.kind = OpKind::kProduct;
    product.name =
        std::string("X") + (t.axis == ASSAY_ROWS ? " " : "' ") + buffer(opposite).decl.name;
    product.right = opposite;
    product.out0 = t.out0;
    product.flops = product_flops(k);
    emit_x(std::move(product), t.axis, carry(t.axis, k, 1));
    Op small;
    small.kind = OpKind::kSmall;
    small.name = buffer(own).decl.name + " times gram";
    small.axis = t.axis;
    small.left = own;
    small.right = gram;
    small.out0 = t.what == ASSAY_MU ? t.out1 : internal("den", t.axis, ASSAY_LOCAL, 0, k);
    small.flops = 2.0 * static_cast<double>(buffer(own).decl.rows * k * k);
    const int den = small.out0;
    emit(std::move(small));
    if (entering || t.value != ASSAY_NO) emit_squared_value(t, own, t.out0, den, t.axis, entering);
    if (t.what == ASSAY_GRAD) {
      Op sub;
      sub.kind = OpKind::kSubtract;
      sub.name = "gradient";
      sub.axis = t.axis;
      sub.out0 = t.out0;
      sub.extra = den;
      emit(std::move(sub));
    }
  }

  // ---- normals ----

  // One Gram matrix serves all rows where no weights differ and the curvature is a constant: then
  // only the right side is a product of X. Else each row has its own.
  void lower_normals(const Line& line) {
    const bool squared = model_.loss->facts().tag == ASSAY_TAG_SQUARED;
    const bool plain = !weighted_ && (!model_.x->sparse || zeros_) && !densified_products();
    const double bound = model_.loss->facts().curvature_bound;
    PlanBuffer& gram = buffer(line.gram);
    gram.matrices = true;
    gram.like = line.out;
    if (squared && plain)
      lower_shared(line);
    else if ((line.flags & ASSAY_NORMALS_UNIFORM) && std::isfinite(bound) && bound > 0)
      lower_uniform(line, bound * largest_weight());
    else
      lower_own(line, squared);
  }

  // G = O'O, r = X O.
  void lower_shared(const Line& line) {
    const int own = line.axis == ASSAY_ROWS ? line.left : line.right,
              opposite = line.axis == ASSAY_ROWS ? line.right : line.left;
    const int64_t k = buffer(own).decl.width;
    assay_terms asked{};
    asked.left = line.left;
    asked.right = line.right;
    asked.value = ASSAY_NO;
    asked.what = ASSAY_GRAD;
    const bool entering = wants_entering(asked);
    const int gram = emit_gram("gram of " + buffer(opposite).decl.name, opposite, opposite, -1, -1);
    buffer(line.gram).shared = gram;
    emit_product(line, opposite, k, carry(line.axis, k, 1));
    if (!entering) return;
    Op small;
    small.kind = OpKind::kSmall;
    small.name = buffer(own).decl.name + " times gram";
    small.axis = line.axis;
    small.left = own;
    small.right = gram;
    small.only_measured = true;
    small.out0 = internal("den", line.axis, ASSAY_LOCAL, 0, k);
    small.flops = 2.0 * static_cast<double>(buffer(own).decl.rows * k * k);
    const int den = small.out0;
    emit(std::move(small));
    emit_squared_value(asked, own, line.out, den, line.axis, true);
  }

  void emit_product(const Line& line, int opposite, int64_t k, bool carried) {
    Op product;
    product.kind = OpKind::kProduct;
    product.name =
        std::string("X") + (line.axis == ASSAY_ROWS ? " " : "' ") + buffer(opposite).decl.name;
    product.right = opposite;
    product.out0 = line.out;
    product.flops = product_flops(k);
    emit_x(std::move(product), line.axis, carried);
  }

  // G = c O'O, r = F G - g: the parabola of curvature c through the loss and its gradient g at M.
  // Hidden entries get the curvature too: it is a bound for them as well, their loss being 0.
  void lower_uniform(const Line& line, double curvature) {
    const int own = line.axis == ASSAY_ROWS ? line.left : line.right,
              opposite = line.axis == ASSAY_ROWS ? line.right : line.left;
    const int64_t k = buffer(own).decl.width;
    const int gram =
        emit_gram("gram of " + buffer(opposite).decl.name, opposite, opposite, -1, -1, curvature);
    buffer(line.gram).shared = gram;
    Line gradient;
    gradient.kind = LineKind::kTerms;
    gradient.name = line.name + ": gradient";
    gradient.axis = line.axis;
    gradient.terms = {sizeof(assay_terms), 0,        ASSAY_GRAD, line.axis, line.left,
                      line.right,          line.out, ASSAY_NO,   ASSAY_NO,  0};
    lower_terms(gradient);
    Op small;
    small.kind = OpKind::kSmall;
    small.name = buffer(own).decl.name + " times gram";
    small.axis = line.axis;
    small.left = own;
    small.right = gram;
    small.out0 = internal("fg", line.axis, ASSAY_LOCAL, 0, k);
    small.flops = 2.0 * static_cast<double>(buffer(own).decl.rows * k * k);
    Op sub;
    sub.kind = OpKind::kSubtract;
    sub.name = "right side";
    sub.axis = line.axis;
    sub.out0 = line.out;
    sub.extra = small.out0;
    emit(std::move(small));
    emit(std::move(sub));
  }

  void lower_own(const Line& line, bool squared) {
    if (batch_ > 0 && line.axis == ASSAY_COLS)
      return refuse("`" + line.name + "` per column, inside batches of rows");
    Op op;
    op.kind = OpKind::kNormals;
    op.name = line.name;
    op.left = line.left;
    op.right = line.right;
    op.out0 = line.out;
    op.out1 = line.gram;
    op.squared_loss = squared;
    op.densify = zeros_ || densified_products();
    const int64_t k = buffer(line.left).decl.width;
    op.flops = product_flops(k) * static_cast<double>(k + 2);
    if (op.densify && model_.x->sparse)
      layout_.remarks.push_back("`" + line.name +
                                "` needs every zero of sparse X: lines are made dense one by one");
    else if (!model_.x->sparse)
      layout_.remarks.push_back("`" + line.name +
                                "`: weights or curvatures differ from entry to entry, so each line "
                                "has its own Gram matrix (n d k^2 a half step)");
    emit_x(std::move(op), line.axis, false);
  }

  double largest_weight() const {
    const data::Data& x = *model_.x;
    double most = 1;
    if (x.entry_weights) most = *std::max_element(x.entry_weights->begin(), x.entry_weights->end());
    if (x.csr.weights && x.csr.nnz > 0)
      most = *std::max_element(x.csr.weights, x.csr.weights + x.csr.nnz);
    for (const auto& w : {x.row_weights, x.col_weights})
      if (w) most *= *std::max_element(w->begin(), w->end());
    return most;
  }

  // Any loss: model block, spans, contraction. Over sparse X with zeros the zero term is summed
  // apart.
  void lower_general(const Line& line, bool squared, bool entering) {
    assay_terms t = line.terms;
    const data::Data& x = *model_.x;
    const bool lines = per_line(t);
    if (batch_ > 0 && x.sparse && t.axis == ASSAY_COLS) {
      if (lines)
        return refuse("`" + line.name + "`: a value per column of sparse X, inside batches");
      if (t.what == ASSAY_VALUE) t.axis = ASSAY_ROWS;  // the total is the same
    }
    const int own = t.axis == ASSAY_ROWS ? t.left : t.right,
              opposite = t.axis == ASSAY_ROWS ? t.right : t.left;
    const int64_t k = buffer(own).decl.width;
    assay_loss_facts facts{};
    if (model_.loss) facts = model_.loss->facts();
    if (t.flags & ASSAY_TERMS_SQUARED) {
      facts.zero_term = ASSAY_ZERO_QUADRATIC;
      facts.zero_a = 0.5;
      facts.den_is = std::numeric_limits<double>::quiet_NaN();
    }
    if (t.flags & ASSAY_TERMS_LOG_DENSITY) {
      // KL is Poisson's likelihood: log density -m at x = 0.
      const bool linear = facts.tag == ASSAY_TAG_KL && facts.zero_term == ASSAY_ZERO_LINEAR;
      facts.zero_term = linear ? ASSAY_ZERO_LINEAR : ASSAY_ZERO_NONE;
      facts.zero_a = -1;
    }
    Op op;
    op.kind = OpKind::kTerms;
    op.name = line.name;
    op.log_density = (t.flags & ASSAY_TERMS_LOG_DENSITY) != 0;
    op.what = t.what;
    op.left = t.left;
    op.right = t.right;
    op.squared_loss = squared;
    op.out0 = t.out0;
    op.out1 = t.out1;
    bool zero_part = false;
    if (zeros_) {
      if (facts.zero_term == ASSAY_ZERO_NONE || x.shift || t.what == ASSAY_NEWTON) {
        op.densify = true;
        layout_.remarks.push_back(
            "loss has no zero term here: sparse X is evaluated tile by tile as if dense");
      } else {
        zero_part = true;
        op.zero_term = facts.zero_term;
        op.zero_a = facts.zero_a;
      }
    }
    // A constant denominator needs no contraction: its sum over the other axis is a column sum.
    const bool full = !weighted_ && (!x.sparse || zeros_);
    const bool constant_den =
        t.what == ASSAY_MU && !squared && full && !std::isnan(facts.den_is) &&
        (!zero_part || (facts.zero_term == ASSAY_ZERO_LINEAR && facts.zero_a == facts.den_is));
    const bool with_value = entering || t.value != ASSAY_NO;
    std::vector<std::pair<int, double>> scalars;
    // The zero term's share: of den (MU) or of the gradient, before the stored entries are added.
    int zero_target = -1;
    if (zero_part || constant_den) {
      zero_target = t.what == ASSAY_MU     ? t.out1
                    : t.what == ASSAY_GRAD ? t.out0
                                           : internal("zero", t.axis, ASSAY_LOCAL, 0, k);
    }
    const int results = (op.out0 >= 0 ? 1 : 0) + (op.out1 >= 0 && !constant_den ? 1 : 0);
    const bool carried = results > 0 && !lines && carry(t.axis, k, results);
    if (constant_den) op.out1 = -1;
    op.flops = product_flops(k) * (1 + results);
    if (lines) {
      op.value = t.value;
      op.line_value = true;
      op.accumulate_value = zero_part;
    } else if (with_value) {
      op.value = internal("loss", ASSAY_ONE, ASSAY_SUM, 1, 1);
      scalars.emplace_back(op.value, 1.0);
    }
    op.only_measured = entering;  // terms: the value, not the op
    op.accumulate = zero_target >= 0 && !carried && !constant_den &&
                    zero_target == (t.what == ASSAY_MU ? t.out1 : t.out0);
    Op x_part = op;
    if (carried) emit_x(x_part, t.axis, true);
    if (zero_target >= 0) {
      // Fill and Small add onto a carried sum, and come first otherwise.
      const bool onto_sum = carried && !constant_den && t.what != ASSAY_VALUE;
      const bool linear = constant_den || facts.zero_term == ASSAY_ZERO_LINEAR;
      const double a = constant_den ? facts.den_is : facts.zero_a;
      const int32_t opposite_axis = buffer(opposite).decl.axis;
      const int sum = linear ? emit_colsum(opposite, row_weight(opposite_axis))
                             : emit_gram("gram of " + buffer(opposite).decl.name, opposite,
                                         opposite, -1, row_weight(opposite_axis));
      Op fill;
      fill.kind = linear ? OpKind::kFill : OpKind::kSmall;
      fill.name = "zero term";
      fill.axis = t.axis;
      fill.left = linear ? -1 : own;
      fill.right = sum;
      fill.scale = linear ? a : 2 * a;
      fill.weight = row_weight(t.axis);
      fill.out0 = zero_target;
      fill.accumulate = onto_sum;
      // The value of the zero term is <F, a w> or 1/2 <F, 2 a F G>: of the zero part alone, so
      // before anything is added to it.
      if (zero_part && with_value) {
        const bool mixed = onto_sum;
        Op alone = fill;
        if (mixed) {
          alone.out0 = internal("zero", t.axis, ASSAY_LOCAL, 0, k);
          alone.accumulate = false;
          alone.only_measured = entering;
          emit(alone);
        } else {
          emit(fill);
        }
        Op dot;
        dot.kind = OpKind::kDot;
        dot.name = "value of the zero term";
        dot.axis = t.axis;
        dot.left = own;
        dot.right = alone.out0;
        dot.scale = linear ? 1.0 : 0.5;
        dot.only_measured = entering;
        dot.line_value = lines;
        dot.value = lines ? t.value : internal("zeros", ASSAY_ONE, ASSAY_SUM, 1, 1);
        if (!lines) scalars.emplace_back(dot.value, 1.0);
        emit(dot);
        if (mixed) emit(fill);
      } else {
        emit(fill);
      }
    }
    if (!carried) emit_x(x_part, t.axis, false);
    if (with_value && !lines) publish_value(t, entering, std::move(scalars), 0, false);
  }

  void refuse(const std::string& what) {
    if (!refused_)
      refused_ = Error(ASSAY_E_PLUGIN, "E0410",
                       "plugin `" + program_.who + "` declared what no plan does: " + what);
  }

  // LOCALs that stay within one sweep become tile memory.
  void settle_buffers() {
    for (PlanBuffer& b : layout_.buffers) {
      if (b.place != Place::kStored || b.decl.role != ASSAY_LOCAL) continue;
      if (b.shared >= 0) {
        b.place = Place::kTile;  // no memory of its own
        continue;
      }
      if (b.first_stage >= 0 && b.first_stage == b.last_stage && b.decl.axis != ASSAY_ONE &&
          !b.decl.output)
        b.place = Place::kTile;
    }
  }

  const Program::Body& program_;
  Model& model_;
  const PlanOptions& options_;
  Layout layout_;
  std::vector<std::vector<Control>*> open_ = {&layout_.control};
  int64_t batch_ = 0;  // rows of the batches being lowered, 0 outside
  std::optional<Error> refused_;
  bool cost_said_ = false;
  bool weighted_ = false, zeros_ = false, entering_done_ = false;
  int with_s_[2] = {-1, -1};  // buffers that hold W S and H S'
  int32_t compute_ = ASSAY_F64, main_ = ASSAY_ROWS;
};

}  // namespace

Expected<Layout> make_layout(const Program::Body& program,
                             Model& model,
                             const PlanOptions& options) {
  return Lowering(program, model, options).run();
}

}  // namespace assay::graph
