// SPDX-License-Identifier: Apache-2.0
// Comfort for authors in C++20 over plugin.h: a class becomes a vtable whose thunks catch everything, options are typed,
// views are spans. Header-only and not part of the ABI.
//
//   struct MyLoss {
//     MyLoss(assay::author::Call, assay::author::Options);
//     assay_loss_facts facts() const;
//     void value(std::span<const double> x, std::span<const double> m, std::span<double> out) const;
//     void grad(std::span<const double> x, std::span<const double> m, std::span<double> out) const;
//   };
//   static const assay_loss vtable = assay::author::loss_table<MyLoss>();
#ifndef ASSAY_PLUGIN_HPP
#define ASSAY_PLUGIN_HPP

#include "author/call.hpp"
#include "author/loss.hpp"
#include "author/penalty.hpp"
#include "author/program.hpp"

namespace assay::author {

// A descriptor: kind, id and what the card says; options and vtable live as long as the module.
constexpr assay_plugin describe(const char *kind, const char *id, const char *summary,
                                const char *citation, const char *maths,
                                const assay_option *options, const void *vtable,
                                uint32_t flags = 0) {
  return {
      sizeof(assay_plugin), flags, kind, id, summary, citation, maths, options, vtable, nullptr};
}

// An entry of an option table.
constexpr assay_option number_option(const char *name, const char *doc, double def, double lo,
                                     double hi) {
  return {name, doc, ASSAY_OPT_FLOAT, 0, def, lo, hi, nullptr, nullptr};
}
constexpr assay_option integer_option(const char *name, const char *doc, int64_t def, int64_t lo,
                                      int64_t hi) {
  return {name,
          doc,
          ASSAY_OPT_INT,
          0,
          static_cast<double>(def),
          static_cast<double>(lo),
          static_cast<double>(hi),
          nullptr,
          nullptr};
}
constexpr assay_option text_option(const char *name, const char *doc, const char *def) {
  return {name, doc, ASSAY_OPT_STRING, 0, 0, 0, 0, def, nullptr};
}
constexpr assay_option path_option(const char *name, const char *doc, uint32_t flags) {
  return {name, doc, ASSAY_OPT_PATH, flags, 0, 0, 0, nullptr, nullptr};
}
// A list of numbers, empty where none is given.
constexpr assay_option list_option(const char *name, const char *doc, double lo, double hi) {
  return {name, doc, ASSAY_OPT_LIST, 0, 0, lo, hi, nullptr, nullptr};
}
constexpr assay_option bool_option(const char *name, const char *doc, bool def,
                                   uint32_t flags = 0) {
  return {name, doc, ASSAY_OPT_BOOL, flags, def ? 1.0 : 0.0, 0, 1, nullptr, nullptr};
}
constexpr assay_option enum_option(const char *name, const char *doc, const char *def,
                                   const char *const *values, uint32_t flags = 0) {
  return {name, doc, ASSAY_OPT_ENUM, flags, 0, 0, 0, def, values};
}
inline constexpr assay_option kNoMoreOptions{nullptr, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr};

}  // namespace assay::author

#endif
