// SPDX-License-Identifier: Apache-2.0
// Reader `npy`: arrays and archives as NumPy and SciPy write them.
#include <cstring>

#include "core/kernels/npy.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;
using Numbers = std::vector<double>;

namespace {

std::string npy(const std::string& descr,
                const std::string& shape,
                const std::string& data,
                bool fortran = false) {
  std::string head = "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
                     ", 'shape': " + shape + ", }";
  while ((10 + head.size() + 1) % 64) head += ' ';
  head += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(head.size() & 255);
  out += static_cast<char>(head.size() >> 8);
  return out + head + data;
}

template <class T>
std::string raw(const std::vector<T>& values, bool swap = false) {
  std::string out;
  for (const T v : values) {
    char b[sizeof(T)];
    std::memcpy(b, &v, sizeof(T));
    if (swap) std::reverse(b, b + sizeof(T));
    out.append(b, sizeof(T));
  }
  return out;
}

template <class T>
void put(std::string& out, T v) {
  for (size_t b = 0; b < sizeof(T); ++b)
    out += static_cast<char>(static_cast<uint64_t>(v) >> (8 * b));
}

std::string deflated(const std::string& bytes) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, bytes.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// A zip archive of the given members.
std::string zip(const std::vector<std::pair<std::string, std::string>>& members, bool pack) {
  std::string out, directory;
  for (const auto& [name, bytes] : members) {
    const std::string packed = pack ? deflated(bytes) : bytes;
    const auto offset = static_cast<uint32_t>(out.size());
    std::string common;
    put<uint16_t>(common, 20);
    put<uint16_t>(common, 0);
    put<uint16_t>(common, pack ? 8 : 0);
    put<uint32_t>(common, 0);
    put<uint32_t>(common,
                  static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()),
                                              static_cast<uInt>(bytes.size()))));
    put<uint32_t>(common, static_cast<uint32_t>(packed.size()));
    put<uint32_t>(common, static_cast<uint32_t>(bytes.size()));
    put<uint16_t>(common, static_cast<uint16_t>(name.size()));
    put<uint16_t>(common, 0);
    out += std::string("PK\x03\x04", 4) + common + name + packed;
    directory += std::string("PK\x01\x02\x14\x00", 6) + common;
    put<uint64_t>(directory, 0);
    put<uint16_t>(directory, 0);
    put<uint32_t>(directory, offset);
    directory += name;
  }
  const auto start = static_cast<uint32_t>(out.size());
  out += directory + std::string("PK\x05\x06\0\0\0\0", 8);
  put<uint16_t>(out, static_cast<uint16_t>(members.size()));
  put<uint16_t>(out, static_cast<uint16_t>(members.size()));
  put<uint32_t>(out, static_cast<uint32_t>(directory.size()));
  put<uint32_t>(out, start);
  put<uint16_t>(out, 0);
  return out;
}

}  // namespace

