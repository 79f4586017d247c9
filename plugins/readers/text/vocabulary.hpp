// SPDX-License-Identifier: Apache-2.0
// Vocabulary: in how many documents a term is and how often, and which terms become columns: those
// that enough and not too many documents have, sorted by their bytes, or a list given beforehand.
#pragma once

#include <algorithm>
#include <assay/reader.hpp>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace text {

using assay::reading::Fault;

struct Limits {
  double min_documents = 1, max_documents = 1;  // below 1 (max: up to 1) a fraction of all
  int64_t max_terms = 0;                        // 0: all
};

class Vocabulary {
 public:
  // Only these terms from here on, in this order.
  void fix(const std::vector<std::string>& terms) {
    fixed_ = true;
    seen_.clear();
    for (const std::string& term : terms) {
      const bool added = seen_.emplace(term, Seen{0, 0, -1, count()}).second;
      if (added) terms_.push_back(term);
    }
  }
  bool fixed() const { return fixed_; }

  void count(std::string_view term, int64_t document) {
    ++occurrences_;
    auto found = seen_.find(term);
    if (found == seen_.end()) {
      if (fixed_) {
        ++left_out_;
        return;
      }
      found = seen_.emplace(std::string(term), Seen{}).first;
    }
    Seen& s = found->second;
    ++s.total;
    if (s.last != document) ++s.documents;
    s.last = document;
  }

  // Chooses the columns and forgets all other terms. Returns the number of entries.
  int64_t choose(const Limits& limits, int64_t documents) {
    if (!fixed_) {
      const size_t found = seen_.size();
      const double all = static_cast<double>(documents);
      const double least =
          limits.min_documents < 1 ? limits.min_documents * all : limits.min_documents;
      const double most =
          limits.max_documents <= 1 ? limits.max_documents * all : limits.max_documents;
      std::erase_if(seen_, [&](const auto& item) {
        const auto in = static_cast<double>(item.second.documents);
        return in < least || in > most;
      });
      keep_most(limits.max_terms);
      for (const auto& item : seen_) terms_.push_back(item.first);
      std::sort(terms_.begin(), terms_.end());
      if (terms_.empty()) none_left(found);
      for (int64_t j = 0; j < count(); ++j)
        seen_.find(terms_[static_cast<size_t>(j)])->second.column = j;
    }
    int64_t entries = 0;
    for (const auto& item : seen_) entries += item.second.documents;
    return entries;
  }

  // -1: no column.
  int64_t column(std::string_view term) const {
    const auto found = seen_.find(term);
    return found == seen_.end() ? -1 : found->second.column;
  }
  int64_t count() const { return static_cast<int64_t>(terms_.size()); }
  const std::vector<std::string>& terms() const { return terms_; }
  int64_t occurrences() const { return occurrences_; }
  int64_t left_out() const { return left_out_; }

 private:
  struct Seen {
    int64_t documents = 0, total = 0, last = -1, column = -1;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  // The most frequent ones, the first by bytes of equal ones.
  void keep_most(int64_t most) {
    if (most <= 0 || static_cast<int64_t>(seen_.size()) <= most) return;
    std::vector<std::pair<int64_t, std::string_view>> order;
    order.reserve(seen_.size());
    for (const auto& item : seen_) order.emplace_back(-item.second.total, item.first);
    const auto last = order.begin() + most;
    std::nth_element(order.begin(), last, order.end());
    const std::pair<int64_t, std::string> border(last->first, last->second);
    std::erase_if(seen_, [&](const auto& item) {
      return std::pair<int64_t, std::string_view>(-item.second.total, item.first) >=
             std::pair<int64_t, std::string_view>(border.first, border.second);
    });
  }
  [[noreturn]] static void none_left(size_t found) {
    throw Fault{ASSAY_E_EMPTY,
                found == 0 ? "the documents have no words" : "no term is left",
                "",
                std::to_string(found) + " terms before `min_documents` and `max_documents`",
                "",
                found == 0
                    ? "check that this is text; `min_length`, `numbers` and stop words leave "
                      "words out"
                    : "lower `min_documents` or raise `max_documents`"};
  }

  std::unordered_map<std::string, Seen, Hash, std::equal_to<>> seen_;
  std::vector<std::string> terms_;
  int64_t occurrences_ = 0, left_out_ = 0;
  bool fixed_ = false;
};

}  // namespace text
