// SPDX-License-Identifier: Apache-2.0
// Data that an application hands over: kept where they lie when they fit, copied when not, refused
// when malformed.
#include <doctest/doctest.h>

#include "core/data/memory.hpp"
#include "core/data/select.hpp"
#include "core/plugin/load.hpp"
#include "tests/unit/data_samples.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

// A 3 x 4 matrix as CSR with indices of type I.
template <class I>
struct Arrays {
  std::vector<double> values{1, 2, 3, 4};
  std::vector<I> indices{1, 3, 0, 2}, indptr{0, 2, 2, 4};
  assay_sparse view{};
  explicit Arrays(int base = 0) {
    for (I& i : indices) i = static_cast<I>(i + base);
    for (I& i : indptr) i = static_cast<I>(i + base);
    view.values = values.data();
    view.indices = indices.data();
    view.indptr = indptr.data();
    view.dtype = ASSAY_F64;
    view.index_dtype = sizeof(I) == 4 ? ASSAY_I32 : ASSAY_I64;
    view.index_base = base;
    view.rows = 3;
    view.cols = 4;
    view.nnz = 4;
  }
};

std::vector<double> entries(const data::Data& x) {
  std::vector<double> out;
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j) out.push_back(x.value(i, j));
  return out;
}

const std::vector<double> kWant{0, 1, 0, 2, 0, 0, 0, 0, 3, 0, 4, 0};

int32_t refused(const assay_sparse& view) {
  const auto x = data::from_sparse(view, nullptr);
  return x.ok() ? 0 : x.error().status;
}

}  // namespace

TEST_CASE("dense views: strides, types, no copy where the layout allows") {
  std::vector<double> a{1, 2, 3, 4, 5, 6, 7, 8};
  assay_dense view = {a.data(), ASSAY_F64, 0, 2, 3, 4, 1, 0, 0};
  const auto padded = data::from_dense(view, nullptr);
  CHECK(padded->dense.data == a.data());
  CHECK(entries(*padded) == std::vector<double>{1, 2, 3, 5, 6, 7});
  view = {a.data(), ASSAY_F64, 0, 4, 2, 1, 4, 0, 0};  // by columns
  const auto turned = data::from_dense(view, nullptr);
  CHECK(turned->dense.data != a.data());
  CHECK(entries(*turned) == std::vector<double>{1, 5, 2, 6, 3, 7, 4, 8});
  std::vector<int32_t> whole{-1, 2};
  view = {whole.data(), ASSAY_I32, 0, 1, 2, 2, 1, 0, 0};
  CHECK(entries(*data::from_dense(view, nullptr)) == std::vector<double>{-1, 2});
  view.rows = 0;
  CHECK(data::from_dense(view, nullptr).error().status == ASSAY_E_EMPTY);
  view.rows = -1;
  CHECK(data::from_dense(view, nullptr).error().status == ASSAY_E_SHAPE);
  view = {nullptr, ASSAY_F64, 0, 1, 2, 2, 1, 0, 0};
  CHECK(data::from_dense(view, nullptr).error().status == ASSAY_E_ARGUMENT);
  view = {a.data(), 99, 0, 1, 2, 2, 1, 0, 0};
  CHECK(data::from_dense(view, nullptr).error().status == ASSAY_E_ARGUMENT);
  view = {a.data(), ASSAY_F64, 0, 1, 2, 2, 0, 0, 0};
  CHECK(data::from_dense(view, nullptr).error().status == ASSAY_E_SHAPE);
}

