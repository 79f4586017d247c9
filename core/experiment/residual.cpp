// SPDX-License-Identifier: Apache-2.0
// Residuals of a saved model, block by block.
#include "core/experiment/residual.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/data/tile.hpp"
#include "core/experiment/new_rows.hpp"
#include "core/kernels/linalg.hpp"
#include "core/plugin/instance.hpp"

namespace assay::experiment {
namespace {

constexpr int64_t kBlockEntries = int64_t{1} << 18;

std::vector<double> widened(const kernels::Member& m) {
  std::vector<double> out(static_cast<size_t>(m.rows * m.cols));
  kernels::widen(m, out.data());
  return out;
}

// C = A B; A m x k, B k x n.
Expected<void> multiply(int64_t m,
                        int64_t n,
                        int64_t k,
                        const double* A,
                        const double* B,
                        double* C) {
  const int32_t status = kernels::la_table()->gemm(0, 0, m, n, k, 1, A, k, B, n, 0, C, n);
  if (status < 0) return Error(status, "E0900", "the product of the factors failed");
  return {};
}

Expected<double> threshold_of(const plugin::Loss& loss, std::optional<double> asked) {
  if (asked) return *asked;
  const assay_loss_facts& facts = loss.facts();
  if (facts.tag == ASSAY_TAG_HUBER) return facts.tag_parameter;
  return Error(ASSAY_E_ARGUMENT, "E0009",
               fmt::format("loss `{}` has no threshold of its own", loss.id()))
      .with_help("give one with `--threshold T`; 0 keeps the whole residual");
}

}  // namespace

Expected<Residual> Residual::open(const std::string& model_path,
                                  const std::string& data_path,
                                  std::optional<double> threshold,
                                  std::shared_ptr<plugin::Registry> registry,
                                  const ApplyOptions& options) {
  auto opened = open_model(model_path, data_path, std::move(registry), options);
  if (!opened) return std::move(opened.error());
  const SavedModel& saved = opened->saved;
  const std::shared_ptr<const data::Data> raw = opened->rows;
  auto loss = loss_of(saved, *opened->runtime.registry);
  if (!loss) return std::move(loss.error());
  Residual out;
  out.loss_ = *loss;
  auto delta = threshold_of(**loss, threshold);
  if (!delta) return std::move(delta.error());
  out.threshold_ = *delta;
  auto prepared = prepare_rows(saved, raw, opened->runtime);
  if (!prepared) return std::move(prepared.error());
  out.x_ = prepared->train;
  for (const Learnt& one : prepared->transforms) out.transforms_.push_back(one.use.id);

  const kernels::Member* stored = saved.find("W");
  kernels::Member W = stored ? *stored : kernels::Member();
  out.folded_in_ = W.rows != raw->rows || saved.about["data"].value("hash", "") != raw->id;
  if (raw->names) out.names_ = *raw->names;
  data::Names known = names_of(saved);
  if (out.names_.cols.empty()) out.names_.cols = std::move(known.cols);
  if (out.names_.rows.empty() && !out.folded_in_) out.names_.rows = std::move(known.rows);
  if (out.folded_in_) {
    auto rows = transform_rows(saved, raw, opened->runtime);
    if (!rows) return std::move(rows.error());
    W = std::move(rows->W);
  }
  const kernels::Member& H = *saved.find("H");
  out.W_ = widened(W);
  out.H_ = widened(H);
  out.rank_ = H.rows;
  if (const kernels::Member* S = saved.find("S")) {
    const std::vector<double> left = std::move(out.W_), middle = widened(*S);
    out.W_.resize(static_cast<size_t>(W.rows * S->cols));
    ASSAY_TRY(multiply(W.rows, S->cols, S->rows, left.data(), middle.data(), out.W_.data()));
  }
  return out;
}

Expected<int64_t> Residual::each(const EntrySink& take, const std::atomic<bool>* cancel) const {
  const int64_t d = cols(), most = std::clamp<int64_t>(kBlockEntries / d, 1, rows());
  std::vector<double> x(static_cast<size_t>(most * d)), m(x.size()), weight(x.size());
  std::vector<Entry> found;
  int64_t seen = 0;
  for (int64_t first = 0; first < rows() && !(cancel && *cancel); first += most) {
    const int64_t count = std::min(most, rows() - first);
    data::load(*x_, first, count, 0, d, x.data(), d);
    data::load_weights(*x_, first, count, 0, d, weight.data(), d);
    ASSAY_TRY(multiply(count, d, rank_, W_.data() + first * rank_, H_.data(), m.data()));
    loss_->to_means(count * d, m.data());
    found.clear();
    for (int64_t at = 0; at < count * d; ++at) {
      const auto i = static_cast<size_t>(at);
      if (!(weight[i] > 0)) continue;
      ++seen;
      const double r = x[i] - m[i], left = std::abs(r) - threshold_;
      if (left > 0) found.push_back({first + at / d, at % d, std::copysign(left, r)});
    }
    ASSAY_TRY(take(found));
  }
  return seen;
}

}  // namespace assay::experiment
