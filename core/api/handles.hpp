// SPDX-License-Identifier: Apache-2.0
// What is behind the opaque handles of assay.h, and the wall that no exception passes.
#pragma once

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "assay/assay.h"
#include "core/base/error.hpp"
#include "core/base/expected.hpp"
#include "core/experiment/model_file.hpp"
#include "core/experiment/runtime.hpp"
#include "core/fit/trace.hpp"

struct assay_error {
  assay::Error error;
  std::string text;  // everything, several lines
};

struct assay_cancel {
  std::atomic<bool> flag{false};
};

struct assay_runtime {
  assay::experiment::Runtime runtime;  // registry: replaced when a folder is allowed
  assay::plugin::SearchOptions search;
  std::vector<const assay_plugin*> registered;
};

struct assay_data {
  std::shared_ptr<const assay::data::Data> x;
};

struct assay_model {
  assay::experiment::SavedModel saved;
  assay::fit::Stop stop = assay::fit::Stop::kNone;
  assay_certificate certificate{};
  std::vector<std::string> trace_names;
  std::vector<std::vector<double>> trace;  // column by column
  std::string json;
};

namespace assay::api {

// Hands an error to the caller; returns its status.
int32_t fail(assay_error** out, Error error) noexcept;
// The same for words that are still to be copied, which may fail.
int32_t fail(assay_error** out, int32_t status, const char* code, const char* what) noexcept;

Error bad_argument(const char* what);

// Runs body() -> Expected<int32_t> with `error` cleared before and exceptions turned into statuses.
template <class Body>
int32_t walled(assay_error** error, Body&& body) noexcept {
  if (error) *error = nullptr;
  try {
    Expected<int32_t> status = body();
    return status ? *status : fail(error, std::move(status.error()));
  } catch (const std::bad_alloc&) {
    return fail(error, ASSAY_E_MEMORY, "E0902", "out of memory");
  } catch (const std::exception& e) {
    return fail(error, ASSAY_E_INTERNAL, "E0900", e.what());
  } catch (...) {
    return fail(error, ASSAY_E_INTERNAL, "E0900", "an unknown exception");
  }
}

// A model handle of a saved model, without a trace.
std::unique_ptr<assay_model> wrap(experiment::SavedModel saved);

}  // namespace assay::api