TEST_CASE("sparse views: index widths, bases, layouts") {
  const Arrays<int32_t> narrow;
  const auto x = data::from_sparse(narrow.view, nullptr);
  CHECK(x->csr.indices == narrow.indices.data());
  CHECK(x->csr.values == narrow.values.data());
  CHECK(entries(*x) == kWant);
  const Arrays<int64_t> wide;
  const auto y = data::from_sparse(wide.view, nullptr);
  CHECK(y->csr.indptr == wide.indptr.data());
  CHECK(entries(*y) == kWant);
  CHECK(entries(*data::from_sparse(Arrays<int32_t>(1).view, nullptr)) == kWant);
  CHECK(entries(*data::from_sparse(Arrays<int64_t>(1).view, nullptr)) == kWant);
  // The same arrays as columns: the transposed matrix.
  Arrays<int32_t> columns;
  columns.view.layout = ASSAY_CSC;
  std::swap(columns.view.rows, columns.view.cols);
  CHECK(entries(*data::from_sparse(columns.view, nullptr)) ==
        std::vector<double>{0, 0, 3, 1, 0, 0, 0, 0, 4, 2, 0, 0});
  Arrays<int32_t> unsorted;
  unsorted.indices = {3, 1, 2, 0};
  unsorted.view.values = nullptr;
  unsorted.view.indices = unsorted.indices.data();
  CHECK(entries(*data::from_sparse(unsorted.view, nullptr)) ==
        std::vector<double>{0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0});
}

TEST_CASE("malformed sparse views are refused") {
  Arrays<int32_t> a;
  a.indices[1] = 4;
  CHECK(refused(a.view) == ASSAY_E_FORMAT);
  a.indices[1] = -1;
  CHECK(refused(a.view) == ASSAY_E_FORMAT);
  a.indices[1] = 1;  // twice in one row
  CHECK(refused(a.view) == ASSAY_E_FORMAT);
  Arrays<int64_t> b;
  b.indptr = {0, 3, 2, 4};
  CHECK(refused(b.view) == ASSAY_E_FORMAT);
  b.indptr = {0, 2, 2, 3};
  CHECK(refused(b.view) == ASSAY_E_FORMAT);
  b.indptr = {0, 2, 2, 9};
  CHECK(refused(b.view) == ASSAY_E_FORMAT);
  b.indptr = {1, 2, 2, 4};
  CHECK(refused(b.view) == ASSAY_E_FORMAT);
  Arrays<int32_t> c;
  c.view.nnz = 13;
  CHECK(refused(c.view) == ASSAY_E_FORMAT);
  c.view.nnz = -1;
  CHECK(refused(c.view) == ASSAY_E_FORMAT);
  Arrays<int32_t> d;
  d.view.indptr = nullptr;
  CHECK(refused(d.view) == ASSAY_E_FORMAT);
  Arrays<int32_t> e;
  e.view.index_dtype = ASSAY_F64;
  CHECK(refused(e.view) == ASSAY_E_FORMAT);
}

TEST_CASE("meaning is given to data in memory as to files") {
  const auto values = std::vector<double>{1, kNan, 3, 4, 5, 6};
  CHECK(plugin::give_meaning(dense(2, 3, values), {}).error().status == ASSAY_E_NON_FINITE);
  plugin::LoadOptions how;
  how.missing_nan = true;
  const auto x = plugin::give_meaning(dense(2, 3, values), how);
  REQUIRE(x.ok());
  CHECK(x->weight(0, 1) == 0);
  how.rows = "1:";
  how.columns = {"2", "0"};
  CHECK(entries(*plugin::give_meaning(dense(2, 3, values), how)) == std::vector<double>{6, 4});
  how.unstored = "zero";
  CHECK(plugin::give_meaning(dense(2, 3, values), how).error().key == "data.unstored");
}

TEST_CASE("ranges are read as they are written") {
  const auto span = [](const char* text) {
    const auto s = data::parse_span(text, 10);
    return s ? std::vector<int64_t>{s->first, s->last} : std::vector<int64_t>{};
  };
  CHECK(span("2:5") == std::vector<int64_t>{2, 5});
  CHECK(span(":5") == std::vector<int64_t>{0, 5});
  CHECK(span("5:") == std::vector<int64_t>{5, 10});
  CHECK(span("9") == std::vector<int64_t>{9, 10});
  for (const char* text : {"", "5:5", "5:2", "3:11", "-1:4", "10", "a:b", "1:2:3"})
    CHECK(span(text).empty());
}