TEST_CASE("npy: element types and orders") {
  const Folder folder;
  const Numbers want{1, 2, 3, 4, 5, 6};
  const auto is = [&](const std::string& bytes, int32_t dtype) {
    const data::Data x = good("npy", folder.file("x.npy", bytes));
    CHECK(x.rows == 2);
    CHECK(x.dense.dtype == dtype);
    CHECK(entries(x) == want);
  };
  is(npy("<f8", "(2, 3)", raw<double>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy("<f4", "(2, 3)", raw<float>({1, 2, 3, 4, 5, 6})), ASSAY_F32);
  is(npy("<f2", "(2, 3)", raw<uint16_t>({0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600})),
     ASSAY_F32);
  is(npy("|u1", "(2, 3)", raw<uint8_t>({1, 2, 3, 4, 5, 6})), ASSAY_U8);
  is(npy("<u2", "(2, 3)", raw<uint16_t>({1, 2, 3, 4, 5, 6})), ASSAY_U16);
  is(npy("|i1", "(2, 3)", raw<int8_t>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy("<i2", "(2, 3)", raw<int16_t>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy("<i4", "(2, 3)", raw<int32_t>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy("<i8", "(2, 3)", raw<int64_t>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy("<u4", "(2, 3)", raw<uint32_t>({1, 2, 3, 4, 5, 6})), ASSAY_F64);
  is(npy(">f8", "(2, 3)", raw<double>({1, 2, 3, 4, 5, 6}, true)), ASSAY_F64);
  is(npy(">i2", "(2, 3)", raw<int16_t>({1, 2, 3, 4, 5, 6}, true)), ASSAY_F64);
  is(npy("<f8", "(2, 3)", raw<double>({1, 4, 2, 5, 3, 6}), true), ASSAY_F64);
  is(npy(">f4", "(2, 3)", raw<float>({1, 4, 2, 5, 3, 6}, true), true), ASSAY_F64);
  CHECK(good("npy", folder.file("v.npy", npy("<f8", "(3,)", raw<double>({1, 2, 3})))).cols == 1);
  CHECK(entries(good("npy", folder.file("b.npy", npy("|b1", "(1, 2)", raw<uint8_t>({1, 0}))))) ==
        Numbers{1, 0});
}

TEST_CASE("npy: arrays are mapped, not copied") {
  const Folder folder;
  const auto path = folder.file("x.npy", npy("<f8", "(2, 3)", raw<double>({1, 2, 3, 4, 5, 6})));
  const data::Data x = good("npy", path);
  CHECK(reinterpret_cast<uintptr_t>(x.dense.data) % 4096 ==
        128);  // a page of the file, behind its head
  plugin::LoadOptions how;
  how.rows = "1:2";
  how.columns = {"1:3"};
  CHECK(entries(good("npy", path, how)) == Numbers{5, 6});
}

TEST_CASE("npy: archives, stored and packed") {
  const Folder folder;
  const std::string a = npy("<f8", "(1, 2)", raw<double>({1, 2})),
                    b = npy("|u1", "(2, 1)", "\x03\x04");
  for (const bool pack : {false, true}) {
    const auto both = folder.file("two.npz", zip({{"a.npy", a}, {"b.npy", b}}, pack));
    CHECK(entries(good("npy", both, {}, text_option("member", "b"))) == Numbers{3, 4});
    CHECK(entries(good("npy", folder.file("one.npz", zip({{"a.npy", a}}, pack)))) == Numbers{1, 2});
    CHECK(bad(ASSAY_E_FORMAT, "npy", both).help[0] == "say which with `member`");
    CHECK(bad(ASSAY_E_FORMAT, "npy", both, {}, text_option("member", "c")).found[0] == "`a`, `b`");
  }
  std::string damaged = zip({{"a.npy", a}}, true);
  damaged[45] = static_cast<char>(damaged[45] ^ 0x40);
  bad(ASSAY_E_FORMAT, "npy", folder.file("d.npz", damaged));
  kernels::Member own;
  own.name = "W";
  own.dtype = ASSAY_F64;
  own.rows = 1;
  own.cols = 2;
  const std::string bytes = raw<double>({5, 6});
  own.bytes.assign(bytes.begin(), bytes.end());
  REQUIRE(kernels::write_npz(folder.path("own.npz"), {own}, false).ok());
  CHECK(entries(good("npy", folder.path("own.npz"))) == Numbers{5, 6});
}

TEST_CASE("npy: sparse matrices of SciPy") {
  const Folder folder;
  const auto archive = [&](const std::string& format) {
    return zip({{"indices.npy", npy("<i4", "(3,)", raw<int32_t>({2, 0, 1}))},
                {"indptr.npy",
                 npy("<i4", format == "csr" ? "(3,)" : "(4,)",
                     format == "csr" ? raw<int32_t>({0, 1, 3}) : raw<int32_t>({0, 0, 1, 3}))},
                {"format.npy", npy("|S3", "()", format)},
                {"shape.npy",
                 npy("<i8", "(2,)", format == "csr" ? raw<int64_t>({2, 3}) : raw<int64_t>({3, 3}))},
                {"data.npy", npy("<f8", "(3,)", raw<double>({7, 8, 9}))}},
               true);
  };
  const data::Data x = good("npy", folder.file("s.npz", archive("csr")));
  CHECK(x.sparse);
  CHECK(entries(x) == Numbers{0, 0, 7, 8, 9, 0});
  CHECK(entries(good("npy", folder.file("c.npz", archive("csc")))) ==
        Numbers{0, 0, 8, 0, 0, 9, 0, 7, 0});
  bad(ASSAY_E_FORMAT, "npy", folder.file("l.npz", archive("lil")));
}

TEST_CASE("npy: files that are not read") {
  const Folder folder;
  const auto status = [&](int32_t want, const std::string& bytes) {
    return bad(want, "npy", folder.file("x.npy", bytes));
  };
  const std::string good_one = npy("<f8", "(2, 3)", raw<double>({1, 2, 3, 4, 5, 6}));
  status(ASSAY_E_EMPTY, "");
  status(ASSAY_E_FORMAT, "not an array at all");
  for (size_t n = 1; n < good_one.size(); n += 7) status(ASSAY_E_TRUNCATED, good_one.substr(0, n));
  status(ASSAY_E_TRUNCATED, npy("<f8", "(1000000000, 1000000)", "12345678"));
  status(ASSAY_E_FORMAT, npy("<c16", "(1,)", std::string(16, '\0')));
  status(ASSAY_E_FORMAT, npy("|O", "(1,)", std::string(8, '\0')));
  status(ASSAY_E_FORMAT, npy("<f8", "()", raw<double>({1})));
  status(ASSAY_E_FORMAT, npy("|S4", "(1,)", "text"));
  status(ASSAY_E_FORMAT, npy("<f8", "(-1, 2)", ""));
  status(ASSAY_E_EMPTY, npy("<f8", "(0, 3)", ""));
  CHECK(status(ASSAY_E_FORMAT, npy("<f8", "(1, 3, 2)", raw<double>({1, 2, 3, 4, 5, 6}))).found[0] ==
        "1 x 3 x 2");
  bad(ASSAY_E_NO_FILE, "npy", folder.path("none.npy"));
  bad(ASSAY_E_FORMAT, "npy", folder.file("y.npy", good_one), {}, text_option("member", "a"));
}
