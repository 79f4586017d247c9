// SPDX-License-Identifier: Apache-2.0
// Sums of the rows of each cluster, a cluster to a line so that a row of X is added where it is
// read, and rows of X by index.
#include "core/graph/tile_lanes.hpp"

namespace assay::graph {

template <class T>
void TypedLanes<T>::add_labels(const Op& op, Tile& t) const {
  const PlanBuffer &labels = buffer(op.right), &sums = buffer(op.out0);
  const int32_t* l =
      reinterpret_cast<const int32_t*>(t.w->tiles.data() + labels.offset * t.stage->tile);
  if (labels.place != Place::kTile) {
    const Whole w = whole(frame_, op.right);
    l = static_cast<const int32_t*>(w.data) + t.first * w.ld;
  }
  const double* weights = op.weight >= 0 ? host_weights(op.axis) : nullptr;
  double* to = statistic(t, op.out0);
  const bool sparse = x_.sparse && !op.densify;
  if (!sparse) load_rows(t, true);
  const bool in_place = !sparse && t.x != nullptr && data::direct<T>(x_, t.first, 0) == t.x;
  for (int64_t i = 0; i < t.count; ++i) {
    // The tile behind this one is asked for meanwhile, where the sweep has not done so: every
    // second cache line.
    if (in_place)
      for (int64_t j = 64 / sizeof(T); j < x_.cols; j += 128 / sizeof(T))
        __builtin_prefetch(t.x + (t.count + i) * t.ldx + j, 0, 2);
    const double w = weights ? weights[t.first + i] : 1.0;
    for (int64_t r = 0; r < labels.decl.width; ++r) {
      const int32_t c = l[i * labels.ld + r];
      if (c < 0 || c >= sums.decl.rows) continue;
      double* line = to + c * sums.ld;
      if (sparse)
        add_stored_row(t.first + i, w, line);
      else
        kernels_.add_row(x_.cols, t.x + i * t.ldx, w, line);
    }
  }
}

template <class T>
void TypedLanes<T>::add_stored_row(int64_t row, double w, double* line) const {
  const data::Lines& l = x_.csr;
  for (int64_t p = l.indptr[row]; p < l.indptr[row + 1]; ++p) {
    if (l.weights && !(l.weights[p] > 0)) continue;
    const int64_t j = l.indices[p];
    const double v = l.dtype == ASSAY_F64
                         ? static_cast<const double*>(l.values)[p]
                         : static_cast<double>(static_cast<const float*>(l.values)[p]);
    line[j] += w * v * (x_.scale ? (*x_.scale)[j] : 1.0);
  }
}

template <class T>
void TypedLanes<T>::turn(const Op& op, const Tile& t) const {
  const Whole from = whole(frame_, op.extra);
  const auto* s = static_cast<const double*>(from.data);
  double* to = tile_memory(t, op.out0);
  const int64_t ld = buffer(op.out0).ld, k = width(op.out0);
  for (int64_t j = 0; j < t.count; ++j)
    for (int64_t a = 0; a < k; ++a) to[j * ld + a] = s[a * from.ld + t.first + j];
}

template <class T>
void TypedLanes<T>::gather(const Op& op) const {
  const Whole from = whole(frame_, op.left), out = whole(frame_, op.out0);
  const int64_t column = buffer(op.left).decl.role == ASSAY_SMALLEST ? 1 : 0;
  const data::Data& x = *frame_.model->x;
  auto* to = static_cast<double*>(const_cast<void*>(out.data));
  for (int64_t m = 0; m < buffer(op.left).decl.rows; ++m) {
    const int64_t at = index_of(from, m, column);
    double* line = to + m * out.ld;
    if (at < 0 || at >= x.rows)
      std::fill_n(line, x.cols, 0.0);
    else
      data::load<double>(x, at, 1, 0, x.cols, line, x.cols);
  }
}

template <class T>
int64_t TypedLanes<T>::index_of(const Whole& w, int64_t i, int64_t j) {
  const int64_t at = i * w.ld + j;
  if (w.dtype == ASSAY_I64) return static_cast<const int64_t*>(w.data)[at];
  if (w.dtype == ASSAY_I32) return static_cast<const int32_t*>(w.data)[at];
  if (w.dtype == ASSAY_F32) return static_cast<int64_t>(static_cast<const float*>(w.data)[at]);
  return static_cast<int64_t>(static_cast<const double*>(w.data)[at]);
}

template void TypedLanes<float>::add_labels(const Op&, Tile&) const;
template void TypedLanes<double>::add_labels(const Op&, Tile&) const;
template void TypedLanes<float>::turn(const Op&, const Tile&) const;
template void TypedLanes<double>::turn(const Op&, const Tile&) const;
template void TypedLanes<float>::gather(const Op&) const;
template void TypedLanes<double>::gather(const Op&) const;

}  // namespace assay::graph
