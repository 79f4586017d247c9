// SPDX-License-Identifier: Apache-2.0
// transform and reconstruct from files to files.
#include "core/experiment/apply.hpp"

#include <fmt/format.h>

#include <cstring>
#include <utility>
#include <vector>

#include "core/base/number.hpp"
#include "core/experiment/files.hpp"
#include "core/experiment/going_on.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/experiment/open_model.hpp"
#include "core/kernels/linalg.hpp"

namespace assay::experiment {
namespace {

std::vector<double> doubles(const kernels::Member& m) {
  std::vector<double> out(static_cast<size_t>(m.rows * m.cols));
  if (m.dtype == ASSAY_F64) {
    std::memcpy(out.data(), m.bytes.data(), out.size() * sizeof(double));
    return out;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    float narrow = 0;
    std::memcpy(&narrow, m.bytes.data() + i * sizeof narrow, sizeof narrow);
    out[i] = static_cast<double>(narrow);
  }
  return out;
}

// Format 1.0 of NumPy: magic, length of the head, the head padded to 64 bytes, then the elements.
std::string npy_bytes(const kernels::Member& m) {
  std::string head = fmt::format("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                 m.dtype == ASSAY_F64 ? 8 : 4, m.rows, m.cols);
  constexpr size_t kBefore = 10;
  head.resize((kBefore + head.size() + 64) / 64 * 64 - kBefore, ' ');
  head.back() = '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(head.size() & 0xff);
  bytes += static_cast<char>(head.size() >> 8);
  bytes += head;
  bytes.append(m.bytes.begin(), m.bytes.end());
  return bytes;
}

}  // namespace

Expected<void> write_array(const std::string& path,
                           const kernels::Member& m,
                           const std::vector<std::string>& col_names) {
  const auto ends = [&](const char* suffix) {
    const std::string s = suffix;
    return path.size() > s.size() && path.compare(path.size() - s.size(), s.size(), s) == 0;
  };
  if (ends(".npy")) return write_file(path, npy_bytes(m));
  if (ends(".npz")) return kernels::write_npz(path, {m}, false);
  if (!ends(".csv")) {
    return Error(ASSAY_E_ARGUMENT, "E0008", fmt::format("cannot tell the format of `{}`", path))
        .with_help("end the name with `.npy`, `.npz` or `.csv`");
  }
  std::string text;
  for (size_t j = 0; j < col_names.size(); ++j) text.append(j ? "," : "").append(col_names[j]);
  if (!col_names.empty()) text += '\n';
  const std::vector<double> values = doubles(m);
  for (size_t at = 0, cols = static_cast<size_t>(m.cols); at < values.size(); ++at) {
    text.append(at % cols ? "," : "").append(format_shortest(values[at]));
    if (at % cols == cols - 1) text += '\n';
  }
  return write_file(path, text);
}

namespace {

std::vector<std::string> component_names(int64_t k) {
  std::vector<std::string> names;
  for (int64_t a = 0; a < k; ++a) names.push_back(fmt::format("component{}", a + 1));
  return names;
}

// A times B, dense.
Expected<kernels::Member> product(const kernels::Member& A, const kernels::Member& B) {
  const std::vector<double> a = doubles(A), b = doubles(B);
  kernels::Member out;
  out.name = "X";
  out.dtype = ASSAY_F64;
  out.rows = A.rows;
  out.cols = B.cols;
  out.bytes.resize(static_cast<size_t>(out.rows * out.cols) * sizeof(double));
  auto* x = reinterpret_cast<double*>(out.bytes.data());
  const int32_t status = kernels::la_table()->gemm(0, 0, out.rows, out.cols, A.cols, 1, a.data(),
                                                   A.cols, b.data(), B.cols, 0, x, out.cols);
  if (status < 0) return Error(status, "E0900", "the product of the factors failed");
  return out;
}

// Rows of H by label: the codes of vector quantisation, decoded.
kernels::Member decoded(const kernels::Member& labels, const kernels::Member& H) {
  const std::vector<double> h = doubles(H);
  kernels::Member out;
  out.name = "X";
  out.dtype = ASSAY_F64;
  out.rows = labels.rows;
  out.cols = H.cols;
  out.bytes.resize(static_cast<size_t>(out.rows * out.cols) * sizeof(double));
  for (int64_t i = 0; i < out.rows; ++i) {
    int32_t label = 0;
    std::memcpy(&label, labels.bytes.data() + static_cast<size_t>(i) * sizeof label, sizeof label);
    std::memcpy(out.bytes.data() + static_cast<size_t>(i * out.cols) * sizeof(double),
                h.data() + label * H.cols, static_cast<size_t>(out.cols) * sizeof(double));
  }
  return out;
}

// X = W H, or W S H, in the units of the view.
Expected<kernels::Member> product(const SavedModel& saved) {
  const kernels::Member* const stored = saved.find("W");
  if (!stored) {
    const kernels::Member* labels = saved.find("labels");
    if (labels && labels->dtype == ASSAY_I32) return decoded(*labels, *saved.find("H"));
    return Error(ASSAY_E_COMBINATION, "E0212", "the model stores no W to reconstruct from")
        .with_help("`assay transform` gives W of the rows; W times `H` is their reconstruction");
  }
  const kernels::Member &W = *stored, &H = *saved.find("H"), *S = saved.find("S");
  if (!S) return product(W, H);
  auto left = product(W, *S);
  if (!left) return left;
  return product(*left, H);
}

// X as its model says, where the loss has a link: s(m) or exp(m) in place of m.
Expected<void> to_means(const SavedModel& saved,
                        const plugin::Registry& registry,
                        kernels::Member& X) {
  auto loss = loss_of(saved, registry);
  if (!loss) return std::move(loss.error());
  (*loss)->to_means(X.rows * X.cols, reinterpret_cast<double*>(X.bytes.data()));
  return {};
}

}  // namespace

Expected<Applied> transform(const std::string& model_path,
                            const std::string& data_path,
                            const std::string& out_path,
                            std::shared_ptr<plugin::Registry> registry,
                            const ApplyOptions& options) {
  auto opened = open_model(model_path, data_path, std::move(registry), options);
  if (!opened) return std::move(opened.error());
  auto rows = transform_rows(opened->saved, opened->rows, opened->runtime);
  if (!rows) return std::move(rows.error());
  ASSAY_TRY(write_array(out_path, rows->W, component_names(rows->W.cols)));
  return Applied{rows->W.rows,
                 rows->W.cols,
                 rows->fitted.stop,
                 rows->fitted.iterations,
                 rows->fitted.trace.rows.back().objective,
                 out_path};
}

Expected<Applied> partial_fit(const std::string& model_path,
                              const std::string& data_path,
                              const std::string& out_path,
                              int64_t steps,
                              std::shared_ptr<plugin::Registry> registry,
                              const ApplyOptions& options) {
  if (out_path.size() < 4 || out_path.compare(out_path.size() - 4, 4, ".npz") != 0)
    return Error(ASSAY_E_ARGUMENT, "E0008", fmt::format("a model is no `{}`", out_path))
        .with_help("end the name with `.npz`");
  auto opened = open_model(model_path, data_path, std::move(registry), options);
  if (!opened) return std::move(opened.error());
  auto done = partial_fit(opened->saved, opened->rows, steps, opened->runtime);
  if (!done) return std::move(done.error());
  ASSAY_TRY(write_model(out_path, done->model));
  return Applied{opened->rows->rows,
                 done->model.find("H")->rows,
                 done->fitted.stop,
                 done->fitted.iterations,
                 done->fitted.trace.rows.back().objective,
                 out_path};
}

Expected<Applied> reconstruct(const std::string& model_path,
                              const std::string& out_path,
                              std::shared_ptr<plugin::Registry> registry,
                              const ApplyOptions& options) {
  auto model = open_model(model_path, std::move(registry), options);
  if (!model) return std::move(model.error());
  const auto& [saved, runtime] = *model;
  auto learnt = transforms_of(saved, *runtime.registry);
  if (!learnt) return std::move(learnt.error());
  auto X = product(saved);
  if (!X) return std::move(X.error());
  ASSAY_TRY(to_means(saved, *runtime.registry, *X));
  auto units =
      undo_learnt(*learnt, reinterpret_cast<double*>(X->bytes.data()), X->rows, X->cols, runtime);
  if (!units) return std::move(units.error());
  ASSAY_TRY(write_array(out_path, *X, names_of(saved).cols));
  Applied done;
  done.rows = X->rows;
  done.cols = X->cols;
  done.file = out_path;
  done.units = std::move(*units);
  return done;
}

}  // namespace assay::experiment
