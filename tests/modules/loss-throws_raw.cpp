// SPDX-License-Identifier: Apache-2.0
// A loss in C++ without plugin.hpp that lets exceptions out of create, or of its spans.
#include <assay/plugin.h>

#include <limits>
#include <stdexcept>

namespace {

int32_t create(const assay_host* host, assay_ctx*, const assay_options* options, void**) {
  if (host->option_number(options, "late") == 0) throw std::runtime_error("thrown from create");
  return ASSAY_OK;
}

int32_t describe(void*, assay_loss_facts* out) {
  out->x_hi = out->m_hi = std::numeric_limits<double>::infinity();
  return ASSAY_OK;
}

int32_t span(void*, assay_ctx*, int64_t, const double*, const double*, double*) {
  throw 42;  // not even a std::exception
}

int32_t split(void*, assay_ctx*, int64_t, const double*, const double*, double*, double*) {
  throw std::runtime_error("thrown from a span");
}

const assay_option options[] = {
    {"late", "throw from spans instead", ASSAY_OPT_BOOL, 0, 0, 0, 1, nullptr, nullptr},
    {nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr}};
const assay_loss vtable = {sizeof(assay_loss),
                           0,
                           create,
                           nullptr,
                           describe,
                           span,
                           span,
                           split,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr,
                           nullptr};
const assay_plugin plugin = {sizeof(assay_plugin),
                             0,
                             "assay.loss/1",
                             "throws_raw",
                             "that throws",
                             nullptr,
                             nullptr,
                             options,
                             &vtable,
                             nullptr};

}  // namespace

ASSAY_MODULE("test.module", "1.0", plugin)
