// SPDX-License-Identifier: Apache-2.0
// Composition of views.
#include "core/data/view.hpp"

#include <algorithm>
#include <new>
#include <vector>

#include "core/base/number.hpp"
#include "core/data/lines.hpp"
#include "core/data/memory.hpp"
#include "core/data/tile.hpp"

namespace assay::data {
namespace {

using Numbers = AlignedArray<double>;

std::shared_ptr<const Numbers> kept_unless(Numbers numbers, double identity) {
  if (std::all_of(numbers.begin(), numbers.end(), [&](double v) { return v == identity; }))
    return nullptr;
  return std::make_shared<const Numbers>(std::move(numbers));
}

bool uniform(const std::shared_ptr<const Numbers>& numbers) {
  return !numbers || std::all_of(numbers->begin(), numbers->end(),
                                 [&](double v) { return v == (*numbers)[0]; });
}

// Entries mean something else from here on.
void forget_view(Data& x) {
  x.truth = nullptr;
  x.table = x.scale = x.shift = nullptr;
  x.same_view = false;
}

Expected<Data> with_table(const Data& x, const Elementwise& f) {
  Numbers table(256);
  const double scale = x.scale ? (*x.scale)[0] : 1, shift = x.shift ? (*x.shift)[0] : 0;
  for (int64_t v = 0; v < 256; ++v)
    table[v] = (x.table ? (*x.table)[v] : static_cast<double>(v)) * scale + shift;
  ASSAY_TRY(f(256, table.data()));
  Data out = x;
  forget_view(out);
  out.table = std::make_shared<const Numbers>(std::move(table));
  return out;
}

template <class T>
Expected<Data> rewritten(const Data& x, const Elementwise& f, int32_t dtype) {
  auto store = allocate_dense(x.rows, x.cols, dtype);
  if (!store) return std::move(store.error());
  std::vector<double> row(static_cast<size_t>(x.cols));
  for (int64_t i = 0; i < x.rows; ++i) {
    load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
    ASSAY_TRY(f(x.cols, row.data()));
    T* to = static_cast<T*>(store->data) + i * x.cols;
    for (int64_t j = 0; j < x.cols; ++j) {
      const bool seen = !x.mask || x.mask->observed(i, j);
      to[j] = seen ? static_cast<T>(row[static_cast<size_t>(j)]) : T{0};
    }
  }
  Data out = x;
  forget_view(out);
  out.dense = std::move(store->dense);
  return out;
}

template <class T>
void set_value(void* values, int64_t p, double v) {
  static_cast<T*>(values)[p] = static_cast<T>(v);
}

struct Replaced {
  std::shared_ptr<const void> owner;
  AlignedArray<unsigned char> values;
};

Expected<Data> sparse_element(const Data& x, const Elementwise& f) {
  if (x.unstored_zero) {
    double zero = 0;
    if (!x.shift) ASSAY_TRY(f(1, &zero));
    if (x.shift || zero != 0)
      return Error(ASSAY_E_COMBINATION, "",
                   "sparse data would become dense: unstored zeros would turn into " +
                       (x.shift ? std::string("numbers of their column") : format_shortest(zero)))
          .with_help("use dense data, a transform that keeps 0, or `unstored: unobserved`");
  }
  const Lines& csr = x.csr;
  auto replaced = std::make_shared<Replaced>();
  replaced->owner = csr.owner;
  replaced->values = AlignedArray<unsigned char>(csr.nnz * dtype_size(csr.dtype));
  for (int64_t p = 0; p < csr.nnz; ++p) {
    if (csr.weights && !(csr.weights[p] > 0)) continue;
    const int64_t j = csr.indices[p];
    double v = csr.dtype == ASSAY_F64
                   ? static_cast<const double*>(csr.values)[p]
                   : static_cast<double>(static_cast<const float*>(csr.values)[p]);
    v = v * (x.scale ? (*x.scale)[j] : 1) + (x.shift ? (*x.shift)[j] : 0);
    ASSAY_TRY(f(1, &v));
    if (csr.dtype == ASSAY_F64) {
      set_value<double>(replaced->values.data(), p, v);
    } else {
      set_value<float>(replaced->values.data(), p, v);
    }
  }
  Data out = x;
  forget_view(out);
  out.csr.values = replaced->values.data();
  out.csr.owner = std::move(replaced);
  return out;
}

}  // namespace

Expected<Data> with_affine(const Data& x, const double* scale, const double* shift) {
  try {
    Numbers scales(x.cols), shifts(x.cols);
    for (int64_t j = 0; j < x.cols; ++j) {
      scales[j] = (x.scale ? (*x.scale)[j] : 1) * scale[j];
      shifts[j] = (x.shift ? (*x.shift)[j] : 0) * scale[j] + shift[j];
    }
    Data out = x;
    out.scale = kept_unless(std::move(scales), 1);
    out.shift = kept_unless(std::move(shifts), 0);
    out.same_view = uniform(out.scale) && uniform(out.shift);
    return out;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory for the scale and shift of the columns");
  }
}

Expected<Data> with_element(const Data& x, const Elementwise& f, Rewrite* how) {
  try {
    *how = Rewrite::kStorage;
    if (x.sparse) return sparse_element(x, f);
    if (x.dense.dtype == ASSAY_U8 && uniform(x.scale) && uniform(x.shift)) {
      *how = Rewrite::kTable;
      return with_table(x, f);
    }
    return x.dense.dtype == ASSAY_F32 ? rewritten<float>(x, f, ASSAY_F32)
                                      : rewritten<double>(x, f, ASSAY_F64);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to rewrite the data");
  }
}

}  // namespace assay::data
