// SPDX-License-Identifier: Apache-2.0
// Service "assay.files/1": named arrays and plain tables of numbers, and what is said of files that
// are neither.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/kernels/npy.hpp"
#include "core/plugin/context.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

namespace fs = std::filesystem;

struct TemporaryFile {
  fs::path path;
  explicit TemporaryFile(const char* suffix)
      : path(fs::temp_directory_path() / ("assay-files-" + std::to_string(getpid()) + suffix)) {}
  ~TemporaryFile() { fs::remove(path); }
  std::string write(const std::string& text) const {
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
};

struct Read {
  int32_t status = 0;
  int64_t rows = 0, cols = 0;
  std::vector<double> values;
  Error error;
};

Read read(const std::string& path, const char* name) {
  Read r;
  assay_ctx ctx;
  r.status = files_service()->shape(&ctx, path.c_str(), name, &r.rows, &r.cols);
  if (r.status == ASSAY_OK) {
    r.values.resize(static_cast<size_t>(r.rows * r.cols));
    r.status = files_service()->load(&ctx, path.c_str(), name, r.rows, r.cols, r.values.data());
  }
  if (r.status != ASSAY_OK) r.error = ctx.take_error(r.status, "test");
  return r;
}

}  // namespace

TEST_CASE("a csv of numbers is a matrix, with or without a header") {
  const TemporaryFile file(".csv");
  for (const char* head : {"", "a,b,c\n"}) {
    const Read r = read(file.write(std::string(head) + "1,2.5,-3\r\n4,5e-1,6\n"), nullptr);
    REQUIRE(r.status == ASSAY_OK);
    CHECK(r.rows == 2);
    CHECK(r.cols == 3);
    CHECK(r.values == std::vector<double>{1, 2.5, -3, 4, 0.5, 6});
  }
}

TEST_CASE("a csv that is not a matrix is refused at its line") {
  const TemporaryFile file(".csv");
  Read r = read(file.write("1,2\n3,x\n"), nullptr);
  CHECK(r.status == ASSAY_E_NOT_NUMERIC);
  CHECK(r.error.place == "line 2");
  r = read(file.write("1,2\n3\n"), nullptr);
  CHECK(r.status == ASSAY_E_SHAPE);
  CHECK(r.error.place == "line 2");
}

TEST_CASE("arrays of any number type come as float64, by name") {
  const TemporaryFile file(".npz");
  kernels::Member bytes{"codes", ASSAY_U8, 2, 2, false, {1, 2, 3, 255}};
  kernels::Member text{"model.json", 0, 0, 0, false, {'{', '}'}};
  kernels::Member floats{"scale", ASSAY_F32, 2, 1, true, std::vector<unsigned char>(8)};
  const float values[] = {0.5f, -2};
  std::memcpy(floats.bytes.data(), values, sizeof values);
  REQUIRE(kernels::write_npz(file.path.string(), {text, bytes, floats}, false));
  CHECK(read(file.path.string(), "codes").values == std::vector<double>{1, 2, 3, 255});
  const Read scale = read(file.path.string(), "scale");
  CHECK(scale.cols == 1);
  CHECK(scale.values == std::vector<double>{0.5, -2});
  CHECK(read(file.path.string(), nullptr).values.size() == 4);
  const Read missing = read(file.path.string(), "weights");
  CHECK(missing.status == ASSAY_E_NOT_FOUND);
  REQUIRE(missing.error.note.size() == 1);
  CHECK(missing.error.note[0] == "its arrays: `codes`, `scale`");
}

TEST_CASE("a file that is missing or of another kind is refused") {
  CHECK(read("/no/such/file.npy", nullptr).status == ASSAY_E_NO_FILE);
  CHECK(read("/no/such/file.csv", nullptr).status == ASSAY_E_NO_FILE);
  const TemporaryFile file(".txt");
  CHECK(read(file.write("1\n"), nullptr).status == ASSAY_E_FORMAT);
}

}  // namespace assay::plugin
