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

// Zeros that are not stored must stay what they are.
Error would_be_dense(const std::string& become) {
  return Error(ASSAY_E_COMBINATION, "",
               "sparse data would become dense: unstored zeros would turn into " + become)
      .with_help("use dense data, a transform that keeps 0, or `unstored: unobserved`");
}

// Stored entry p as the view shows it.
double stored(const Data& x, int64_t p) {
  const Lines& csr = x.csr;
  const int64_t j = csr.indices[p];
  const double v = csr.dtype == ASSAY_F64
                       ? static_cast<const double*>(csr.values)[p]
                       : static_cast<double>(static_cast<const float*>(csr.values)[p]);
  return v * (x.scale ? (*x.scale)[j] : 1) + (x.shift ? (*x.shift)[j] : 0);
}

// Values of another meaning at the places of csr.
std::shared_ptr<Replaced> replacement(const Lines& csr) {
  auto replaced = std::make_shared<Replaced>();
  replaced->owner = csr.owner;
  replaced->values = AlignedArray<unsigned char>(csr.nnz * dtype_size(csr.dtype));
  return replaced;
}
void replace(const Lines& csr, Replaced& with, int64_t p, double v) {
  if (csr.dtype == ASSAY_F64) {
    set_value<double>(with.values.data(), p, v);
  } else {
    set_value<float>(with.values.data(), p, v);
  }
}
Data replaced_by(const Data& x, std::shared_ptr<Replaced> values) {
  Data out = x;
  forget_view(out);
  out.csr.values = values->values.data();
  out.csr.owner = std::move(values);
  return out;
}

// Stored entries first .. last - 1 that are not hidden, and where they are.
void seen_entries(const Data& x,
                  int64_t first,
                  int64_t last,
                  std::vector<double>& values,
                  std::vector<int64_t>& places) {
  values.clear();
  places.clear();
  for (int64_t p = first; p < last; ++p) {
    if (x.csr.weights && !(x.csr.weights[p] > 0)) continue;
    places.push_back(p);
    values.push_back(stored(x, p));
  }
}

Expected<Data> sparse_element(const Data& x, const Elementwise& f) {
  if (x.unstored_zero) {
    double zero = 0;
    if (!x.shift) ASSAY_TRY(f(1, &zero));
    if (x.shift) return would_be_dense("numbers of their column");
    if (zero != 0) return would_be_dense(format_shortest(zero));
  }
  const Lines& csr = x.csr;
  auto replaced = replacement(csr);
  constexpr int64_t kRun = 4096;
  std::vector<double> run;
  std::vector<int64_t> places;
  for (int64_t from = 0; from < csr.nnz; from += kRun) {
    seen_entries(x, from, std::min(from + kRun, csr.nnz), run, places);
    if (run.empty()) continue;
    ASSAY_TRY(f(static_cast<int64_t>(run.size()), run.data()));
    for (size_t e = 0; e < run.size(); ++e) replace(csr, *replaced, places[e], run[e]);
  }
  return replaced_by(x, std::move(replaced));
}

Expected<Data> sparse_rows(const Data& x, const Elementwise& f) {
  if (x.unstored_zero && x.shift) return would_be_dense("numbers of their column");
  const Lines& csr = x.csr;
  auto replaced = replacement(csr);
  std::vector<double> row;
  std::vector<int64_t> places;
  for (int64_t i = 0; i < x.rows; ++i) {
    seen_entries(x, csr.indptr[i], csr.indptr[i + 1], row, places);
    if (row.empty()) continue;
    ASSAY_TRY(f(static_cast<int64_t>(row.size()), row.data()));
    for (size_t e = 0; e < row.size(); ++e) replace(csr, *replaced, places[e], row[e]);
  }
  return replaced_by(x, std::move(replaced));
}

template <class T>
Expected<Data> dense_rows(const Data& x, const Elementwise& f, int32_t dtype) {
  auto store = allocate_dense(x.rows, x.cols, dtype);
  if (!store) return std::move(store.error());
  std::vector<double> row(static_cast<size_t>(x.cols)), seen;
  for (int64_t i = 0; i < x.rows; ++i) {
    load<double>(x, i, 1, 0, x.cols, row.data(), x.cols);
    const auto observed = [&](int64_t j) { return !x.mask || x.mask->observed(i, j); };
    seen.clear();
    for (int64_t j = 0; j < x.cols; ++j)
      if (observed(j)) seen.push_back(row[static_cast<size_t>(j)]);
    if (seen.empty()) continue;
    ASSAY_TRY(f(static_cast<int64_t>(seen.size()), seen.data()));
    T* to = static_cast<T*>(store->data) + i * x.cols;
    size_t next = 0;
    for (int64_t j = 0; j < x.cols; ++j) to[j] = observed(j) ? static_cast<T>(seen[next++]) : T{0};
  }
  Data out = x;
  forget_view(out);
  out.dense = std::move(store->dense);
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

Expected<Data> with_rows(const Data& x, const Elementwise& f) {
  try {
    if (x.sparse) return sparse_rows(x, f);
    return x.dense.dtype == ASSAY_F32 ? dense_rows<float>(x, f, ASSAY_F32)
                                      : dense_rows<double>(x, f, ASSAY_F64);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to rewrite the data");
  }
}

}  // namespace assay::data
