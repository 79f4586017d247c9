// SPDX-License-Identifier: Apache-2.0
// Files for tests of readers, in a folder that goes away, and the readers themselves.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "core/plugin/load.hpp"
#include "core/plugin/registry.hpp"

namespace assay::samples {

// A folder of its own for each test case.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string file(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string gzipped(const std::string& name, const std::string& bytes) const {
    const gzFile out = gzopen(path(name).c_str(), "wb");
    REQUIRE(out != nullptr);
    REQUIRE(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())) ==
            static_cast<int>(bytes.size()));
    gzclose(out);
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

inline plugin::Registry& registry() {
  static const auto all = plugin::Registry::open({});
  REQUIRE(all.ok());
  return **all;
}

inline const plugin::Descriptor& reader(const std::string& id) {
  const plugin::Descriptor* d = registry().find("reader", id);
  REQUIRE(d != nullptr);
  return *d;
}

inline plugin::Options text_option(const std::string& name,
                                   const std::string& text,
                                   int32_t type = ASSAY_OPT_STRING) {
  plugin::Options options;
  plugin::OptionValue& value = options.values[name];
  value.type = type;
  value.text = text;
  value.has_text = value.given = true;
  return options;
}
inline void add_number(plugin::Options& options,
                       const std::string& name,
                       double number,
                       int32_t type = ASSAY_OPT_INT) {
  plugin::OptionValue& value = options.values[name];
  value.type = type;
  value.number = number;
  value.given = true;
}

inline Expected<data::Data> read(const std::string& id,
                                 const std::string& path,
                                 const plugin::LoadOptions& how = {},
                                 const plugin::Options& options = {}) {
  return plugin::load(reader(id), options, path, how);
}

// Data that must be there.
inline data::Data good(const std::string& id,
                       const std::string& path,
                       const plugin::LoadOptions& how = {},
                       const plugin::Options& options = {}) {
  auto x = read(id, path, how, options);
  if (!x) FAIL(x.error().message << " " << x.error().place);
  return *x;
}

// An error that must come, with its status; its message is checked to be in house style.
inline Error bad(int32_t status,
                 const std::string& id,
                 const std::string& path,
                 const plugin::LoadOptions& how = {},
                 const plugin::Options& options = {}) {
  auto x = read(id, path, how, options);
  REQUIRE(!x.ok());
  INFO(x.error().message);
  CHECK(x.error().status == status);
  CHECK(!x.error().message.empty());
  CHECK(x.error().message.back() != '.');
  return x.error();
}

// The entries, row by row.
inline std::vector<double> entries(const data::Data& x) {
  std::vector<double> out;
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j) out.push_back(x.value(i, j));
  return out;
}

}  // namespace assay::samples
