// SPDX-License-Identifier: Apache-2.0
// Buffers that outlive a step, and the problem as plugins see it.
#include "core/graph/model.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "core/kernels/kernels.hpp"

namespace assay::graph {

namespace {
int64_t element_bytes(int32_t dtype) { return dtype == ASSAY_F32 || dtype == ASSAY_I32 ? 4 : 8; }

int64_t padded_ld(int32_t dtype, int64_t width) {
  const int64_t size = element_bytes(dtype);
  return (width * size + 63) / 64 * 64 / size;
}

Buffer with_ld(int32_t dtype, int64_t rows, int64_t width, int64_t ld) {
  Buffer b;
  b.dtype = dtype;
  b.rows = rows;
  b.width = width;
  b.ld = ld;
  b.bytes = AlignedArray<unsigned char>(rows * ld * element_bytes(dtype));
  return b;
}

bool penalised(const plugin::PenaltySet& set) {
  return std::any_of(set.items().begin(), set.items().end(),
                     [](const auto& item) { return item.facts.kind != ASSAY_PENALTY_SET; });
}

std::shared_ptr<const Classes> classes_of(std::shared_ptr<const data::Names> names) {
  auto made = std::make_shared<Classes>();
  std::unordered_map<std::string_view, int32_t> codes;
  for (const std::string& label : names->labels) {
    const auto next = static_cast<int32_t>(codes.size());
    made->of_row.push_back(label.empty() ? -1 : codes.try_emplace(label, next).first->second);
  }
  made->count = static_cast<int64_t>(codes.size());
  made->of = std::move(names);
  return made;
}

}  // namespace

Buffer Buffer::make(int32_t dtype, int64_t rows, int64_t width) {
  return with_ld(dtype, rows, width, padded_ld(dtype, width));
}

Buffer Buffer::packed(int32_t dtype, int64_t rows, int64_t width) {
  return with_ld(dtype, rows, width, packed_ld(dtype, width));
}

int64_t Buffer::packed_ld(int32_t dtype, int64_t width) {
  const int64_t ld = padded_ld(dtype, width);
  int64_t close = 1;
  while (close < width) close *= 2;
  return std::min(ld, close);
}

Buffer Buffer::state(const std::string& key, int32_t dtype, int64_t rows, int64_t width) {
  return key.rfind(kRowsState, 0) == 0 ? packed(dtype, rows, width) : make(dtype, rows, width);
}

double Buffer::get(int64_t i, int64_t j) const {
  const int64_t at = i * ld + j;
  switch (dtype) {
    case ASSAY_F32:
      return static_cast<double>(as<float>()[at]);
    case ASSAY_I32:
      return static_cast<double>(as<int32_t>()[at]);
    case ASSAY_I64:
      return static_cast<double>(as<int64_t>()[at]);
    default:
      return as<double>()[at];
  }
}

void Buffer::set(int64_t i, int64_t j, double v) {
  const int64_t at = i * ld + j;
  switch (dtype) {
    case ASSAY_F32:
      as<float>()[at] = static_cast<float>(v);
      break;
    case ASSAY_I32:
      as<int32_t>()[at] = static_cast<int32_t>(v);
      break;
    case ASSAY_I64:
      as<int64_t>()[at] = static_cast<int64_t>(v);
      break;
    default:
      as<double>()[at] = v;
  }
}

assay_problem Model::problem() const {
  assay_problem p{};
  p.struct_size = sizeof p;
  p.n = n();
  p.d = d();
  p.sparse = x->sparse ? 1 : 0;
  p.nnz = x->sparse ? x->csr.nnz : p.n * p.d;
  if (x->weighted() || x->mask || (x->sparse && !x->unstored_zero))
    p.flags |= ASSAY_PROBLEM_UNEQUAL;
  if (goes_on) p.flags |= ASSAY_PROBLEM_GOES_ON;
  if (factor[0].rows == 0) p.flags |= ASSAY_PROBLEM_MAKES_W;
  if (compute == ASSAY_F32) p.flags |= ASSAY_PROBLEM_F32;
  p.n_factors = n_factors;
  p.side = -1;
  for (int s = 0; s < 3; ++s) {
    p.k[s] = s == 2 ? factor[s].rows : factor[s].width;
    if (penalties[s] && penalties[s]->nonneg()) p.factor_flags[s] |= ASSAY_FACTOR_NONNEG;
    if (penalties[s] && penalised(*penalties[s])) p.factor_flags[s] |= ASSAY_FACTOR_PENALISED;
    if (frozen[s]) p.factor_flags[s] |= ASSAY_FACTOR_FROZEN;
    if (!penalties[s]) continue;
    if (penalties[s]->couples()) p.factor_flags[s] |= ASSAY_FACTOR_COUPLED;
    if (!penalties[s]->only_nonneg()) p.factor_flags[s] |= ASSAY_FACTOR_SET;
    if (!penalties[s]->quadratic()) p.factor_flags[s] |= ASSAY_FACTOR_NO_QUADRATIC;
    p.mu_power[s] = penalties[s]->mu_power();
  }
  p.observed = facts.observed;
  p.x_sum = facts.sum;
  p.x_sumsq = facts.sumsq;
  p.x_min = facts.min;
  p.x_max = facts.max;
  p.loss = loss ? &loss->facts() : nullptr;
  p.density = density ? &density->facts() : nullptr;
  if (!layers.empty()) {
    p.n_layers = static_cast<int64_t>(layers.size());
    p.layers = layers.data();
    if (factor[0].width > layers.back()) p.flags |= ASSAY_PROBLEM_BIAS;
  }
  if (x->truth && !x->table && !x->scale && !x->shift) {
    p.true_rank = x->truth->rank;
    p.true_factor[0] = x->truth->W.data();
    p.true_factor[1] = x->truth->H.data();
  }
  if (x->names && static_cast<int64_t>(x->names->labels.size()) == x->rows) {
    if (!classes_ || classes_->of != x->names) classes_ = classes_of(x->names);
    p.row_class = classes_->of_row.data();
    p.n_classes = classes_->count;
  }
  return p;
}

}  // namespace assay::graph
