// SPDX-License-Identifier: Apache-2.0
// The host table: what every plugin of this process may call. Nothing here throws.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/plugin/context.hpp"
#include "core/plugin/options.hpp"
#include "core/plugin/registry.hpp"
#include "core/plugin/services.hpp"

namespace assay::plugin {

namespace {

void* host_alloc(int64_t bytes) {
  if (bytes <= 0) return nullptr;
  return std::aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64);
}

void host_free(void* p) { std::free(p); }

void* host_scratch(assay_ctx* ctx, int64_t bytes) {
  return ctx ? ctx->scratch.take(bytes) : nullptr;
}

int32_t host_set_error(assay_ctx* ctx, int32_t status, const char* text) {
  if (ctx == nullptr) return status;
  try {
    ctx->error = Error(status, "", text ? text : "");
  } catch (...) {
    ctx->error.status = ASSAY_E_MEMORY;
  }
  ctx->failed = true;
  return status;
}

void host_add_detail(assay_ctx* ctx, int32_t kind, const char* text) {
  if (ctx == nullptr || text == nullptr || !ctx->failed) return;
  try {
    switch (kind) {
      case ASSAY_DETAIL_PLACE:
        ctx->error.place = text;
        break;
      case ASSAY_DETAIL_FOUND:
        ctx->error.found.emplace_back(text);
        break;
      case ASSAY_DETAIL_EXPECTED:
        ctx->error.expected.emplace_back(text);
        break;
      case ASSAY_DETAIL_HELP:
        ctx->error.help.emplace_back(text);
        break;
      default:
        ctx->error.note.emplace_back(text);
    }
  } catch (...) {
    ctx->error.status = ASSAY_E_MEMORY;
  }
}

void host_log(assay_ctx* ctx, int32_t level, const char* text) {
  if (ctx == nullptr || ctx->log == nullptr || !*ctx->log || text == nullptr) return;
  try {
    (*ctx->log)(level, text);
  } catch (...) {
    return;  // a line of the log that cannot be written is not a reason to stop a run
  }
}

const OptionValue* option(const assay_options* options, const char* name) {
  if (options == nullptr || name == nullptr) return nullptr;
  for (const auto& [key, value] : reinterpret_cast<const Options*>(options)->values)
    if (key == name) return &value;
  return nullptr;
}

double host_option_number(const assay_options* options, const char* name) {
  const OptionValue* v = option(options, name);
  const bool number =
      v && (v->type == ASSAY_OPT_INT || v->type == ASSAY_OPT_FLOAT || v->type == ASSAY_OPT_BOOL);
  return number ? v->number : std::nan("");
}

const char* host_option_text(const assay_options* options, const char* name) {
  const OptionValue* v = option(options, name);
  return v && v->has_text ? v->text.c_str() : nullptr;
}

int64_t host_option_list(const assay_options* options, const char* name, const double** out) {
  const OptionValue* v = option(options, name);
  if (v == nullptr || v->type != ASSAY_OPT_LIST) return 0;
  if (out) *out = v->list.data();
  return static_cast<int64_t>(v->list.size());
}

int32_t host_option_given(const assay_options* options, const char* name) {
  const OptionValue* v = option(options, name);
  return v && v->given ? 1 : 0;
}

const void* host_service(const char* id) {
  if (id == nullptr) return nullptr;
  if (std::strcmp(id, "assay.math/1") == 0) return math_service();
  if (std::strcmp(id, "assay.rng/1") == 0) return rng_service();
  if (std::strcmp(id, "assay.la/1") == 0) return la_service();
  if (std::strcmp(id, "assay.penalty/1") == 0) return penalty_service();
  if (std::strcmp(id, "assay.files/1") == 0) return files_service();
  if (std::strcmp(id, "assay.tile/1") == 0) return tile_service();
  if (std::strcmp(id, "assay.loss/1") == 0) return loss_service();
  if (std::strcmp(id, "assay.density/1") == 0) return density_service();
  return nullptr;
}

int32_t host_cancelled(assay_ctx* ctx) {
  return ctx && ctx->cancel && ctx->cancel->load(std::memory_order_relaxed) ? 1 : 0;
}

int64_t host_first_row(assay_ctx* ctx) { return ctx ? ctx->first : 0; }

}  // namespace

const assay_host* host() {
  static const assay_host table = {sizeof(assay_host), 0,
                                   host_alloc,         host_free,
                                   host_scratch,       host_set_error,
                                   host_add_detail,    host_log,
                                   host_option_number, host_option_text,
                                   host_option_list,   host_option_given,
                                   host_service,       host_cancelled,
                                   host_first_row};
  return &table;
}

}  // namespace assay::plugin
