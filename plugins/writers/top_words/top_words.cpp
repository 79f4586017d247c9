// SPDX-License-Identifier: Apache-2.0
// Writer `top_words`: the names with the largest entries of each component: of H the columns of X
// (the words of a topic), of W its rows (the documents). One line a component for people, and a
// table with the weights. Components of signed factors (LSI, PCA) have a second line, the names at
// their negative end.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace assay::author;

const char* const kFactors[] = {"H", "W", nullptr};
constexpr assay_option kOptions[] = {
    {"factor", "H: columns of X (words); W: rows (documents)", ASSAY_OPT_ENUM, 0, 0, 0, 0, "H",
     kFactors},
    integer_option("count", "names of each component", 10, 1, 1000),
    kNoMoreOptions};

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void save(const std::string& path, const std::string& text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                             &std::fclose);
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fflush(file.get()) != 0)
    throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written");
}

constexpr double kRounding = 1e-12;  // of an orthonormal factor, beside its largest entries

class TopWords {
 public:
  TopWords(Call, Options options)
      : factor_(*options.text("factor")), count_(options.integer("count")) {}

  void write(const assay_results& results,
             const std::string& folder,
             void (*wrote)(void*, const char*),
             void* sink) const {
    const assay_dense& view = find(results);
    const bool words = factor_ == "H";
    const int64_t components = words ? view.rows : view.cols, size = words ? view.cols : view.rows;
    const char* const* names = words ? results.col_names : results.row_names;
    const bool named = names && (words ? results.n_col_names : results.n_row_names) == size;
    // Names of several words (runs of them, titles) are told apart.
    const bool spaced = named && std::any_of(names, names + size, [](const char* name) {
                          return std::strchr(name, ' ') != nullptr;
                        });
    std::string lines, table = "component,place,name,weight\n";
    for (int64_t c = 0; c < components; ++c) {
      // A component of signed entries has two ends, and says one thing against another.
      for (const double sign : {1.0, -1.0}) {
        const std::vector<int64_t> order = largest(view, words, c, size, sign);
        if (sign < 0 && order.empty()) continue;
        lines += "component " + std::to_string(c + 1) + (sign < 0 ? " negative:" : ":");
        int64_t place = 0;
        for (const int64_t i : order) {
          const std::string name = named ? names[i] : std::to_string(i + 1);
          char digits[32];
          const char* end =
              std::to_chars(digits, digits + sizeof digits, at(view, words, c, i)).ptr;
          lines.append(spaced && place > 0 ? "; " : " ").append(name);
          table.append(std::to_string(c + 1)).append(",").append(std::to_string(++place));
          table.append(",")
              .append(field(name))
              .append(",")
              .append(digits, static_cast<size_t>(end - digits))
              .append("\n");
        }
        lines += "\n";
      }
    }
    const std::string stem = words ? "top_words" : "top_rows";
    for (const auto& [name, text] : {std::pair(stem + ".txt", lines), {stem + ".csv", table}}) {
      save(folder + "/" + name, text);
      wrote(sink, name.c_str());
    }
  }

 private:
  const assay_dense& find(const assay_results& results) const {
    for (int64_t a = 0; a < results.n_arrays; ++a)
      if (factor_ == results.arrays[a].name) return results.arrays[a].view;
    throw Failure(ASSAY_E_NOT_FOUND, "the model has no array `" + factor_ + "`");
  }
  static double at(const assay_dense& view, bool words, int64_t c, int64_t i) {
    const int64_t place = words ? c * view.row_stride + i * view.col_stride
                                : i * view.row_stride + c * view.col_stride;
    return view.dtype == ASSAY_F32
               ? static_cast<double>(static_cast<const float*>(view.data)[place])
               : static_cast<const double*>(view.data)[place];
  }
  // The largest of sign * entry that are positive, by more than rounding, the first of equal ones
  // first.
  std::vector<int64_t> largest(const assay_dense& view,
                               bool words,
                               int64_t c,
                               int64_t size,
                               double sign) const {
    std::vector<int64_t> order(static_cast<size_t>(size));
    std::iota(order.begin(), order.end(), int64_t{0});
    const auto value = [&](int64_t i) { return sign * at(view, words, c, i); };
    double scale = 0;
    for (int64_t i = 0; i < size; ++i) scale = std::max(scale, std::abs(value(i)));
    const auto kept = order.begin() + std::min(count_, size);
    std::partial_sort(order.begin(), kept, order.end(), [&](int64_t a, int64_t b) {
      const double x = value(a), y = value(b);
      return x != y ? x > y : a < b;
    });
    order.erase(std::find_if(order.begin(), kept,
                             [&](int64_t i) { return !(value(i) > kRounding * scale); }),
                order.end());
    return order;
  }

  std::string factor_;
  int64_t count_;
};

int32_t write(void* self,
              assay_ctx* ctx,
              const assay_results* results,
              const char* folder,
              void (*wrote)(void*, const char*),
              void* sink) {
  return on<TopWords>(self, ctx,
                      [&](const TopWords& w) { w.write(*results, folder, wrote, sink); });
}

constexpr assay_writer kWriter = {sizeof(assay_writer), 0, create_from_options<TopWords>, write,
                                  destroy<TopWords>};
constexpr assay_plugin kPlugin =
    describe("assay.writer/1",
             "top_words",
             "names with the largest entries of each component, as text and as a table",
             nullptr,
             nullptr,
             kOptions,
             &kWriter,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.top_words", "1.0", kPlugin)
