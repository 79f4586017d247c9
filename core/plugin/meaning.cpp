// SPDX-License-Identifier: Apache-2.0
// The meaning of entries as a spec states it: selection, names, missing entries, mask, weights;
// then checks and identity.
#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <new>

#include "core/data/memory.hpp"
#include "core/data/select.hpp"
#include "core/plugin/load.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {
namespace {

using data::Data;

Expected<std::vector<std::string>> read_names(const std::string& path,
                                              int64_t count,
                                              const char* what) {
  std::ifstream file(path);
  if (!file) {
    Error error(ASSAY_E_NO_FILE, "",
                fmt::format("file `{}` does not exist or cannot be opened", path));
    error.file = path;
    return std::move(error).with_help("give the path of a text file with one name a line");
  }
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    names.push_back(line);
  }
  if (static_cast<int64_t>(names.size()) == count) return names;
  Error error(ASSAY_E_SHAPE, "", fmt::format("the names of {} do not fit the data", what));
  error.file = path;
  return std::move(error)
      .with_found(fmt::format("{} lines", names.size()))
      .with_expected(fmt::format("{} lines, one for each", count));
}

Expected<Data> name_axes(Data x, const LoadOptions& how) {
  if (how.row_names_path.empty() && how.col_names_path.empty()) return x;
  data::Names names = x.names ? *x.names : data::Names{};
  if (!how.row_names_path.empty()) {
    auto rows = read_names(how.row_names_path, x.rows, "rows");
    if (!rows) return std::move(rows.error()).at("data.names.rows");
    names.rows = std::move(*rows);
  }
  if (!how.col_names_path.empty()) {
    auto cols = read_names(how.col_names_path, x.cols, "columns");
    if (!cols) return std::move(cols.error()).at("data.names.columns");
    names.cols = std::move(*cols);
  }
  x.names = std::make_shared<const data::Names>(std::move(names));
  return x;
}

Expected<Data> select(Data x, const LoadOptions& how) {
  if (!how.columns.empty()) {
    static const std::vector<std::string> none;
    auto cols = data::find_columns(how.columns, x.names ? x.names->cols : none, x.cols);
    if (!cols) return std::move(cols.error()).at("data.columns");
    auto taken = data::take_cols(x, *cols);
    if (!taken) return std::move(taken.error()).at("data.columns");
    x = std::move(*taken);
  }
  if (how.rows.empty()) return x;
  auto span = data::parse_span(how.rows, x.rows);
  if (!span) return std::move(span.error()).at("data.rows");
  return data::slice_rows(x, *span);
}

using Apply = std::function<Expected<Data>(const Data&, const data::Matrix&)>;

Expected<Data> with_file(Data x, const std::string& path, const char* key, const Apply& apply) {
  if (path.empty()) return x;
  auto matrix = load_matrix(path);
  if (!matrix) return std::move(matrix.error()).at(key);
  auto out = apply(x, *matrix);
  if (out) return out;
  if (out.error().file.empty()) out.error().file = path;
  return std::move(out.error()).at(key);
}

Expected<Data> observe(Data x, const LoadOptions& how) {
  if (how.missing_nan) {
    auto hidden = data::hide_nan(x);
    if (!hidden) return hidden;
    x = std::move(*hidden);
  }
  auto out = with_file(std::move(x), how.mask_path, "data.mask.path", data::apply_mask);
  if (out)
    out = with_file(std::move(*out), how.weights_path, "data.weights.path", data::weigh_entries);
  if (out)
    out =
        with_file(std::move(*out), how.row_weights_path, "data.weights.row_path", data::weigh_rows);
  if (out)
    out = with_file(std::move(*out), how.col_weights_path, "data.weights.column_path",
                    data::weigh_cols);
  return out;
}

Expected<Data> meant(Data x, const LoadOptions& how) {
  if (!how.unstored.empty()) {
    if (!x.sparse)
      return Error(ASSAY_E_SPEC, "E0120",
                   "`unstored` is said, but the data are dense: all entries are stored")
          .at("data.unstored")
          .with_help(
              "leave `unstored` out; `missing: nan` or a mask makes entries of dense data "
              "unobserved");
    x.unstored_zero = how.unstored == "zero";
  }
  auto out = name_axes(std::move(x), how);
  if (out) out = select(std::move(*out), how);
  if (out) out = observe(std::move(*out), how);
  if (!out) return out;
  if (!how.to_be_split) ASSAY_TRY(data::check_observed(*out));
  if (how.log && *how.log && !how.for_model)
    for (const std::string& text : data::notices(*out))
      (*how.log)(ASSAY_LOG_WARNING, "data: " + text);
  out->id = data::identify(*out);
  return out;
}

}  // namespace

Expected<Data> give_meaning(Data raw, const LoadOptions& how) {
  try {
    return meant(std::move(raw), how);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to prepare the data");
  }
}

Expected<data::Matrix> load_matrix(const std::string& path) {
  try {
    const assay_files& files = *files_service();
    assay_ctx ctx;
    data::Matrix m;
    int32_t status = files.shape(&ctx, path.c_str(), nullptr, &m.rows, &m.cols);
    if (status >= 0) {
      m.values.resize(static_cast<size_t>(m.rows * m.cols));
      status = files.load(&ctx, path.c_str(), nullptr, m.rows, m.cols, m.values.data());
    }
    if (status >= 0) return m;
    Error error = ctx.take_error(status, path);
    if (error.file.empty()) error.file = path;
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "",
                 fmt::format("not enough memory for the numbers of `{}`", path));
  }
}

int32_t compute_type(const data::Data& x, const std::string& compute) {
  if (!compute.empty()) return compute == "f32" ? ASSAY_F32 : ASSAY_F64;
  return (x.sparse ? x.csr.dtype : x.dense.dtype) == ASSAY_F32 ? ASSAY_F32 : ASSAY_F64;
}

}  // namespace assay::plugin
