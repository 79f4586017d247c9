// SPDX-License-Identifier: Apache-2.0
// Writers see named arrays as users do, names of rows and columns, and columns of the data.
#include "core/experiment/writers.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/experiment/files.hpp"
#include "core/experiment/resolve.hpp"
#include "core/plugin/guard.hpp"

namespace assay::experiment {
namespace {

constexpr const char* kPictures = "pictures";

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> out;
  for (const std::string& name : names) out.push_back(name.c_str());
  return out;
}

void note_file(void* sink, const char* file) {
  static_cast<std::vector<std::string>*>(sink)->push_back(std::string(kPictures) + "/" + file);
}

int32_t column_of(void* data, int64_t j, double* out) {
  const data::Data& x = static_cast<const Behind*>(data)->x;
  if (j < 0 || j >= x.cols) return ASSAY_E_ARGUMENT;
  for (int64_t i = 0; i < x.rows; ++i)
    out[i] = x.weight(i, j) > 0 ? x.value(i, j) : std::numeric_limits<double>::quiet_NaN();
  return ASSAY_OK;
}

int32_t components_of(void* data, int32_t* out) {
  const auto found = static_cast<const Behind*>(data)->components();
  if (!found) return found.error().status;
  std::copy(found->begin(), found->end(), out);
  return ASSAY_OK;
}

Expected<void> run_writer(const spec::Use& use,
                          const assay_results& results,
                          const std::string& folder,
                          const Runtime& runtime,
                          std::vector<std::string>& files) {
  auto d = find_plugin(*runtime.registry, "writer", use);
  if (!d) return std::move(d.error());
  const auto* table = static_cast<const assay_writer*>((*d)->plugin->vtable);
  assay_ctx ctx;
  ctx.log = &runtime.log;
  void* self = nullptr;
  int32_t status = plugin::guarded(&ctx, use.id, [&] {
    return table->create ? table->create(plugin::host(), &ctx, use.options.handle(), &self) : 0;
  });
  if (status >= 0) {
    status = plugin::guarded(&ctx, use.id, [&] {
      return table->write(self, &ctx, &results, folder.c_str(), note_file, &files);
    });
    if (table->destroy) table->destroy(self);
  }
  if (status < 0) return ctx.take_error(status, use.id).at(use.key);
  return {};
}

}  // namespace

Expected<std::vector<std::string>> run_writers(const spec::Trial& trial,
                                               const SavedModel& model,
                                               const Behind& behind,
                                               const std::string& folder,
                                               const Runtime& runtime) {
  std::vector<std::string> files;
  if (trial.writers.empty()) return files;
  const std::string pictures = folder + "/" + kPictures;
  ASSAY_TRY(make_folder(pictures));
  std::vector<assay_named> arrays;
  for (const auto& m : model.arrays) arrays.push_back({m.name.c_str(), view_of(m)});
  const data::Names names = names_of(model);
  const auto rows = pointers(names.rows), cols = pointers(names.cols);
  assay_results results{};
  results.struct_size = sizeof results;
  results.model_kind = trial.model.kind.c_str();
  results.n_arrays = static_cast<int64_t>(arrays.size());
  results.arrays = arrays.data();
  results.n_row_names = static_cast<int64_t>(rows.size());
  results.n_col_names = static_cast<int64_t>(cols.size());
  results.row_names = rows.empty() ? nullptr : rows.data();
  results.col_names = cols.empty() ? nullptr : cols.data();
  const data::Data& x = behind.x;
  const auto labels = pointers(x.names ? x.names->labels : std::vector<std::string>());
  results.n_rows = x.rows;
  results.n_cols = x.cols;
  results.labels = static_cast<int64_t>(labels.size()) == x.rows ? labels.data() : nullptr;
  results.data = const_cast<Behind*>(&behind);
  results.column = column_of;
  results.components = components_of;
  for (const spec::Use& use : trial.writers) {
    ASSAY_TRY(run_writer(use, results, pictures, runtime, files));
  }
  return files;
}

}  // namespace assay::experiment
