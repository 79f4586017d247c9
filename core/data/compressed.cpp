// SPDX-License-Identifier: Apache-2.0
// Sparse views: checks, then CSR with 32-bit indices that rise within a line, copying only the
// arrays that do not fit.
#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "core/data/memory.hpp"

namespace assay::data {
namespace {

// Arrays made for a view, and the memory of the others.
struct Kept {
  std::shared_ptr<const void> owner;
  AlignedArray<int64_t> indptr;
  AlignedArray<int32_t> indices;
  AlignedArray<unsigned char> values;
};

Error malformed(const std::string& what) {
  return Error(ASSAY_E_FORMAT, "", "the sparse matrix is malformed: " + what);
}

template <class I>
Expected<void> check_arrays(const assay_sparse& view, int64_t lines, int64_t width) {
  const I* indptr = static_cast<const I*>(view.indptr);
  const I* indices = static_cast<const I*>(view.indices);
  const int64_t base = view.index_base;
  if (indptr[0] != base)
    return malformed("`indptr` starts at " + std::to_string(indptr[0]) + ", not " +
                     std::to_string(base));
  for (int64_t i = 0; i < lines; ++i) {
    if (indptr[i + 1] < indptr[i] || indptr[i + 1] - base > view.nnz)
      return malformed("`indptr` falls or passes `nnz` at line " + std::to_string(i + 1));
    for (int64_t p = indptr[i] - base; p < indptr[i + 1] - base; ++p) {
      const int64_t index = indices[p] - base;
      if (index < 0 || index >= width)
        return malformed("index " + std::to_string(indices[p]) + " in line " +
                         std::to_string(i + 1) + " is outside the matrix");
    }
  }
  if (indptr[lines] - base != view.nnz)
    return malformed("`indptr` ends at " + std::to_string(indptr[lines]) + ", but `nnz` is " +
                     std::to_string(view.nnz));
  return {};
}

template <class I>
void keep_indices(const assay_sparse& view, int64_t lines, Kept& kept, Lines& out) {
  const I* indptr = static_cast<const I*>(view.indptr);
  const I* indices = static_cast<const I*>(view.indices);
  if (sizeof(I) == 8 && view.index_base == 0) {
    out.indptr = reinterpret_cast<const int64_t*>(indptr);
  } else {
    kept.indptr = AlignedArray<int64_t>(lines + 1);
    for (int64_t i = 0; i <= lines; ++i)
      kept.indptr[i] = static_cast<int64_t>(indptr[i]) - view.index_base;
    out.indptr = kept.indptr.data();
  }
  if (sizeof(I) == 4 && view.index_base == 0) {
    out.indices = reinterpret_cast<const int32_t*>(indices);
  } else {
    kept.indices = AlignedArray<int32_t>(view.nnz);
    for (int64_t p = 0; p < view.nnz; ++p)
      kept.indices[p] = static_cast<int32_t>(indices[p] - view.index_base);
    out.indices = kept.indices.data();
  }
}

void keep_values(const assay_sparse& view, Kept& kept, Lines& out) {
  const int32_t dtype = view.dtype == ASSAY_F32 || view.dtype == ASSAY_F16 ? ASSAY_F32 : ASSAY_F64;
  out.dtype = view.values ? dtype : ASSAY_F64;
  if (view.values && view.dtype == dtype) {
    out.values = view.values;
    return;
  }
  kept.values = AlignedArray<unsigned char>(view.nnz * dtype_size(out.dtype));
  out.values = kept.values.data();
  if (view.nnz == 0) return;
  if (!view.values) {
    double* ones = reinterpret_cast<double*>(kept.values.data());
    std::fill(ones, ones + view.nnz, 1.0);
    return;
  }
  const assay_dense row = {view.values, view.dtype, 0, 1, view.nnz, view.nnz, 1, 0, 0};
  copy_dense(row, out.dtype, kept.values.data(), view.nnz);
}

bool sorted(const Lines& lines) {
  for (int64_t i = 0; i < lines.lines; ++i)
    if (!std::is_sorted(lines.indices + lines.indptr[i], lines.indices + lines.indptr[i + 1]))
      return false;
  return true;
}

Expected<void> check_unique(const Lines& csr) {
  for (int64_t i = 0; i < csr.lines; ++i) {
    const int32_t* end = csr.indices + csr.indptr[i + 1];
    const int32_t* twice = std::adjacent_find(csr.indices + csr.indptr[i], end);
    if (twice == end) continue;
    Error error(ASSAY_E_FORMAT, "", "an entry is stored twice");
    error.place = "row " + std::to_string(i + 1) + ", column " + std::to_string(*twice + 1);
    error.help.push_back("store each entry once: add up the repeated ones, or keep the last");
    return error;
  }
  return {};
}

Expected<void> check_view(const assay_sparse& view) {
  ASSAY_TRY(check_shape(view.rows, view.cols));
  if (view.nnz < 0 || view.nnz > view.rows * view.cols)
    return malformed("`nnz` is " + std::to_string(view.nnz) + " in a matrix of " +
                     std::to_string(view.rows) + " x " + std::to_string(view.cols));
  if (!view.indptr || (!view.indices && view.nnz > 0))
    return malformed("`indptr` or `indices` is NULL");
  if (view.index_dtype != ASSAY_I32 && view.index_dtype != ASSAY_I64)
    return malformed("indices must be int32 or int64");
  if (view.index_base != 0 && view.index_base != 1) return malformed("`index_base` must be 0 or 1");
  if (view.layout != ASSAY_CSR && view.layout != ASSAY_CSC)
    return malformed("`layout` must be CSR or CSC");
  if (view.values && storage_dtype(view.dtype) == 0)
    return malformed("dtype " + std::to_string(view.dtype) + " cannot hold values");
  return {};
}

Expected<Lines> lines_of(const assay_sparse& view, std::shared_ptr<const void> owner) {
  const bool csr = view.layout == ASSAY_CSR;
  const int64_t count = csr ? view.rows : view.cols, width = csr ? view.cols : view.rows;
  const bool narrow = view.index_dtype == ASSAY_I32;
  ASSAY_TRY(narrow ? check_arrays<int32_t>(view, count, width)
                   : check_arrays<int64_t>(view, count, width));
  auto kept = std::make_shared<Kept>();
  kept->owner = std::move(owner);
  Lines out;
  out.lines = count;
  out.nnz = view.nnz;
  if (narrow) {
    keep_indices<int32_t>(view, count, *kept, out);
  } else {
    keep_indices<int64_t>(view, count, *kept, out);
  }
  keep_values(view, *kept, out);
  out.owner = std::move(kept);
  if (!csr) return transpose(out, view.rows);
  if (sorted(out)) return out;
  auto twin = transpose(out, view.cols);  // there and back again sorts each line
  if (!twin) return twin;
  return transpose(*twin, view.rows);
}

}  // namespace

Expected<Data> from_sparse(const assay_sparse& view, std::shared_ptr<const void> owner) {
  ASSAY_TRY(check_view(view));
  try {
    auto lines = lines_of(view, std::move(owner));
    if (!lines) return std::move(lines.error());
    ASSAY_TRY(check_unique(*lines));
    Data x;
    x.rows = view.rows;
    x.cols = view.cols;
    x.sparse = true;
    x.unstored_zero = (view.flags & ASSAY_UNSTORED_UNOBSERVED) == 0;
    x.csr = std::move(*lines);
    return x;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "",
                 "not enough memory for " + std::to_string(view.nnz) + " stored entries");
  }
}

}  // namespace assay::data
