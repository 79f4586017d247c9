// SPDX-License-Identifier: Apache-2.0
// Products as a program declares them: times, gram, terms, normals.
#include <algorithm>

#include "core/graph/builder.hpp"

namespace assay::graph {

namespace {

// X'X, or X X' with ASSAY_TRANSPOSED.
int32_t add_square(Builder& s, assay_buf out, uint32_t flags) {
  if (!s.use(out, "the result of times")) return ASSAY_E_PLUGIN;
  const BufferDecl& o = s.decl(out);
  Line line;
  line.kind = LineKind::kTimes;
  line.name = "times -> " + o.name;
  line.axis = ASSAY_ONE;
  line.out = out;
  line.left = line.right = ASSAY_X;
  line.flags = flags;
  if (flags & ~uint32_t{ASSAY_TRANSPOSED})
    return s.fail("`" + line.name + "`: X'X is of the entries as they are");
  const int64_t size = (flags & ASSAY_TRANSPOSED) != 0 ? s.model->n() : s.model->d();
  if (o.axis != ASSAY_ONE || o.role != ASSAY_SUM || o.rows != size || o.width != size)
    return s.fail("`" + line.name + "`: X'X needs a SUM of " + std::to_string(size) + " x " +
                  std::to_string(size) + " on ONE");
  if (std::find(s.open.begin(), s.open.end(), LineKind::kBatches) != s.open.end())
    return s.fail("`" + line.name + "`: X'X is of all rows and cannot be in batches");
  if (s.written[static_cast<size_t>(out)]) return s.fail("two lines add to `" + o.name + "`");
  s.written[static_cast<size_t>(out)] = 1;
  s.body->lines.push_back(std::move(line));
  return 0;
}

}  // namespace

int32_t add_times(assay_builder* b,
                  assay_buf out,
                  assay_buf left,
                  assay_buf right,
                  uint32_t flags) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (left == ASSAY_X && right == ASSAY_X) return add_square(s, out, flags);
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
  const bool turned = (flags & ASSAY_TRANSPOSED) != 0, labels = r.dtype == ASSAY_I32;
  if (left == ASSAY_X && labels) {
    if (o.axis != ASSAY_COLS || r.axis != ASSAY_ROWS || (flags & ~uint32_t{ASSAY_WEIGHTED}) != 0)
      return s.fail("`" + line.name + "`: labels lie on ROWS and their sums of X on COLS");
    if (s.written[static_cast<size_t>(out)]) return s.fail("two lines add to `" + o.name + "`");
  } else if (left == ASSAY_X) {
    if (turned) return s.fail("`" + line.name + "`: only a small operand can be transposed");
    if (o.axis == ASSAY_ONE || r.axis == ASSAY_ONE || o.axis == r.axis)
      return s.fail("`" + line.name +
                    "`: X times a buffer on one axis gives a buffer on the other");
    if (o.width != r.width) return s.fail("`" + line.name + "`: widths differ");
  } else {
    if (!s.use(left, "the left operand of times")) return ASSAY_E_PLUGIN;
    const BufferDecl& l = s.decl(left);
    if (!s.readable(left, line.name)) return ASSAY_E_PLUGIN;
    if (r.axis != ASSAY_ONE) {  // in X's place
      const bool shaped = l.axis == ASSAY_ROWS && l.role == ASSAY_LOCAL && l.width == s.model->d();
      if (!shaped || o.axis == r.axis || o.axis == ASSAY_ONE || o.width != r.width || turned)
        return s.fail("`" + line.name +
                      "`: a LOCAL of the shape of X times a buffer on one axis gives one on the "
                      "other, of equal width");
      if (o.axis == ASSAY_COLS && s.written[static_cast<size_t>(out)])
        return s.fail("two lines add to `" + o.name + "`");
    } else if (l.axis == ASSAY_ONE || l.axis != o.axis || l.width != (turned ? r.width : r.rows) ||
               o.width != (turned ? r.rows : r.width) || left == out)
      return s.fail("`" + line.name + "`: shapes do not fit: rows (columns) x k times ONE k x m");
  }
  s.written[static_cast<size_t>(out)] = 1;
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_gather(assay_builder* b, assay_buf out, assay_buf rows) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!s.use(out, "the result of gather") || !s.use(rows, "the indices of gather"))
    return ASSAY_E_PLUGIN;
  const BufferDecl &o = s.decl(out), &r = s.decl(rows);
  Line line;
  line.kind = LineKind::kGather;
  line.name = "gather -> " + o.name;
  line.axis = ASSAY_ONE;
  line.out = out;
  line.left = rows;
  if (!s.readable(rows, line.name)) return ASSAY_E_PLUGIN;
  const int64_t width = r.role == ASSAY_SMALLEST ? 2 : 1;
  if (o.axis != ASSAY_ONE || o.role != ASSAY_LOCAL || o.width != s.model->d() ||
      r.axis != ASSAY_ONE || r.width != width || o.rows != r.rows)
    return s.fail("`" + line.name +
                  "`: rows of X need a LOCAL of m x d on ONE, and m x 1 indices or m smallest");
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
  if (t->what == ASSAY_MU && !(t->flags & ASSAY_TERMS_SQUARED) && !s.model->loss->has_mu_split())
    return s.fail("terms in two halves, but the loss has no multiplicative split");
  if (t->flags & ASSAY_TERMS_LOG_DENSITY) {
    if (t->what != ASSAY_VALUE || (t->flags & ASSAY_TERMS_SQUARED))
      return s.fail("terms of the log density are those of the loss's VALUE");
    if (!s.model->loss->has_log_density())
      return s.fail("loss `" + s.model->loss->id() + "` offers no log density");
  }
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
    const bool total = v.axis == ASSAY_ONE && v.role == ASSAY_SUM && v.rows == 1;
    const bool each = v.axis == t->axis && v.role == ASSAY_LOCAL;
    if (v.width != 1 || !(total || each) || (total && s.written[static_cast<size_t>(t->value)]))
      return s.fail("`" + line.name +
                    "`: its value must be a 1 x 1 SUM on ONE that nothing else adds to, or a LOCAL "
                    "of width 1 on its axis");
    s.written[static_cast<size_t>(t->value)] = 1;
  } else if (t->what == ASSAY_VALUE) {
    return s.fail("`" + line.name + "`: asks for the value and names no buffer for it");
  }
  s.body->lines.push_back(std::move(line));
  return 0;
}

