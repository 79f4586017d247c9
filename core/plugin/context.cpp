// SPDX-License-Identifier: Apache-2.0
// Scratch memory and the error slot of a call.
#include "core/plugin/context.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "core/plugin/guard.hpp"

namespace assay::plugin {

namespace {
constexpr int64_t kSmallestBlock = 64 * 1024;
}

void* Scratch::take(int64_t bytes) {
  if (bytes < 0) return nullptr;
  const int64_t rounded = (std::max<int64_t>(bytes, 1) + 63) / 64 * 64;
  for (; block_ < blocks_.size(); ++block_, used_ = 0) {
    if (blocks_[block_].size() - used_ < rounded) continue;
    void* p = blocks_[block_].data() + used_;
    used_ += rounded;
    return p;
  }
  try {
    blocks_.emplace_back(std::max(rounded, kSmallestBlock));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  used_ = rounded;
  return blocks_[block_].data();
}

void Scratch::reset() {
  block_ = 0;
  used_ = 0;
}

void report_exception(assay_ctx* ctx, const std::string& who, const char* what) noexcept {
  if (ctx == nullptr || ctx->failed) return;
  try {
    ctx->error =
        Error(ASSAY_E_PLUGIN, "E0412",
              "`" + who + "` let an exception out" + (what ? ": " + std::string(what) : ""));
    ctx->error.help.emplace_back(
        "a plugin must catch its exceptions and return a status; assay/plugin.hpp does so");
  } catch (...) {
    ctx->error.status = ASSAY_E_MEMORY;
  }
  ctx->failed = true;
}

namespace {

// A status without a message. What may befall any code keeps its meaning; all else is the plugin's
// own fault, whatever number it chose.
Error unexplained(const std::string& who, int32_t status) {
  std::string message("`");
  message.append(who).append("` returned ").append(std::to_string(status));
  Error e(status, "", std::move(message));
  const bool common = status == ASSAY_E_MEMORY || status == ASSAY_E_RESOURCE ||
                      status == ASSAY_E_NUMERIC || status == ASSAY_E_SINGULAR ||
                      status == ASSAY_E_CANCELLED || status == ASSAY_E_IO;
  if (!common) e.code = "E0400";
  e.note.emplace_back("the plugin gave no message");
  return e;
}

}  // namespace

void attribute(assay_ctx* ctx, const std::string& who, int32_t status) noexcept {
  if (ctx == nullptr) return;
  try {
    if (!ctx->failed) {
      ctx->error = unexplained(who, status);
      ctx->failed = true;
    } else if (ctx->error.message.find("`" + who + "`") == std::string::npos) {
      ctx->error.note.push_back("said by `" + who + "`");
    }
  } catch (...) {
    ctx->error.status = ASSAY_E_MEMORY;
  }
}

}  // namespace assay::plugin

assay::Error assay_ctx::take_error(int32_t status, const std::string& who) {
  assay::Error taken;
  if (failed) {
    taken = std::move(error);
    if (taken.status >= 0) taken.status = status;
  } else {
    taken = assay::plugin::unexplained(who, status);
  }
  error = assay::Error();
  failed = false;
  return taken;
}
