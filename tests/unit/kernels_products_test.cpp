// SPDX-License-Identifier: Apache-2.0
// The dense products, Gram matrices and images against plain loops, for every instruction set of
// this machine.
#include "tests/unit/kernels_support.hpp"

namespace {

using namespace kernels_test;

template <class T>
void check_products(Isa isa, int64_t rows, int64_t cols, int64_t k) {
  CAPTURE(isa_name(isa));
  CAPTURE(rows);
  CAPTURE(cols);
  CAPTURE(k);
  const Kernels<T>& kernels = table<T>(isa);
  const Matrix<T> x(rows, cols, 1);
  const Factor<T> a(rows, k, 2);
  const Factor<T> b(cols, k, 3);

  Factor<T> out(rows, k, 4);
  const Factor<T> before(rows, k, 4);
  Difference assigned, added;
  kernels.rows_product(rows, cols, x.data(), x.ld, b.data.data(), b.ld, b.ld, out.data.data(),
                       out.ld, true);
  Factor<T> fresh(rows, k, 5);
  kernels.rows_product(rows, cols, x.data(), x.ld, b.data.data(), b.ld, b.ld, fresh.data.data(),
                       fresh.ld, false);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t p = 0; p < out.ld; ++p) {
      double want = 0;
      for (int64_t j = 0; j < cols; ++j) want += x.at(i, j) * b.at(j, p);
      assigned.add(fresh.at(i, p), want);
      added.add(out.at(i, p), want + before.at(i, p));
    }
  }
  CHECK(assigned.relative() < tolerance<T>());
  CHECK(added.relative() < tolerance<T>());

  const int64_t lds = a.ld + 8;
  std::vector<double> s(static_cast<size_t>(cols * lds), 0.5);
  kernels.cols_product(rows, cols, x.data(), x.ld, a.data.data(), a.ld, a.ld, s.data(), lds);
  Difference columns;
  for (int64_t j = 0; j < cols; ++j) {
    for (int64_t p = 0; p < lds; ++p) {
      double want = 0.5;
      for (int64_t i = 0; i < rows && p < a.ld; ++i) want += x.at(i, j) * a.at(i, p);
      columns.add(s[static_cast<size_t>(j * lds + p)], want);
    }
  }
  CHECK(columns.relative() < tolerance<T>());
}

template <class T>
void check_algebra(Isa isa, int64_t rows, int64_t ka, int64_t kb) {
  CAPTURE(isa_name(isa));
  CAPTURE(rows);
  CAPTURE(ka);
  CAPTURE(kb);
  const Kernels<T>& kernels = table<T>(isa);
  const Factor<T> a(rows, ka, 6);
  const Factor<T> b(rows, kb, 7);
  std::vector<double> q(static_cast<size_t>(ka * kb), 1.0);  // rows of q are not padded
  kernels.gram(rows, a.data.data(), a.ld, ka, b.data.data(), b.ld, kb, q.data(), kb);
  Difference gram;
  for (int64_t p = 0; p < ka; ++p) {
    for (int64_t r = 0; r < kb; ++r) {
      double want = 1;
      for (int64_t i = 0; i < rows; ++i) want += a.at(i, p) * b.at(i, r);
      gram.add(q[static_cast<size_t>(p * kb + r)], want);
    }
  }
  CHECK(gram.relative() < tolerance<T>());

  double want = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t p = 0; p < std::min(ka, kb); ++p) want += a.at(i, p) * b.at(i, p);
  }
  const double dot = kernels.dot(rows, std::min(ka, kb), a.data.data(), a.ld, b.data.data(), b.ld);
  CHECK(dot == doctest::Approx(want).epsilon(1e-12));

  std::vector<T> image(static_cast<size_t>(ka * rows));
  kernels.image(rows, ka, a.data.data(), a.ld, image.data(), rows);
  bool equal = true;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t p = 0; p < ka; ++p) {
      equal &= static_cast<double>(image[static_cast<size_t>(p * rows + i)]) == a.at(i, p);
    }
  }
  CHECK(equal);
}

}  // namespace

