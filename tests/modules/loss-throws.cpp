// SPDX-License-Identifier: Apache-2.0
// A loss by way of plugin.hpp whose constructor or spans throw: the header turns that into a status
// and a message.
#include <assay/plugin.hpp>
#include <limits>

namespace {

class Throws {
 public:
  Throws(assay::author::Call, assay::author::Options options) {
    if (!options.flag("late"))
      throw assay::author::Failure(ASSAY_E_ARGUMENT, "thrown from the constructor")
          .help("give `late: true`");
  }
  assay_loss_facts facts() const {
    assay_loss_facts f{};
    f.x_hi = f.m_hi = std::numeric_limits<double>::infinity();
    return f;
  }
  template <class T>
  void value(std::span<const T>, std::span<const T>, std::span<T>) const {
    throw std::bad_alloc();
  }
  template <class T>
  void grad(std::span<const T> x, std::span<const T> m, std::span<T> out) const {
    for (size_t i = 0; i < out.size(); ++i) out[i] = m[i] - x[i];
  }
};

constexpr assay_option options[] = {
    {"late", "throw from spans instead", ASSAY_OPT_BOOL, 0, 0, 0, 1, nullptr, nullptr},
    assay::author::kNoMoreOptions};
constexpr assay_loss vtable = assay::author::loss_table<Throws>();
constexpr assay_plugin plugin = assay::author::describe("assay.loss/1",
                                                        "throws",
                                                        "that throws",
                                                        nullptr,
                                                        nullptr,
                                                        options,
                                                        &vtable);

}  // namespace

ASSAY_MODULE("test.module", "1.0", plugin)
