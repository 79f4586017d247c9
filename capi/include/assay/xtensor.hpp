// SPDX-License-Identifier: Apache-2.0
// Optional: views of the C surface as xtensor adaptors, without a copy. They live as long as the view's memory does.
//
//   auto F = assay::xtensor::adapt<double>(block.view(0));   // rows x cols, writes go to the block
#ifndef ASSAY_XTENSOR_HPP
#define ASSAY_XTENSOR_HPP

#include <array>
#include <cstddef>
#include <utility>
#include <xtensor/xadapt.hpp>
#include <xtensor/xstrided_view.hpp>

#include "plugin.h"

namespace assay::xtensor {

// T is the view's element type (const T for read-only views); strides are in elements.
template <class T>
auto adapt(T *data, int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  std::array<std::size_t, 2> shape = {static_cast<std::size_t>(rows),
                                      static_cast<std::size_t>(cols)};
  std::array<std::ptrdiff_t, 2> strides = {row_stride, col_stride};
  const int64_t last = (rows - 1) * row_stride + (cols - 1) * col_stride;
  const std::array<std::size_t, 1> extent = {
      rows > 0 && cols > 0 ? static_cast<std::size_t>(last) + 1 : 0};
  // A view of the flat memory: an adaptor with strides of its own would run through padding.
  return xt::strided_view(xt::adapt(data, extent[0], xt::no_ownership(), extent), std::move(shape),
                          std::move(strides), 0, xt::layout_type::dynamic);
}

// A matrix argument of a block function.
template <class T>
auto adapt(const assay_view &v) {
  return adapt(static_cast<T *>(v.data), v.rows, v.cols, v.stride, 1);
}

// A dense matrix of the application.
template <class T>
auto adapt(const assay_dense &m) {
  return adapt(static_cast<T *>(m.data), m.rows, m.cols, m.row_stride, m.col_stride);
}

}  // namespace assay::xtensor

#endif
