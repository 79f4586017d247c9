// SPDX-License-Identifier: Apache-2.0
// Loading: what is found and in which order, and that what must be refused is, with the numbers,
// the file and the fix.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cfenv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/plugin/registry.hpp"

namespace assay::plugin {

namespace fs = std::filesystem;

namespace {

std::string environment(const char* name) {
  const char* v = std::getenv(name);
  REQUIRE_MESSAGE(v != nullptr, name, " is not set; run by ctest");
  return v;
}

std::string test_module(const std::string& name) {
  return environment("ASSAY_TEST_MODULES") + "/" + name + ".so";
}

// A folder that goes with the test.
struct TemporaryFolder {
  fs::path path;
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "assay-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryFolder() { fs::remove_all(path); }
};

SearchOptions only(const std::vector<std::string>& files,
                   const std::vector<std::string>& folders = {}) {
  SearchOptions o;
  o.explicit_files = files;
  o.plugin_dirs = folders;
  o.use_environment = o.use_builtin = false;
  return o;
}

std::shared_ptr<Registry> open(const SearchOptions& o) {
  auto r = Registry::open(o);
  REQUIRE(r);
  return *r;
}

Error refusal_of(const std::string& file) {
  const auto r = open(only({file}));
  CHECK(r->all().empty());
  REQUIRE(r->refused().size() == 1);
  CHECK(r->refused()[0].file == file);
  CHECK(!r->refused()[0].help.empty());
  return r->refused()[0];
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the plugins of the build are found beside the test, and none is refused") {
  SearchOptions o;
  o.use_environment = false;
  const auto r = open(o);
  for (const Error& e : r->refused()) FAIL_CHECK(e.message);
  CHECK(r->find("loss", "kl") != nullptr);
  CHECK(r->find("penalty", "kl") == nullptr);
  CHECK(r->find("penalty", "l1") != nullptr);
  for (const Descriptor* d : r->all()) {
    CAPTURE(d->id);
    CHECK(d->hash.size() == 32);
    CHECK(d->version == "1.0");
    CHECK(std::string(d->plugin->summary) != "");
  }
}

TEST_CASE("a module of another ABI is refused with both numbers and the fix") {
  Error e = refusal_of(test_module("loss-abi_major"));
  CHECK(e.code == "E0403");
  CHECK(contains(e.message, "built for ABI 7.1, this assay speaks ABI 0.1"));
  CHECK(contains(e.message, "loss-abi_major.so"));
  e = refusal_of(test_module("loss-abi_minor"));
  CHECK(e.code == "E0403");
  CHECK(contains(e.message, "built for ABI 0.99, this assay speaks ABI 0.1"));
}

TEST_CASE("files that are not modules are refused") {
  CHECK(refusal_of(test_module("loss-no_symbol")).code == "E0402");
  CHECK(refusal_of(test_module("loss-missing")).code == "E0401");
  const TemporaryFolder folder;
  const std::string text = (folder.path / "loss-text.so").string();
  std::ofstream(text) << "this is not a library\n";
  CHECK(refusal_of(text).code == "E0401");
}

TEST_CASE("descriptors that cannot be right are refused") {
  CHECK(refusal_of(test_module("loss-wrong_kind")).code == "E0404");
  CHECK(refusal_of(test_module("loss-no_grad")).code == "E0404");
  CHECK(contains(refusal_of(test_module("loss-no_grad")).message, "`grad`"));
  CHECK(refusal_of(test_module("loss-twins")).code == "E0409");
  const Error misnamed = refusal_of(test_module("loss-misnamed"));
  CHECK(misnamed.code == "E0407");
  CHECK(contains(misnamed.help[0], "loss-another_name.so"));
}

TEST_CASE("a module whose init fails is refused") {
  CHECK(refusal_of(test_module("loss-init_fails")).code == "E0408");
}

TEST_CASE("a module that changes the floating-point mode is refused and the mode restored") {
  const volatile double smallest = std::numeric_limits<double>::min();
  REQUIRE(smallest / 2 != 0);
  const Error e = refusal_of(test_module("loss-fp_mode"));
  CHECK(e.code == "E0406");
  CHECK(contains(e.help[0], "-ffast-math"));
  CHECK(smallest / 2 != 0);
}

TEST_CASE("a shorter vtable is read as far as it goes") {
  const auto r = open(only({test_module("loss-short_table")}));
  const Descriptor* d = r->find("loss", "short_table");
  REQUIRE(d != nullptr);
  const auto* table = static_cast<const assay_loss*>(d->plugin->vtable);
  CHECK(table->struct_size == sizeof(assay_loss));
  CHECK((table->grad != nullptr));
  CHECK((table->mu_split == nullptr));
  CHECK((table->curvature_f32 == nullptr));
}

TEST_CASE("the first of two plugins with one id wins, and the notice names both") {
  const auto built = open({});
  const std::string kl = built->find("loss", "kl")->file;
  const TemporaryFolder first, second;
  fs::copy_file(kl, first.path / "loss-kl.so");
  fs::copy_file(kl, second.path / "loss-kl.so");
  const std::string a = fs::canonical(first.path).string(), b = fs::canonical(second.path).string();
  const auto r = open(only({}, {a, b}));
  CHECK(r->folders() == std::vector<std::string>{a, b});
  REQUIRE(r->all("loss").size() == 1);
  CHECK(r->find("loss", "kl")->file == a + "/loss-kl.so");
  REQUIRE(r->notices().size() == 1);
  CHECK(contains(r->notices()[0], b + "/loss-kl.so"));
  const auto explicit_wins = open(only({b + "/loss-kl.so"}, {a}));
  CHECK(explicit_wins->find("loss", "kl")->file == b + "/loss-kl.so");
}

TEST_CASE("nothing is loaded from where anybody may write") {
  const TemporaryFolder folder;
  const auto built = open({});
  fs::copy_file(built->find("loss", "kl")->file, folder.path / "loss-kl.so");
  REQUIRE(chmod(folder.path.c_str(), 0777) == 0);
  for (const auto& o :
       {only({}, {folder.path.string()}), only({(folder.path / "loss-kl.so").string()})}) {
    const auto r = open(o);
    CHECK(r->all().empty());
    REQUIRE(r->refused().size() == 1);
    CHECK(r->refused()[0].code == "E0405");
  }
  REQUIRE(chmod(folder.path.c_str(), 0755) == 0);
  CHECK(open(only({}, {folder.path.string()}))->all().size() == 1);
}

TEST_CASE("a folder that is missing is named") {
  const auto r = open(only({}, {"/no/such/folder"}));
  REQUIRE(r->refused().size() == 1);
  CHECK(r->refused()[0].code == "E0415");
}

TEST_CASE("an application registers plugins of its own, once each") {
  const auto r = open({});
  assay_plugin mine = *r->find("loss", "kl")->plugin;
  CHECK(r->add(&mine).error().code == "E0409");
  mine.id = "mine.kl";
  REQUIRE(r->add(&mine));
  REQUIRE(r->find("loss", "mine.kl") != nullptr);
  CHECK(module_hash(*r->find("loss", "mine.kl")).empty());
  mine.id = "Not An Id";
  CHECK(r->add(&mine).error().code == "E0404");
}

TEST_CASE("ASSAY_PLUGIN_PATH is searched before the built-in folder, relative parts never") {
  const auto built = open({});
  const TemporaryFolder folder;
  fs::copy_file(built->find("loss", "kl")->file, folder.path / "loss-kl.so");
  const std::string old = environment("ASSAY_PLUGIN_PATH");
  setenv("ASSAY_PLUGIN_PATH", (".:lib::" + folder.path.string()).c_str(), 1);
  const auto r = open({});
  setenv("ASSAY_PLUGIN_PATH", old.c_str(), 1);
  REQUIRE(r->folders().size() == 2);
  CHECK(r->folders()[0] == fs::canonical(folder.path).string());
  CHECK(r->find("loss", "kl")->file == fs::canonical(folder.path).string() + "/loss-kl.so");
}

}  // namespace assay::plugin
