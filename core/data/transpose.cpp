// SPDX-License-Identifier: Apache-2.0
// The other orientation of sparse X by counting: two passes over the entries, indices rise by
// themselves.
#include <cstring>
#include <new>

#include "core/data/data.hpp"

namespace assay::data {
namespace {

struct Twin {
  AlignedArray<int64_t> indptr;
  AlignedArray<int32_t> indices;
  AlignedArray<unsigned char> values;
  AlignedArray<float> weights;
};

template <class V>
void place(const Lines& from, Twin& to, AlignedArray<int64_t>& next) {
  const V* values = static_cast<const V*>(from.values);
  V* out = reinterpret_cast<V*>(to.values.data());
  for (int64_t i = 0; i < from.lines; ++i) {
    for (int64_t p = from.indptr[i]; p < from.indptr[i + 1]; ++p) {
      const int64_t q = next[from.indices[p]]++;
      to.indices[q] = static_cast<int32_t>(i);
      out[q] = values[p];
      if (from.weights) to.weights[q] = from.weights[p];
    }
  }
}

Lines twin_of(const Lines& from, int64_t lines) {
  auto twin = std::make_shared<Twin>();
  twin->indptr = AlignedArray<int64_t>(lines + 1);
  twin->indices = AlignedArray<int32_t>(from.nnz);
  twin->values = AlignedArray<unsigned char>(from.nnz * dtype_size(from.dtype));
  if (from.weights) twin->weights = AlignedArray<float>(from.nnz);
  for (int64_t p = 0; p < from.nnz; ++p) ++twin->indptr[from.indices[p] + 1];
  for (int64_t j = 0; j < lines; ++j) twin->indptr[j + 1] += twin->indptr[j];
  AlignedArray<int64_t> next = twin->indptr;
  if (from.dtype == ASSAY_F64) {
    place<double>(from, *twin, next);
  } else {
    place<float>(from, *twin, next);
  }
  Lines out;
  out.values = twin->values.data();
  out.indptr = twin->indptr.data();
  out.indices = twin->indices.data();
  out.weights = from.weights ? twin->weights.data() : nullptr;
  out.lines = lines;
  out.nnz = from.nnz;
  out.dtype = from.dtype;
  out.owner = std::move(twin);
  return out;
}

}  // namespace

Expected<Lines> transpose(const Lines& lines, int64_t width) {
  try {
    return twin_of(lines, width);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory for the transposed index of sparse data");
  }
}

Expected<Lines> transpose(const Data& x) {
  if (!x.sparse) return Error(ASSAY_E_INTERNAL, "", "dense data have no transposed index");
  return transpose(x.csr, x.cols);
}

}  // namespace assay::data
