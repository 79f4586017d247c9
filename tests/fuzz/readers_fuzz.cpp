// SPDX-License-Identifier: Apache-2.0
// Fuzzes every reader through the loader: good files with bytes changed, cut, doubled, and numbers
// made absurd. A load ends with data, or with an error that has a status and a message; it neither
// crashes nor asks for much memory.
//   fuzz_readers [--runs N] [--seed S] [--reader ID]
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/plugin/load.hpp"
#include "core/plugin/registry.hpp"
#include "tests/fuzz/samples.hpp"

namespace {

using namespace assay;

// xorshift64*: enough for choosing bytes.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 2685821657736338717u + 88172645463325252u) {}
  uint64_t below(uint64_t n) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 2685821657736338717u >> 11) % n;
  }

 private:
  uint64_t state_;
};

const char* const kAbsurd[] = {"-1",         "0",          "99999999999999999999",
                               "2147483647", "2147483648", "9223372036854775807",
                               "1e400",      "nan",        "\"",
                               "\n",         "%",          ":",
                               "(",          "True",       "<f8"};

std::string changed(std::string bytes, Dice& dice) {
  for (uint64_t times = 1 + dice.below(4); times > 0; --times) {
    const size_t at = bytes.empty() ? 0 : dice.below(bytes.size());
    const size_t rest = bytes.size() - at;
    switch (dice.below(6)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(dice.below(256));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, dice.below(rest + 1)));
        break;
      case 4:
        bytes.erase(at, dice.below(rest + 1));
        break;
      default:
        bytes.insert(at, kAbsurd[dice.below(std::size(kAbsurd))]);
        break;
    }
  }
  return bytes;
}

void write_file(const std::string& path, const std::string& bytes, bool pack) {
  if (!pack) {
    std::ofstream(path, std::ios::binary) << bytes;
    return;
  }
  const gzFile out = gzopen(path.c_str(), "wb1");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

// False when the load did something it must not.
bool behaves(const plugin::Descriptor& reader,
             const plugin::Options& options,
             const std::string& path,
             const plugin::LoadOptions& how) {
  const auto x = plugin::load(reader, options, path, how);
  if (x) return x->rows > 0 && x->cols > 0 && x->id.size() == 32;
  const Error& e = x.error();
  return e.status < 0 && !e.message.empty() && e.status != ASSAY_E_MEMORY &&
         e.status != ASSAY_E_PLUGIN && e.status != ASSAY_E_INTERNAL;
}

// Absurd allocations fail instead of being granted lazily; sanitizers need the address space
// themselves.
void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit limit{rlim_t{1} << 30, rlim_t{1} << 30};
  setrlimit(RLIMIT_AS, &limit);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  int64_t runs = 1000, seed = 1;
  std::string only;
  for (int a = 1; a + 1 < argc; a += 2) {
    const std::string option = argv[a];
    if (option == "--runs") runs = std::atoll(argv[a + 1]);
    if (option == "--seed") seed = std::atoll(argv[a + 1]);
    if (option == "--reader") only = argv[a + 1];
  }
  const auto registry = plugin::Registry::open({});
  if (!registry) return 2;
  limit_memory();
  std::string folder = (std::filesystem::temp_directory_path() / "assay-fuzz-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 2;
  int64_t failures = 0;
  for (const auto& sample : samples::all_samples()) {
    if (!only.empty() && sample.reader != only) continue;
    const plugin::Descriptor* reader = (*registry)->find("reader", sample.reader);
    if (!reader) return 2;
    for (int64_t run = 0; run < runs; ++run) {
      Dice dice(static_cast<uint64_t>(seed * 1000003 + run));
      const bool pack = sample.reader != "npy" && dice.below(4) == 0;
      const std::string path = folder + "/" + sample.file + (pack ? ".gz" : "");
      write_file(path, changed(sample.bytes, dice), pack);
      plugin::LoadOptions how;
      how.missing_nan = dice.below(2) == 0;
      if (behaves(*reader, samples::options_of(sample), path, how)) continue;
      ++failures;
      std::fprintf(stderr, "reader %s: %s with --seed %lld, run %lld\n", sample.reader.c_str(),
                   sample.file.c_str(), static_cast<long long>(seed), static_cast<long long>(run));
    }
  }
  std::filesystem::remove_all(folder);
  std::printf("%lld failures\n", static_cast<long long>(failures));
  return failures == 0 ? 0 : 1;
}
