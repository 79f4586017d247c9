// SPDX-License-Identifier: Apache-2.0
// Normal equations of each line by itself: where weights, what is observed or the curvature differ
// from entry to entry. G = sum v o o', r = sum (v m - g) o over the line's observed entries, v the
// majorising curvature and g the gradient at m = <f, o>, times the weights; the squared loss has
// v = w and r = sum w x o. Cost n_i k^2 a line. Zeros of sparse X under the squared loss: G is the
// weight of the line times the Gram matrix of all o, plus sum (w - that of a zero there) o o' over
// stored entries.
#include "core/graph/tile_lanes.hpp"

namespace assay::graph {

namespace {

constexpr int64_t kSpan = 1024;  // longest span a loss is given

// Moves the rows whose v is not 0 to the front; how many there are.
template <class T>
int64_t gather_differing(int64_t n, int64_t width, double* v, T* rows) {
  int64_t kept = 0;
  for (int64_t e = 0; e < n; ++e) {
    if (v[e] == 0) continue;
    if (kept != e)
      std::memcpy(rows + kept * width, rows + e * width, static_cast<size_t>(width) * sizeof(T));
    v[kept++] = v[e];
  }
  return kept;
}

// What is left of a component after its share was taken away may be rounding alone: then no entry
// of the line says anything of it.
template <class T>
void drop_rounding(int64_t k, double weight, const double* base, int64_t ldb, double* G) {
  constexpr double kRounding = 256 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (int64_t a = 0; a < k; ++a) {
    if (G[a * k + a] > kRounding * weight * base[a * ldb + a]) continue;
    for (int64_t b = 0; b < k; ++b) G[a * k + b] = G[b * k + a] = 0;
  }
}

}  // namespace

template <class T>
int64_t TypedLanes<T>::normals_scratch(int64_t k, int64_t length) {
  const int64_t kp = kernels::padded<T>(k), lp = kernels::padded<T>(length);
  // In T: gathered and scaled operand rows, their image, a line of T values, one result row, f.
  const int64_t t = 2 * length * kp + k * lp + 2 * lp + 2 * kp;
  // In double: m, gradient, curvature, model-weighted values; the matrix.
  const int64_t d = 3 * lp + k * kernels::padded<double>(kp);
  return t * static_cast<int64_t>(sizeof(T)) + d * static_cast<int64_t>(sizeof(double)) + 256;
}

template <class T>
int32_t TypedLanes<T>::run_normals(const Op& op, Tile& t) const {
  const bool rows = op.axis == ASSAY_ROWS;
  const int own = rows ? op.left : op.right, opposite = rows ? op.right : op.left;
  const int64_t k = width(op.left), kp = kernels::padded<T>(k);
  const int64_t length = normals_length(op), lp = kernels::padded<T>(length);
  int64_t ldo = 0, ldf = 0;
  const T* O = whole_operand(*t.stage, opposite, rows ? op.right_image : op.left_image, ldo);
  const T* F = slice(t, own, 0, ldf);
  auto* T_at = reinterpret_cast<T*>(t.w->normals.data());
  const auto take = [&T_at](int64_t n) {
    T* p = T_at;
    T_at += n;
    return p;
  };
  T *gathered = take(length * kp), *scaled = take(length * kp), *image = take(k * lp),
    *model = take(lp), *right_side = take(lp), *row = take(kp), *f = take(kp);
  auto* D_at = reinterpret_cast<double*>((reinterpret_cast<uintptr_t>(T_at) + 63) / 64 * 64);
  double *m = D_at, *g = m + lp, *v = g + lp, *q = v + lp;
  const int64_t ldq = kernels::padded<double>(kp);
  double *r = tile_memory(t, op.out0), *G = tile_memory(t, op.out1);
  const int64_t ldr = buffer(op.out0).ld, ldG = buffer(op.out1).ld;
  const bool zeros_apart = op.extra >= 0;
  const auto* base =
      zeros_apart ? static_cast<const double*>(whole(frame_, op.extra).data) : nullptr;
  const int64_t ldb = zeros_apart ? buffer(op.extra).ld : 0;
  const double *line_weights = host_weights(op.axis),
               *index_weights = host_weights(rows ? ASSAY_COLS : ASSAY_ROWS);
  LineReader& reader = *t.w->lines;
  reader.start(x_, op.axis, t.first, t.count, op.densify);
  for (int64_t i = 0; i < t.count; ++i) {
    assay_line line{};
    if (const int32_t status = reader.line(i, &line); status != ASSAY_OK) return status;
    std::fill_n(r + i * ldr, ldr, 0.0);
    std::fill_n(G + i * ldG, ldG, 0.0);
    const int64_t n = line.n;
    const double weight = line_weights ? line_weights[t.first + i] : 1.0;
    for (int64_t a = 0; zeros_apart && a < k; ++a)
      for (int64_t b = 0; b < k; ++b) G[i * ldG + a * k + b] = weight * base[a * ldb + b];
    if (n == 0) continue;
    const T* o = O;
    int64_t ld = ldo;
    if (line.idx) {
      for (int64_t e = 0; e < n; ++e)
        std::memcpy(gathered + e * kp, O + line.idx[e] * ldo, static_cast<size_t>(kp) * sizeof(T));
      o = gathered;
      ld = kp;
    }
    if (op.squared_loss) {
      for (int64_t e = 0; e < n; ++e) {
        v[e] = line.w ? line.w[e] : 1.0;
        right_side[e] = static_cast<T>(v[e] * line.x[e]);
        if (!zeros_apart) continue;
        const double usual = weight * (index_weights ? index_weights[line.idx[e]] : 1.0);
        v[e] = v[e] == usual ? 0 : v[e] - usual;
      }
    } else {
      std::fill_n(f, kp, T(0));
      std::copy_n(F + i * ldf, k, f);
      const int64_t np = kernels::padded<T>(n);
      kernels_.image(n, k, o, ld, image, np);
      kernels_.rows_product(1, k, f, kp, image, np, np, model, np, false);
      for (int64_t e = 0; e < n; ++e)
        m[e] = std::clamp(static_cast<double>(model[e]), wide_.m_lo, wide_.m_hi);
      for (int64_t e = 0; e < n; e += kSpan) {
        const int64_t span = std::min(kSpan, n - e);
        int32_t status = wide_.grad(wide_.self, &t.w->ctx, span, line.x + e, m + e, g + e);
        if (status == ASSAY_OK)
          status = wide_.curvature(wide_.self, &t.w->ctx, span, line.x + e, m + e, v + e);
        if (status != ASSAY_OK) return status;
      }
      for (int64_t e = 0; e < n; ++e) {
        const double w = line.w ? line.w[e] : 1.0;
        right_side[e] = static_cast<T>(w * (v[e] * m[e] - g[e]));
        v[e] *= w;
      }
    }
    kernels_.rows_product(1, n, right_side, lp, o, ld, kp, row, kp, false);
    for (int64_t a = 0; a < k; ++a) r[i * ldr + a] = static_cast<double>(row[a]);
    const int64_t counting = zeros_apart ? gather_differing(n, kp, v, gathered) : n;
    for (int64_t e = 0; e < counting; ++e)
      for (int64_t a = 0; a < kp; ++a)
        scaled[e * kp + a] = a < k ? static_cast<T>(v[e]) * o[e * ld + a] : T(0);
    std::fill_n(q, k * ldq, 0.0);
    kernels_.gram(counting, scaled, kp, k, o, ld, kp, q, ldq);
    for (int64_t a = 0; a < k; ++a)
      for (int64_t b = 0; b < k; ++b) G[i * ldG + a * k + b] += q[a * ldq + b];
    if (zeros_apart && counting > 0) drop_rounding<T>(k, weight, base, ldb, G + i * ldG);
  }
  return ASSAY_OK;
}

template int64_t TypedLanes<float>::normals_scratch(int64_t, int64_t);
template int64_t TypedLanes<double>::normals_scratch(int64_t, int64_t);
template int32_t TypedLanes<float>::run_normals(const Op&, Tile&) const;
template int32_t TypedLanes<double>::run_normals(const Op&, Tile&) const;

}  // namespace assay::graph
