// SPDX-License-Identifier: Apache-2.0
// Calls of block functions.
#include "core/graph/call.hpp"

#include <cmath>
#include <exception>
#include <limits>
#include <new>
#include <string>

namespace assay::graph {

namespace {

int32_t fail(Worker& worker, int32_t status, const char* code, const std::string& text) {
  worker.ctx.failed = true;
  worker.ctx.error = Error(status, code, text);
  return status;
}

int32_t threw(const Frame& frame, const Line& line, Worker& worker, const std::string& what) {
  return fail(worker, ASSAY_E_PLUGIN, "E0412",
              "plugin `" + frame.program->who + "` threw in `" + line.name + "`" + what);
}

}  // namespace

assay_block block_of(const Frame& frame,
                     const Line& line,
                     Worker& worker,
                     const assay_view* views) {
  assay_block block{};
  block.struct_size = sizeof block;
  block.axis = line.axis;
  block.tag = line.tag;
  block.n_args = static_cast<int32_t>(line.args.size());
  block.arg = views;
  block.ctx = &worker.ctx;
  block.step = frame.step;
  block.turn = frame.turn;
  return block;
}

// Eight counts, so that the loop is not one chain of dependent additions.
bool all_finite(const assay_view& v, int32_t dtype) {
  const double most = dtype == ASSAY_F32 ? static_cast<double>(std::numeric_limits<float>::max())
                                         : std::numeric_limits<double>::max();
  double bad[8] = {};
  for (int64_t i = 0; i < v.rows; ++i) {
    const double* row = static_cast<const double*>(v.data) + i * v.stride;
    int64_t j = 0;
    for (; j + 8 <= v.cols; j += 8)
      for (int64_t l = 0; l < 8; ++l) bad[l] += std::abs(row[j + l]) <= most ? 0.0 : 1.0;
    for (; j < v.cols; ++j) bad[0] += std::abs(row[j]) <= most ? 0.0 : 1.0;
  }
  double total = 0;
  for (const double b : bad) total += b;
  return total == 0;
}

int32_t call_function(const Frame& frame,
                      const Line& line,
                      Worker& worker,
                      const assay_block& block) {
  try {
    return line.fn(line.self, &block);
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  } catch (const std::exception& e) {
    return threw(frame, line, worker, std::string(": ") + e.what());
  } catch (...) {
    return threw(frame, line, worker, "");
  }
}

int32_t not_finite(const Frame& frame, const Line& line, Worker& worker) {
  return fail(
      worker, ASSAY_E_NUMERIC, "E0901",
      "`" + line.name + "` of `" + frame.program->who + "` gave a value that is not finite");
}

}  // namespace assay::graph
