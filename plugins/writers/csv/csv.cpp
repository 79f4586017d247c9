// SPDX-License-Identifier: Apache-2.0
// Writer `csv`: every array of a model as a table of its own, W with the names of rows, H with
// those of columns. Numbers are the shortest that read back.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

namespace {

using assay::author::Failure;

double entry(const assay_dense& v, int64_t i, int64_t j) {
  const int64_t at = i * v.row_stride + j * v.col_stride;
  switch (v.dtype) {
    case ASSAY_F64:
      return static_cast<const double*>(v.data)[at];
    case ASSAY_F32:
      return static_cast<double>(static_cast<const float*>(v.data)[at]);
    case ASSAY_I32:
      return static_cast<const int32_t*>(v.data)[at];
    case ASSAY_I64:
      return static_cast<double>(static_cast<const int64_t*>(v.data)[at]);
    default:
      return std::nan("");
  }
}

// Quoted where the text asks for it.
std::string field(const char* text) {
  const std::string plain = text ? text : "";
  if (plain.find_first_of(",\"\r\n") == std::string::npos) return plain;
  std::string out = "\"";
  for (const char c : plain) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void append(std::string& text, double value, int32_t dtype) {
  char digits[32];
  if (std::isnan(value)) {
    text += "nan";
  } else if (dtype == ASSAY_F32) {
    text.append(digits,
                std::to_chars(digits, digits + sizeof digits, static_cast<float>(value)).ptr);
  } else {
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

std::string heading(const assay_named& array, const assay_results& results, bool by_rows) {
  const bool features =
      std::string(array.name) == "H" && results.col_names && results.n_col_names == array.view.cols;
  std::string text = by_rows ? "name" : "";
  for (int64_t j = 0; j < array.view.cols; ++j) {
    if (j > 0 || by_rows) text += ',';
    text += features ? field(results.col_names[j]) : "component" + std::to_string(j + 1);
  }
  return text + '\n';
}

void write_array(const assay_named& array, const assay_results& results, const std::string& path) {
  const bool by_rows =
      std::string(array.name) == "W" && results.row_names && results.n_row_names == array.view.rows;
  std::string text = heading(array, results, by_rows);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                             &std::fclose);
  if (!file) throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written");
  const auto flush = [&] {
    if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
        std::fflush(file.get()) != 0)
      throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written: the disk may be full");
    text.clear();
  };
  for (int64_t i = 0; i < array.view.rows; ++i) {
    if (by_rows) text += field(results.row_names[i]) + ",";
    for (int64_t j = 0; j < array.view.cols; ++j) {
      if (j > 0) text += ',';
      append(text, entry(array.view, i, j), array.view.dtype);
    }
    text += '\n';
    if (text.size() > 1u << 16) flush();
  }
  flush();
}

int32_t create(const assay_host* host, assay_ctx*, const assay_options*, void** self) {
  *self = const_cast<assay_host*>(host);
  return ASSAY_OK;
}

int32_t write(void* self,
              assay_ctx* ctx,
              const assay_results* results,
              const char* folder,
              void (*wrote)(void*, const char*),
              void* sink) {
  const assay_host* host = static_cast<const assay_host*>(self);
  try {
    for (int64_t a = 0; a < results->n_arrays; ++a) {
      const std::string name = std::string(results->arrays[a].name) + ".csv";
      write_array(results->arrays[a], *results, std::string(folder) + "/" + name);
      wrote(sink, name.c_str());
    }
    return ASSAY_OK;
  } catch (const Failure& failure) {
    return host->set_error(ctx, failure.status(), failure.what());
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  } catch (const std::exception& e) {
    return host->set_error(ctx, ASSAY_E_PLUGIN, e.what());
  }
}

constexpr assay_writer kWriter = {sizeof(assay_writer), 0, create, write, nullptr};
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.writer/1",
                                  "csv",
                                  "each array of the model as a table",
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  &kWriter,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.csv_writer", "1.0", kPlugin)