TEST_CASE("dense products equal plain loops") {
  for (const Isa isa : all_isas()) {
    for (const int64_t k : {1, 3, 5, 16, 17, 50, 70}) {
      for (const int64_t cols : {1, 7, 64, 784}) {
        for (const int64_t rows : {1, 5, 64}) {
          check_products<double>(isa, rows, cols, k);
          check_products<float>(isa, rows, cols, k);
        }
      }
    }
    check_products<double>(isa, 300, 9, 16);
    check_products<float>(isa, 300, 9, 16);
  }
}

TEST_CASE("gram, dot and image equal plain loops") {
  for (const Isa isa : all_isas()) {
    for (const int64_t ka : {1, 5, 16, 50}) {
      for (const int64_t kb : {1, 3, 17, 50}) {
        for (const int64_t rows : {1, 64, 333}) {
          check_algebra<double>(isa, rows, ka, kb);
          check_algebra<float>(isa, rows, ka, kb);
        }
      }
    }
  }
}

TEST_CASE("the square of bytes is exact, the square of numbers that of plain loops") {
  for (const Isa isa : all_isas())
    for (const int64_t rows : {1, 2, 63, 256})
      for (const int64_t cols : {1, 7, 48, 100}) {
        std::vector<uint8_t> x(static_cast<size_t>(rows * (cols + 3)));
        for (size_t e = 0; e < x.size(); ++e) x[e] = e % 3 ? static_cast<uint8_t>(e * 37) : 255;
        const int64_t ld = padded<double>(cols);
        assay::AlignedArray<double> exact(cols * ld), wide(rows * ld), sums(cols * ld);
        assay::AlignedArray<int32_t> words(square_bytes_words(rows, cols));
        table<double>(isa).square_bytes(rows, cols, x.data(), cols + 3, words.data(), exact.data(),
                                        ld);
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < cols; ++j)
            wide[i * ld + j] = x[static_cast<size_t>(i * (cols + 3) + j)];
        table<double>(isa).square(rows, cols, wide.data(), ld, sums.data(), ld);
        int64_t wrong = 0;
        for (int64_t a = 0; a < cols; ++a)
          for (int64_t b = 0; b <= a; ++b) {
            double sum = 0;
            for (int64_t i = 0; i < rows; ++i) sum += wide[i * ld + a] * wide[i * ld + b];
            wrong += exact[a * ld + b] == sum && sums[a * ld + b] == sum ? 0 : 1;
          }
        CHECK(wrong == 0);
      }
}

TEST_CASE("an element of a product does not depend on the rows computed with it") {
  for (const Isa isa : all_isas()) {
    const Matrix<double> x(64, 100, 1);
    const Factor<double> b(100, 16, 3);
    Factor<double> whole(64, 16, 4), pieces(64, 16, 5);
    const auto product = table<double>(isa).rows_product;
    product(64, 100, x.data(), x.ld, b.data.data(), b.ld, 16, whole.data.data(), 16, false);
    for (int64_t i = 0; i < 64; i += 5) {
      product(std::min<int64_t>(5, 64 - i), 100, x.data() + i * x.ld, x.ld, b.data.data(), b.ld, 16,
              pieces.data.data() + i * 16, 16, false);
    }
    bool equal = true;
    for (int64_t e = 0; e < 64 * 16; ++e) equal &= whole.data[e] == pieces.data[e];
    CHECK(equal);
  }
}

TEST_CASE("instruction sets go by name") {
  CHECK(*isa_from_name("auto") == best_isa());
  CHECK(*isa_from_name("baseline") == Isa::kBaseline);
  CHECK_FALSE(isa_from_name("avx1024").ok());
  CHECK(std::string(isa_name(Isa::kAvx512)) == "avx512");
}
