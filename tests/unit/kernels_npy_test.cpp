// SPDX-License-Identifier: Apache-2.0
// Arrays in files: round trips, numpy's own files both ways, and every damaged file an error.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/kernels/npy.hpp"

namespace {

using namespace assay::kernels;
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("assay-npy-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class T>
Member array(const char* name, int32_t dtype, int64_t rows, int64_t cols, std::vector<T> v) {
  Member m;
  m.name = name;
  m.dtype = dtype;
  m.rows = rows;
  m.cols = cols;
  m.bytes.resize(v.size() * sizeof(T));
  if (!v.empty()) std::memcpy(m.bytes.data(), v.data(), m.bytes.size());
  return m;
}

std::vector<Member> sample() {
  std::vector<Member> members = {array<double>("W", ASSAY_F64, 3, 2, {1, 2, 3, 4, 5, 6.5}),
                                 array<int64_t>("label", ASSAY_I64, 2, 1, {-1, 7}),
                                 array<uint8_t>("empty", ASSAY_U8, 0, 4, {})};
  members[1].vector = true;
  Member text;
  text.name = "model.json";
  const std::string words = "{\"k\": 2}";
  text.bytes.assign(words.begin(), words.end());
  members.push_back(text);
  return members;
}

std::vector<double> values(const Member& m) {
  std::vector<double> out(static_cast<size_t>(m.rows * m.cols));
  widen(m, out.data());
  return out;
}

bool python(const std::string& code) {
  const std::string command =
      "/usr/bin/python3 -c \"import numpy as np\n" + code + "\" 2>/dev/null";
  return std::system(command.c_str()) == 0;
}

// A version 1 file with this dictionary and these bytes.
std::string npy(const std::string& dictionary, const std::string& data) {
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(dictionary.size() & 0xff);
  out += static_cast<char>(dictionary.size() >> 8);
  return out + dictionary + data;
}

}  // namespace

TEST_CASE("an archive comes back as it went, and equal arrays are equal files") {
  const Folder folder;
  const std::string a = folder / "a.npz", b = folder / "b.npz";
  REQUIRE(write_npz(a, sample(), true).ok());
  REQUIRE(write_npz(b, sample(), false).ok());
  CHECK(slurp(a) == slurp(b));
  CHECK_FALSE(fs::exists(a + ".tmp"));
  const auto back = read_npz(a);
  REQUIRE(back.ok());
  const auto want = sample();
  REQUIRE(back->size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    CHECK((*back)[i].name == want[i].name);
    CHECK((*back)[i].dtype == want[i].dtype);
    CHECK((*back)[i].rows == want[i].rows);
    CHECK((*back)[i].cols == want[i].cols);
    CHECK((*back)[i].vector == want[i].vector);
    CHECK((*back)[i].bytes == want[i].bytes);
  }
}

TEST_CASE("numpy reads what is written here and the other way round") {
  if (!python("pass")) {
    MESSAGE("skipped: no numpy beside /usr/bin/python3");
    return;
  }
  const Folder folder;
  const std::string ours = folder / "ours.npz", theirs = folder / "theirs.npz";
  REQUIRE(write_npz(ours, sample(), false).ok());
  CHECK(python("a = np.load('" + ours + "')\n" +
               "assert a['W'].tolist() == [[1, 2], [3, 4], [5, 6.5]] and a['W'].dtype == 'f8'\n" +
               "assert a['label'].tolist() == [-1, 7]\nassert a['empty'].shape == (0, 4)"));
  for (const char* save : {"savez", "savez_compressed"}) {
    REQUIRE(python("np." + std::string(save) + "('" + theirs +
                   "', h=np.array([[1, -0.5], [0.25, 6e-5]], 'f2'), " +
                   "f=np.asfortranarray(np.arange(6, dtype='f4').reshape(2, 3)), " +
                   "z=np.zeros((500, 7), 'u2'), i=np.array([3, -4], 'i4'))"));
    const auto back = read_npz(theirs);
    REQUIRE(back.ok());
    REQUIRE(back->size() == 4);
    CHECK(values((*back)[0])[1] == -0.5);
    CHECK(values((*back)[0])[3] == doctest::Approx(6e-5).epsilon(0.01));
    CHECK(values((*back)[1]) == std::vector<double>{0, 1, 2, 3, 4, 5});
    CHECK((*back)[2].rows == 500);
    CHECK(values((*back)[3]) == std::vector<double>{3, -4});
    CHECK((*back)[3].vector);
  }
  const std::string one = folder / "one.npy";
  REQUIRE(python("np.save('" + one + "', np.eye(3))"));
  const auto eye = read_npy(one);
  REQUIRE(eye.ok());
  CHECK(values(*eye) == std::vector<double>{1, 0, 0, 0, 1, 0, 0, 0, 1});
  REQUIRE(python("np.save('" + one + "', np.eye(3, dtype='>f8'))"));
  CHECK(read_npy(one).error().status == ASSAY_E_FORMAT);
}

TEST_CASE("every way an array file can be wrong is an error with its code") {
  const Folder folder;
  const std::string path = folder / "x.npy";
  CHECK(read_npy(path).error().status == ASSAY_E_NO_FILE);
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  const auto status = [&](const std::string& bytes) {
    spill(path, bytes);
    const auto read = read_npy(path);
    if (!read) CHECK(read.error().file == path);
    if (!read) CHECK_FALSE(read.error().help.empty());
    return read.ok() ? ASSAY_OK : read.error().status;
  };
  CHECK(status(npy(good, std::string(8, 'x'))) == ASSAY_OK);
  CHECK(status(npy(good, std::string(7, 'x'))) == ASSAY_E_TRUNCATED);
  CHECK(status(npy(good, std::string(9, 'x'))) == ASSAY_E_FORMAT);
  CHECK(status("") == ASSAY_E_TRUNCATED);
  CHECK(status("\x93NUM") == ASSAY_E_TRUNCATED);
  CHECK(status("x,y\n1,2\n") == ASSAY_E_FORMAT);
  CHECK(status(std::string("\x93NUMPY\x01\x00\xff\xff{", 11) + "   ") == ASSAY_E_TRUNCATED);
  CHECK(status(std::string("\x93NUMPY\x09\x00", 8) + std::string(20, ' ')) == ASSAY_E_FORMAT);
  for (const char* bad : {"", "{", "{}", "{'descr': '<f4'}",
                          "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}",
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (2}",
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
                          "{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2)}",
                          "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}",
                          "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
                          "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}",
                          "{'shape': (2,), 'shape': (2,)}"}) {
    CAPTURE(bad);
    CHECK(status(npy(bad, std::string(8, 'x'))) == ASSAY_E_FORMAT);
  }
  CHECK(status(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
                   "x")) == ASSAY_E_TRUNCATED);
}

TEST_CASE("a cut or flipped archive is an error, never a fault") {
  const Folder folder;
  const std::string path = folder / "a.npz", broken = folder / "broken.npz";
  REQUIRE(write_npz(path, sample(), false).ok());
  const std::string bytes = slurp(path);
  for (size_t n = 0; n < bytes.size(); ++n) {
    spill(broken, bytes.substr(0, n));
    CHECK_FALSE(read_npz(broken).ok());
  }
  size_t silent = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x5a);
    spill(broken, flipped);
    silent += read_npz(broken).ok() ? 1 : 0;
  }
  CHECK(silent < bytes.size() / 2);  // dates, versions and names carry no check
  spill(broken, "not an archive at all, though long enough to hold an end record");
  CHECK(read_npz(broken).error().status == ASSAY_E_FORMAT);
}

TEST_CASE("a folder that is not there is said, and nothing is left behind") {
  const Folder folder;
  auto result = write_npz(folder / "no/such/a.npz", sample(), true);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().status == ASSAY_E_IO);
}
