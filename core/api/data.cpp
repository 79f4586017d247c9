// SPDX-License-Identifier: Apache-2.0
// Data of an application's memory, borrowed or copied.
#include <algorithm>
#include <cstring>

#include "core/api/handles.hpp"
#include "core/data/memory.hpp"

using assay::Error;
using assay::Expected;
using assay::api::bad_argument;
using assay::api::walled;

namespace {

// Keeps borrowed memory until the last user is gone. Disarmed until the call has succeeded.
class Loan {
 public:
  Loan(assay_release release, void* owner) : release_(release), owner_(owner) {}
  ~Loan() {
    if (armed_ && release_) release_(owner_);
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  void arm() { armed_ = true; }

 private:
  assay_release release_;
  void* owner_;
  bool armed_ = false;
};

using Bytes = std::vector<unsigned char>;

// A contiguous copy of a dense view's elements, with a view of it.
Expected<assay::data::Data> copied(const assay_dense& view) {
  const int64_t item = assay::data::dtype_size(view.dtype);
  if (item <= 0) return Error(ASSAY_E_ARGUMENT, "E0904", "`dtype` is not one of types.h");
  auto bytes = std::make_shared<Bytes>(static_cast<size_t>(view.rows * view.cols * item));
  const auto* from = static_cast<const unsigned char*>(view.data);
  auto* to = bytes->data();
  for (int64_t i = 0; i < view.rows; ++i) {
    for (int64_t j = 0; j < view.cols; ++j, to += item) {
      std::memcpy(to, from + (i * view.row_stride + j * view.col_stride) * item,
                  static_cast<size_t>(item));
    }
  }
  assay_dense own = view;
  own.data = bytes->data();
  own.row_stride = view.cols;
  own.col_stride = 1;
  return assay::data::from_dense(own, bytes);
}

std::shared_ptr<Bytes> copy_of(const void* from, int64_t count, int64_t item) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  return std::make_shared<Bytes>(bytes, bytes + count * item);
}

Expected<assay::data::Data> copied(const assay_sparse& view) {
  const int64_t lines = view.layout == ASSAY_CSR ? view.rows : view.cols;
  const int64_t item = assay::data::dtype_size(view.dtype);
  const int64_t index = view.index_dtype == ASSAY_I32 ? 4 : 8;
  if (item <= 0) return Error(ASSAY_E_ARGUMENT, "E0904", "`dtype` is not one of types.h");
  struct Parts {
    std::shared_ptr<Bytes> values, indices, indptr;
  };
  auto parts = std::make_shared<Parts>();
  parts->indices = copy_of(view.indices, view.nnz, index);
  parts->indptr = copy_of(view.indptr, lines + 1, index);
  assay_sparse own = view;
  own.indices = parts->indices->data();
  own.indptr = parts->indptr->data();
  if (view.values) {
    parts->values = copy_of(view.values, view.nnz, item);
    own.values = parts->values->data();
  }
  return assay::data::from_sparse(own, parts);
}

Expected<void> check(const assay_dense& v) {
  if (!v.data && v.rows > 0 && v.cols > 0) return bad_argument("`view->data` is NULL");
  if (v.row_stride <= 0 || v.col_stride <= 0) return bad_argument("strides must be positive");
  return assay::data::check_shape(v.rows, v.cols);
}

Expected<void> check(const assay_sparse& v) {
  if (!v.indptr || (v.nnz > 0 && !v.indices)) return bad_argument("`indices` or `indptr` is NULL");
  if (v.nnz < 0) return bad_argument("`nnz` is negative");
  if (v.index_dtype != ASSAY_I32 && v.index_dtype != ASSAY_I64) {
    return bad_argument("`index_dtype` must be ASSAY_I32 or ASSAY_I64");
  }
  if (v.layout != ASSAY_CSR && v.layout != ASSAY_CSC) {
    return bad_argument("`layout` must be ASSAY_CSR or ASSAY_CSC");
  }
  return assay::data::check_shape(v.rows, v.cols);
}

Expected<assay::data::Data> borrowed(const assay_dense& v, std::shared_ptr<const void> owner) {
  return assay::data::from_dense(v, std::move(owner));
}
Expected<assay::data::Data> borrowed(const assay_sparse& v, std::shared_ptr<const void> owner) {
  return assay::data::from_sparse(v, std::move(owner));
}

template <class View>
Expected<int32_t> make(const View* view,
                       uint32_t flags,
                       assay_release release,
                       void* owner,
                       assay_data** out) {
  if (!view || !out) return bad_argument("`view` or `out` is NULL");
  ASSAY_TRY(check(*view));
  auto loan = std::make_shared<Loan>(release, owner);
  auto made = flags & ASSAY_DATA_COPY ? copied(*view) : borrowed(*view, loan);
  if (!made) return std::move(made.error());
  auto handle = std::make_unique<assay_data>();
  if (made->id.empty()) made->id = assay::data::identify(*made);
  handle->x = std::make_shared<const assay::data::Data>(std::move(*made));
  loan->arm();
  *out = handle.release();
  return ASSAY_OK;
}

}  // namespace

extern "C" {

int32_t assay_data_from_dense(const assay_dense* view,
                              uint32_t flags,
                              assay_release release,
                              void* owner,
                              assay_data** out,
                              assay_error** error) {
  return walled(error, [&] { return make(view, flags, release, owner, out); });
}

int32_t assay_data_from_sparse(const assay_sparse* view,
                               uint32_t flags,
                               assay_release release,
                               void* owner,
                               assay_data** out,
                               assay_error** error) {
  return walled(error, [&] { return make(view, flags, release, owner, out); });
}

int32_t assay_data_shape(const assay_data* data, int64_t* rows, int64_t* cols) {
  if (!data) return ASSAY_E_ARGUMENT;
  if (rows) *rows = data->x->rows;
  if (cols) *cols = data->x->cols;
  return ASSAY_OK;
}

void assay_data_destroy(assay_data** data) {
  if (!data) return;
  delete *data;
  *data = nullptr;
}

}  // extern "C"
