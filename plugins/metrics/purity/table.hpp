// SPDX-License-Identifier: Apache-2.0
// How many rows of each cluster are of each class: a row's cluster is the component its W is
// largest in (of equal ones the first), its class the label of the data. Rows without a label are
// left out. Counts are whole numbers, so that sums are exact.
#pragma once

#include <assay/plugin.hpp>
#include <cmath>
#include <string>
#include <vector>

namespace clusters {

using namespace assay::author;

constexpr int64_t kMostClasses = 4096;

struct Table {
  Matrix counts;  // clusters x classes
  std::vector<double> clusters, classes;
  double total = 0;

  explicit Table(const Matrix& of)
      : counts(of),
        clusters(static_cast<size_t>(of.rows())),
        classes(static_cast<size_t>(of.cols())) {
    for (int64_t a = 0; a < of.rows(); ++a)
      for (int64_t c = 0; c < of.cols(); ++c) {
        clusters[static_cast<size_t>(a)] += of(a, c);
        classes[static_cast<size_t>(c)] += of(a, c);
        total += of(a, c);
      }
  }
};

// T::kId; T::value(const Table&): the number.
template <class T>
class Agreement {
 public:
  Agreement(Call, const assay_problem& p)
      : row_class_(p.row_class), k_(p.k[0]), classes_(p.n_classes) {
    if (classes_ < 1)
      throw Failure(ASSAY_E_COMBINATION, "the data have no labels for the metric `" +
                                             std::string(T::kId) + "` to compare clusters with")
          .help("name the column of labels with `data.label_column`, or leave the metric out");
    if (classes_ > kMostClasses)
      throw Failure(ASSAY_E_COMBINATION, "the metric `" + std::string(T::kId) + "` takes at most " +
                                             std::to_string(kMostClasses) +
                                             " different labels, and the data have " +
                                             std::to_string(classes_))
          .help("name a column of classes with `data.label_column`");
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_MEASURE) return;
    const assay_buf table = b.sum("table", k_, classes_), value = b.small("value", 1, 1);
    b.each<&Agreement::count, T>("table", ASSAY_ROWS,
                                 {{b.factor(0), ASSAY_IN}, {table, ASSAY_ADD}});
    b.each<&Agreement::finish, T>("value", ASSAY_ONE, {{table, ASSAY_IN}, {value, ASSAY_OUT}});
    b.report("value", value);
  }

 private:
  // {W, table}
  void count(const Block& b) const {
    const Matrix W = b.matrix(0), table = b.matrix(1);
    for (int64_t i = 0; i < W.rows(); ++i) {
      const int32_t c = row_class_[b.index(i)];
      if (c < 0) continue;
      int64_t best = 0;
      for (int64_t a = 1; a < k_; ++a)
        if (W(i, a) > W(i, best)) best = a;
      table(best, c) += 1;
    }
  }
  // {table, value}
  void finish(const Block& b) const { b.number(1) = T::value(Table(b.matrix(0))); }

  const int32_t* row_class_;
  int64_t k_, classes_;
};

}  // namespace clusters
