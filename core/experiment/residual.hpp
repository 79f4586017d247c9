// SPDX-License-Identifier: Apache-2.0
// What a model leaves of data, soft-thresholded: s = r - delta sign r where |r| > delta, r = x - m,
// m the mean the model states: a probability or exp(m) where the loss has a link.
// Under the loss huber(delta) this is the sparse part of X ~ M + S: the s that makes
// 1/2 (r - s)^2 + delta |s| least. Made block by block of rows; nothing n x d is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.hpp"
#include "core/experiment/apply.hpp"
#include "core/experiment/open_model.hpp"

namespace assay::experiment {

struct Entry {
  int64_t row, col;
  double value;
};
using EntrySink = std::function<Expected<void>(const std::vector<Entry>&)>;

class Residual {
 public:
  // threshold: none for the delta of the model's huber loss; E0009 where it has another one. W is
  // the model's own where the data are those it was fitted to, else that of transform.
  static Expected<Residual> open(const std::string& model_path,
                                 const std::string& data_path,
                                 std::optional<double> threshold,
                                 std::shared_ptr<plugin::Registry> registry,
                                 const ApplyOptions& options);

  int64_t rows() const { return x_->rows; }
  int64_t cols() const { return x_->cols; }
  double threshold() const { return threshold_; }
  bool folded_in() const { return folded_in_; }
  // Of the data, else of the model; empty where neither has any.
  const data::Names& names() const { return names_; }
  // Transforms in whose units x and m are, first to last.
  const std::vector<std::string>& transforms() const { return transforms_; }

  // Entries that are not 0, row by row, to `take`; hidden ones have none. Returns how many entries
  // were looked at. Stops early when `cancel` says so.
  Expected<int64_t> each(const EntrySink& take, const std::atomic<bool>* cancel) const;

 private:
  Residual() = default;

  std::shared_ptr<const data::Data> x_;  // as the transforms leave them
  std::vector<double> W_, H_;            // n x k and k x d
  std::shared_ptr<const plugin::Loss> loss_;
  int64_t rank_ = 0;
  double threshold_ = 0;
  bool folded_in_ = false;
  data::Names names_;
  std::vector<std::string> transforms_;
};

}  // namespace assay::experiment
