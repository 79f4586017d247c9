// SPDX-License-Identifier: Apache-2.0
// Buffers and the loop's memory to and from the members of an archive.
#include "core/fit/checkpoint.hpp"

#include <cstring>
#include <string>

namespace assay::fit {
namespace {

constexpr const char* kFactor[] = {"factor.W", "factor.H", "factor.S"};
constexpr const char* kState = "state.";
constexpr const char* kBest = "best";  // and, with a dot, before the names of its arrays
constexpr size_t kTraceColumns = 7;    // before the metrics

Error damaged(const std::string& what) {
  return Error(ASSAY_E_IO, "E0504", "the checkpoint does not fit this trial: " + what)
      .with_help("start the trial anew with `--rerun`");
}

size_t item_bytes(int32_t dtype) { return dtype == ASSAY_F64 || dtype == ASSAY_I64 ? 8 : 4; }

kernels::Member numbers(const std::string& name, const std::vector<double>& values) {
  kernels::Member m;
  m.name = name;
  m.dtype = ASSAY_F64;
  m.rows = static_cast<int64_t>(values.size());
  m.cols = 1;
  m.vector = true;
  m.bytes.resize(values.size() * sizeof(double));
  if (!values.empty()) std::memcpy(m.bytes.data(), values.data(), m.bytes.size());
  return m;
}

std::vector<double> numbers_of(const kernels::Member& m) {
  std::vector<double> values(m.bytes.size() / sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), m.bytes.data(), values.size() * sizeof(double));
  return values;
}

const kernels::Member* find(const Checkpoint& c, const std::string& name) {
  for (const auto& m : c) {
    if (m.name == name) return &m;
  }
  return nullptr;
}

Expected<void> restore_best(const Checkpoint& c, Best& best) {
  const auto* numbers = find(c, kBest);
  if (!numbers) return {};
  const std::vector<double> v = numbers_of(*numbers);
  if (v.size() != 3) return damaged("the best iterate is not complete");
  best = {v[0], static_cast<int64_t>(v[1]), static_cast<int64_t>(v[2]), {}};
  const std::string prefix = std::string(kBest) + ".";
  for (kernels::Member m : c) {
    if (m.name.rfind(prefix, 0) != 0) continue;
    m.name = m.name.substr(prefix.size());
    best.arrays.push_back(std::move(m));
  }
  return {};
}

std::vector<double> flatten(const Trace& trace) {
  std::vector<double> flat;
  for (const TraceRow& r : trace.rows) {
    flat.insert(flat.end(), {static_cast<double>(r.iteration), r.seconds, r.objective, r.loss,
                             r.penalty, r.kkt, r.rel_change});
    flat.insert(flat.end(), r.metrics.begin(), r.metrics.end());
  }
  return flat;
}

std::vector<TraceRow> rows_of(const std::vector<double>& flat, size_t n_metrics) {
  std::vector<TraceRow> rows;
  const size_t width = kTraceColumns + n_metrics;
  for (size_t at = 0; at + width <= flat.size(); at += width) {
    const double* v = flat.data() + at;
    rows.push_back({static_cast<int64_t>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6],
                    std::vector<double>(v + kTraceColumns, v + width)});
  }
  return rows;
}

}  // namespace

kernels::Member to_member(const std::string& name, const graph::Buffer& buffer) {
  kernels::Member m;
  m.name = name;
  m.dtype = buffer.dtype;
  m.rows = buffer.rows;
  m.cols = buffer.width;
  const size_t item = item_bytes(buffer.dtype), line = static_cast<size_t>(buffer.width) * item;
  m.bytes.resize(static_cast<size_t>(buffer.rows) * line);
  for (int64_t i = 0; i < buffer.rows; ++i) {
    std::memcpy(m.bytes.data() + static_cast<size_t>(i) * line,
                buffer.bytes.data() + static_cast<size_t>(i * buffer.ld) * item, line);
  }
  return m;
}

Expected<void> from_member(const kernels::Member& member, graph::Buffer& buffer) {
  const size_t item = item_bytes(buffer.dtype), line = static_cast<size_t>(buffer.width) * item;
  const int64_t cols = member.vector ? 1 : member.cols;
  if (member.dtype != buffer.dtype || member.rows != buffer.rows || cols != buffer.width ||
      member.bytes.size() != static_cast<size_t>(buffer.rows) * line) {
    return damaged("`" + member.name + "` has another shape");
  }
  for (int64_t i = 0; i < buffer.rows; ++i) {
    std::memcpy(buffer.bytes.data() + static_cast<size_t>(i * buffer.ld) * item,
                member.bytes.data() + static_cast<size_t>(i) * line, line);
  }
  return {};
}

Checkpoint capture_arrays(const graph::Model& model) {
  Checkpoint c;
  for (int side = 0; side < model.n_factors; ++side) {
    c.push_back(to_member(kFactor[side], model.factor[side]));
  }
  for (const auto& [name, buffer] : model.state) c.push_back(to_member(kState + name, buffer));
  return c;
}

Expected<void> restore_arrays(const Checkpoint& arrays, graph::Model& model) {
  for (int side = 0; side < model.n_factors; ++side) {
    const auto* m = find(arrays, kFactor[side]);
    if (!m) return damaged(std::string("`") + kFactor[side] + "` is missing");
    ASSAY_TRY(from_member(*m, model.factor[side]));
  }
  for (const auto& m : arrays) {
    if (m.name.rfind(kState, 0) != 0) continue;
    const std::string name = m.name.substr(std::strlen(kState));
    const auto at = model.state.try_emplace(
        name, graph::Buffer::state(name, m.dtype, m.rows, m.vector ? 1 : m.cols));
    ASSAY_TRY(from_member(m, at.first->second));
  }
  return {};
}

Checkpoint capture(const graph::Model& model, const Progress& p) {
  Checkpoint c = capture_arrays(model);
  c.push_back(numbers(
      "loop", {static_cast<double>(p.iteration), p.seconds, p.exact ? 1.0 : 0.0, p.memory.previous,
               p.memory.best, static_cast<double>(p.memory.rows_without_best),
               static_cast<double>(p.memory.rises), p.memory.first}));
  c.push_back(numbers("trace", flatten(p.trace)));
  if (p.best.iteration < 0) return c;
  c.push_back(numbers(kBest, {p.best.value, static_cast<double>(p.best.iteration),
                              static_cast<double>(p.best.rows_since)}));
  for (kernels::Member m : p.best.arrays) {
    m.name = kBest + ("." + m.name);
    c.push_back(std::move(m));
  }
  return c;
}

Expected<void> restore(const Checkpoint& c, graph::Model& model, Progress& p) {
  const auto* loop = find(c, "loop");
  const auto* trace = find(c, "trace");
  if (!loop || !trace || loop->bytes.size() != 8 * sizeof(double)) return damaged("not complete");
  ASSAY_TRY(restore_arrays(c, model));
  ASSAY_TRY(restore_best(c, p.best));
  const std::vector<double> v = numbers_of(*loop);
  p.iteration = static_cast<int64_t>(v[0]);
  p.seconds = v[1];
  p.exact = v[2] != 0;
  p.memory = {v[3], v[4], static_cast<int64_t>(v[5]), static_cast<int64_t>(v[6]), v[7]};
  p.trace.rows = rows_of(numbers_of(*trace), p.trace.columns.size());
  return {};
}

}  // namespace assay::fit
