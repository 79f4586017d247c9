// SPDX-License-Identifier: Apache-2.0
// xtensor.hpp: adaptors see the entries where they lie, for any strides, and write through.
#include <doctest/doctest.h>

#include <assay/xtensor.hpp>
#include <xtensor/xmath.hpp>

TEST_CASE("views are xtensor expressions without a copy") {
  double data[] = {1, 2, -9, 3, 4, -9};
  const assay_view block = {data, 2, 2, 3, 0, ASSAY_F64, 0};
  auto F = assay::xtensor::adapt<double>(block);
  CHECK(xt::sum(F)() == 10);
  F *= 2;
  CHECK(data[4] == 8);
  CHECK(data[2] == -9);

  const assay_dense transposed = {data, ASSAY_F64, 0, 2, 2, 1, 3, 0, 0};
  const auto T = assay::xtensor::adapt<const double>(transposed);
  CHECK(T(0, 1) == 6);
  CHECK(T(1, 0) == 4);
}
