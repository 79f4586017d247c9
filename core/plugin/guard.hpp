// SPDX-License-Identifier: Apache-2.0
// The exception wall around calls into a plugin: what escapes becomes a status and a recorded
// error.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "core/plugin/context.hpp"

namespace assay::plugin {

// Records in ctx (which may be null) that `who` let an exception out.
void report_exception(assay_ctx* ctx, const std::string& who, const char* what) noexcept;

// Says in ctx's error that it comes from `who`, a plugin that works for another one (a loss for a
// solver); records one where the plugin gave none.
void attribute(assay_ctx* ctx, const std::string& who, int32_t status) noexcept;

// Runs call() -> status behind the wall.
template <class Call>
int32_t guarded(assay_ctx* ctx, const std::string& who, Call&& call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  } catch (const std::exception& e) {
    report_exception(ctx, who, e.what());
  } catch (...) {
    report_exception(ctx, who, nullptr);
  }
  return ASSAY_E_PLUGIN;
}

}  // namespace assay::plugin
