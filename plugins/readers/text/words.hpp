// SPDX-License-Identifier: Apache-2.0
// The words of a text with ICU: NFKC with case folded (Unicode Standard, section 3.13), cut at the
// word boundaries of UAX 29; what has no letter is no word, unless numbers are wanted.
#pragma once

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <assay/reader.hpp>
#include <memory>
#include <string>
#include <string_view>

namespace text {

using assay::reading::Fault;

// Where the text stops being UTF-8; npos: nowhere.
inline size_t first_bad_byte(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    const int32_t from = i;
    UChar32 c = 0;
    U8_NEXT(bytes, i, size, c);
    if (c < 0) return static_cast<size_t>(from);
  }
  return std::string_view::npos;
}

class Words {
 public:
  Words(bool fold, bool numbers, int64_t min_length) : numbers_(numbers), min_length_(min_length) {
    UErrorCode status = U_ZERO_ERROR;
    form_ = fold ? icu::Normalizer2::getNFKCCasefoldInstance(status)
                 : icu::Normalizer2::getNFKCInstance(status);
    cutter_.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    check(status, "ICU has no rules for words");
  }

  // UTF-8 as words are written: NFKC, folded, one kind of apostrophe.
  std::string folded(std::string_view text) const {
    std::string out;
    normal(text).toUTF8String(out);
    return out;
  }

  // Calls f(word) for each word of valid UTF-8, in order.
  template <class F>
  void each(std::string_view text, F&& f) {
    const icu::UnicodeString line = normal(text);
    cutter_->setText(line);
    int32_t from = cutter_->first();
    for (int32_t to = cutter_->next(); to != icu::BreakIterator::DONE;
         from = to, to = cutter_->next()) {
      if (!is_word(line, from, to)) continue;
      if (line.countChar32(from, to - from) < min_length_) continue;
      word_.clear();
      line.tempSubStringBetween(from, to).toUTF8String(word_);
      f(std::string_view(word_));
    }
  }

 private:
  // A letter makes a word of what stands between two boundaries; so may a digit.
  bool is_word(const icu::UnicodeString& line, int32_t from, int32_t to) const {
    for (int32_t at = from; at < to;) {
      const UChar32 c = line.char32At(at);
      if (u_isUAlphabetic(c) || (numbers_ && u_isdigit(c))) return true;
      at += U16_LENGTH(c);
    }
    return false;
  }
  static void check(UErrorCode status, const char* what) {
    if (status == U_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
    if (U_FAILURE(status)) throw Fault{ASSAY_E_PLUGIN, what, "", u_errorName(status), "", ""};
  }
  icu::UnicodeString normal(std::string_view text) const {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeString out = form_->normalize(
        icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())}), status);
    check(status, "the text cannot be normalised");
    constexpr char16_t kRightQuote = 0x2019;
    out.findAndReplace(icu::UnicodeString(kRightQuote), icu::UnicodeString(u'\''));
    return out;
  }

  bool numbers_;
  int64_t min_length_;
  const icu::Normalizer2* form_ = nullptr;  // ICU's own
  std::unique_ptr<icu::BreakIterator> cutter_;
  std::string word_;
};

}  // namespace text
