// SPDX-License-Identifier: Apache-2.0
// Every sample file cut short at every byte, plain and gzipped, and files of random bytes: data or
// a message, never a crash.
#include "tests/fuzz/samples.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

void check_outcome(const Expected<data::Data>& x) {
  if (x) {
    CHECK(x->rows > 0);
    return;
  }
  const Error& e = x.error();
  INFO(e.message);
  CHECK(e.status <= ASSAY_E_DATA);
  CHECK(e.status > ASSAY_E_DATA - 100);  // a fault of the data, nobody else's
  CHECK(!e.message.empty());
  CHECK(!e.file.empty());
}

}  // namespace

TEST_CASE("files cut at every byte") {
  const Folder folder;
  for (const Sample& sample : all_samples()) {
    INFO(sample.reader << " " << sample.file);
    for (size_t n = 0; n <= sample.bytes.size(); ++n)
      check_outcome(read(sample.reader, folder.file(sample.file, sample.bytes.substr(0, n)), {},
                         options_of(sample)));
  }
}

TEST_CASE("gzipped files cut at every byte are never taken for whole ones") {
  const Folder folder;
  for (const Sample& sample : all_samples()) {
    if (sample.reader == "npy") continue;
    INFO(sample.reader << " " << sample.file);
    const auto whole = folder.gzipped("whole.gz", sample.bytes);
    std::ifstream in(whole, std::ios::binary);
    const std::string packed((std::istreambuf_iterator<char>(in)),
                             std::istreambuf_iterator<char>());
    plugin::LoadOptions how;
    how.missing_nan = true;
    for (size_t n = 3; n < packed.size(); ++n) {
      const auto x =
          read(sample.reader, folder.file("cut.gz", packed.substr(0, n)), how, options_of(sample));
      CHECK(!x.ok());
      check_outcome(x);
    }
  }
}

TEST_CASE("random bytes") {
  const Folder folder;
  uint64_t state = 7;
  for (const char* id : {"csv", "mtx", "svmlight", "idx", "npy", "text"}) {
    for (int run = 0; run < 50; ++run) {
      std::string bytes;
      for (int b = 0; b < 300; ++b) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes += static_cast<char>(state >> 56);
      }
      check_outcome(read(id, folder.file("random", bytes)));
    }
  }
}
