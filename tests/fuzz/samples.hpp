// SPDX-License-Identifier: Apache-2.0
// One small good file for each variant of each format: what fuzzers change and what tests cut
// short.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "core/plugin/options.hpp"

namespace assay::samples {

struct Sample {
  std::string reader, file, bytes;
  std::string column = "";  // option of that name, of readers that have it
};

inline std::string idx_sample() {
  std::string out("\0\0\x08\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02", 16);
  for (char b = 0; b < 12; ++b) out += static_cast<char>(b * 21);
  return out;
}

inline std::string npy_sample(const char* descr,
                              const char* shape,
                              const std::string& data,
                              bool fortran = false) {
  std::string head = std::string("{'descr': '") + descr +
                     "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape +
                     ", }";
  while ((10 + head.size() + 1) % 64) head += ' ';
  head += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(head.size() & 255);
  out += static_cast<char>(head.size() >> 8);
  return out + head + data;
}

inline std::string doubles(const std::vector<double>& values) {
  std::string out(values.size() * 8, '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

// What a sample asks of its reader.
inline plugin::Options options_of(const Sample& sample) {
  plugin::Options options;
  if (sample.column.empty()) return options;
  plugin::OptionValue& value = options.values["column"];
  value.type = ASSAY_OPT_STRING;
  value.text = sample.column;
  value.has_text = value.given = true;
  return options;
}

inline std::vector<Sample> all_samples() {
  const std::string numbers = doubles({1, 2, 3, 4, 5, 6});
  return {
      {"csv", "a.csv", "name,\"a, b\",c\nx,1,2.5\n\"y \"\"z\"\"\",-3,4e2\nw,0.25,inf\n"},
      {"csv", "b.csv", "1,2,3\n4,5,6\n7,,nan\n"},
      {"csv", "c.txt", " 1  2.25\t3\r\n4 5e-3  6\r\n"},
      {"mtx", "a.mtx",
       "%%MatrixMarket matrix coordinate real general\n% text\n3 4 3\n3 1 -2\n1 4 1.5\n1 2 7\n"},
      {"mtx", "b.mtx", "%%MatrixMarket matrix coordinate pattern symmetric\n3 3 2\n3 1\n2 2\n"},
      {"mtx", "c.mtx", "%%MatrixMarket matrix array integer general\n2 2\n1\n2\n3\n4\n"},
      {"svmlight", "a.svm", "+1 1:0.5 4:2 # text\n-1 qid:3 2:1e2\n1:3\n"},
      {"text", "a.txt",
       "The cat's na\xc3\xafve; it saw 2 dogs\n\n\xe7\x8c\xab and dog\r\ncafe\xcc\x81"},
      {"text", "a.tsv", "1\tcats and dogs\tA\n2\tdogs, \"dogs\"\tB\n", "1"},
      {"text", "b.csv", "id,body\n1,\"cats, \"\"dogs\"\"\nand more\"\n2,birds\n", "body"},
      {"idx", "a.idx", idx_sample()},
      {"npy", "a.npy", npy_sample("<f8", "(2, 3)", numbers)},
      {"npy", "b.npy", npy_sample(">i2", "(2, 3)", "abcdefghijkl")},
      {"npy", "c.npy", npy_sample("<f8", "(3, 2)", numbers, true)},
  };
}

}  // namespace assay::samples
