// SPDX-License-Identifier: Apache-2.0
// Calls of block functions.
#include "core/graph/call.hpp"

#include <exception>
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

int32_t call_function(const Frame& frame,
                      const Line& line,
                      Worker& worker,
                      const assay_block& block) {
  try {
    return line.fn(frame.program->self, &block);
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
