// SPDX-License-Identifier: Apache-2.0
// Versions, error objects and cancel flags of assay.h.
#include <fmt/format.h>

#include "core/api/handles.hpp"
#include "core/base/version.hpp"
#include "core/spec/diagnostic.hpp"

namespace assay::api {
namespace {

std::string describe(const Error& e) {
  std::string text = fmt::format("error[{}]: {}", e.code, e.message);
  if (!e.key.empty()) text += fmt::format("\n   = key: {}", e.key);
  if (!e.file.empty()) text += fmt::format("\n   = file: {}", e.file);
  if (!e.place.empty()) text += fmt::format("\n   = at: {}", e.place);
  const std::pair<const char*, const std::vector<std::string>*> lists[] = {
      {"expected", &e.expected}, {"found", &e.found}, {"help", &e.help}, {"note", &e.note}};
  for (const auto& [name, list] : lists) {
    for (const std::string& line : *list) text += fmt::format("\n   = {}: {}", name, line);
  }
  return text;
}

}  // namespace

int32_t fail(assay_error** out, Error error) noexcept {
  const int32_t status = error.status < 0 ? error.status : ASSAY_E_INTERNAL;
  if (!out) return status;
  try {
    auto made = std::make_unique<assay_error>();
    error.code = spec::code_of(error);
    made->text = describe(error);
    made->error = std::move(error);
    made->error.status = status;
    *out = made.release();
  } catch (...) {
    *out = nullptr;  // no memory for the words; the status still tells
  }
  return status;
}

int32_t fail(assay_error** out, int32_t status, const char* code, const char* what) noexcept {
  try {
    return fail(out, Error(status, code, what));
  } catch (...) {
    if (out) *out = nullptr;
    return status;
  }
}

Error bad_argument(const char* what) { return Error(ASSAY_E_ARGUMENT, "E0904", what); }

}  // namespace assay::api

extern "C" {

const char* assay_version(void) { return assay::version(); }

int32_t assay_abi_version(void) { return ASSAY_ABI_MAJOR * 1000 + ASSAY_ABI_MINOR; }

int32_t assay_error_status(const assay_error* error) {
  return error ? error->error.status : ASSAY_OK;
}

const char* assay_error_code(const assay_error* error) {
  return error ? error->error.code.c_str() : "";
}

const char* assay_error_message(const assay_error* error) {
  return error ? error->error.message.c_str() : "";
}

const char* assay_error_key(const assay_error* error) {
  return error ? error->error.key.c_str() : "";
}

const char* assay_error_text(const assay_error* error) { return error ? error->text.c_str() : ""; }

void assay_error_destroy(assay_error** error) {
  if (!error) return;
  delete *error;
  *error = nullptr;
}

int32_t assay_cancel_create(assay_cancel** out) {
  if (!out) return ASSAY_E_ARGUMENT;
  auto* made = new (std::nothrow) assay_cancel;
  if (!made) return ASSAY_E_MEMORY;
  *out = made;
  return ASSAY_OK;
}

static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets the flag");

void assay_cancel_set(assay_cancel* cancel) {
  if (cancel) cancel->flag.store(true);
}

void assay_cancel_reset(assay_cancel* cancel) {
  if (cancel) cancel->flag.store(false);
}

void assay_cancel_destroy(assay_cancel** cancel) {
  if (!cancel) return;
  delete *cancel;
  *cancel = nullptr;
}

}  // extern "C"