int32_t add_normals(assay_builder* b, const assay_normals* t) {
  Builder& s = Builder::of(b);
  if (s.failed) return ASSAY_E_PLUGIN;
  if (!t) return s.fail("normals without a description");
  if (t->axis != ASSAY_ROWS && t->axis != ASSAY_COLS)
    return s.fail("normals must be on ROWS or COLS");
  Line line;
  line.kind = LineKind::kNormals;
  line.name = std::string("normals ") + (t->axis == ASSAY_ROWS ? "rows" : "cols");
  if (!s.model->loss) return s.fail("`" + line.name + "`, but the model has no loss");
  if (!s.use(t->left, "the left operand of normals") ||
      !s.use(t->right, "the right operand of normals") || !s.use(t->gram, "the gram of normals") ||
      !s.use(t->rhs, "the right side of normals"))
    return ASSAY_E_PLUGIN;
  const BufferDecl &l = s.decl(t->left), &r = s.decl(t->right), &g = s.decl(t->gram),
                   &h = s.decl(t->rhs);
  line.axis = t->axis;
  line.flags = t->flags;
  line.left = t->left;
  line.right = t->right;
  line.gram = t->gram;
  line.out = t->rhs;
  if (!s.readable(t->left, line.name) || !s.readable(t->right, line.name) ||
      !s.writable(t->gram, line.name) || !s.writable(t->rhs, line.name))
    return ASSAY_E_PLUGIN;
  if (l.axis != ASSAY_ROWS || r.axis != ASSAY_COLS || l.width != r.width)
    return s.fail("`" + line.name + "`: left must lie on ROWS, right on COLS, with one width");
  if (h.role != ASSAY_LOCAL || h.axis != t->axis || h.width != l.width || g.role != ASSAY_LOCAL ||
      g.axis != t->axis || g.width != l.width * l.width || t->gram == t->rhs)
    return s.fail("`" + line.name +
                  "`: rhs must be a LOCAL of its axis and the factors' width k, gram one of k k");
  if (s.written[static_cast<size_t>(t->gram)]) return s.fail("two lines write `" + g.name + "`");
  s.written[static_cast<size_t>(t->gram)] = s.written[static_cast<size_t>(t->rhs)] = 1;
  s.matrices.insert(t->gram);
  s.body->lines.push_back(std::move(line));
  return 0;
}

}  // namespace assay::graph
