// SPDX-License-Identifier: Apache-2.0
// Writer `match`: which component is which known one. References are rows of a file for H (pure
// spectra) and columns of one for W (known concentrations). Each component is given to at most one
// reference so that the sum of the correlations is largest.
#include <assay/assignment.hpp>
#include <assay/plugin.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace assay::author;

const char* const kFactors[] = {"H", "W", nullptr};
constexpr assay_option kOptions[] = {
    path_option("path",
                "the known ones: rows for H, columns for W; .csv, .npy or .npz",
                ASSAY_OPT_REQUIRED),
    {"factor", "which factor's components", ASSAY_OPT_ENUM, 0, 0, 0, 0, "H", kFactors},
    text_option("names", "names of the known ones, separated by commas", nullptr),
    kNoMoreOptions};

using Lines = std::vector<std::vector<double>>;  // one reference or component each

double cosine(const std::vector<double>& a, const std::vector<double>& b, double a0, double b0) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - a0) * (b[i] - b0);
    aa += (a[i] - a0) * (a[i] - a0);
    bb += (b[i] - b0) * (b[i] - b0);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa) / std::sqrt(bb) : 0;
}

double mean(const std::vector<double>& a) {
  double sum = 0;
  for (const double v : a) sum += v;
  return sum / static_cast<double>(a.size());
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  return cosine(a, b, mean(a), mean(b));
}

class Match {
 public:
  Match(Call call, Options options)
      : files_(call.service<assay_files>("assay.files/1")),

        path_(*options.text("path")),
        factor_(*options.text("factor")) {
    const std::string list = options.text("names").value_or("");
    for (size_t from = 0; from < list.size();) {
      const size_t comma = std::min(list.find(',', from), list.size());
      const size_t first = list.find_first_not_of(' ', from);
      if (first < comma) names_.push_back(list.substr(first, comma - first));
      from = comma + 1;
    }
  }

  void write(assay_ctx* ctx,
             const assay_results& results,
             const std::string& folder,
             void (*wrote)(void*, const char*),
             void* sink) const {
    const Lines known = references(ctx), found = components(results);
    if (known.front().size() != found.front().size())
      throw Failure(ASSAY_E_SHAPE, "the known ones in `" + path_ + "` have " +
                                       std::to_string(known.front().size()) +
                                       " entries, the components of " + factor_ + " " +
                                       std::to_string(found.front().size()))
          .help("references are rows of the file for H, columns for W");
    const std::string name = "match_" + factor_ + ".csv";
    save(folder + "/" + name, table(known, found));
    wrote(sink, name.c_str());
  }

 private:
  Lines references(assay_ctx* ctx) const {
    int64_t rows = 0, cols = 0;
    Call::check(files_->shape(ctx, path_.c_str(), nullptr, &rows, &cols));
    if (rows < 1 || cols < 1) throw Failure(ASSAY_E_EMPTY, "`" + path_ + "` is empty");
    std::vector<double> all(static_cast<size_t>(rows * cols));
    Call::check(files_->load(ctx, path_.c_str(), nullptr, rows, cols, all.data()));
    const bool by_rows = factor_ == "H";
    Lines out(static_cast<size_t>(by_rows ? rows : cols));
    for (size_t e = 0; e < all.size(); ++e) {
      const auto width = static_cast<size_t>(cols);
      out[by_rows ? e / width : e % width].push_back(all[e]);
    }
    if (!names_.empty() && names_.size() != out.size())
      throw Failure(ASSAY_E_SHAPE, "`names` has " + std::to_string(names_.size()) +
                                       " names for the " + std::to_string(out.size()) +
                                       " known ones of `" + path_ + "`");
    return out;
  }

  Lines components(const assay_results& results) const {
    for (int64_t a = 0; a < results.n_arrays; ++a) {
      if (factor_ != results.arrays[a].name) continue;
      const assay_dense& v = results.arrays[a].view;
      const bool by_rows = factor_ == "H";
      Lines out(static_cast<size_t>(by_rows ? v.rows : v.cols));
      for (int64_t i = 0; i < v.rows; ++i)
        for (int64_t j = 0; j < v.cols; ++j) {
          const int64_t at = i * v.row_stride + j * v.col_stride;
          out[static_cast<size_t>(by_rows ? i : j)].push_back(
              v.dtype == ASSAY_F32 ? static_cast<double>(static_cast<const float*>(v.data)[at])
                                   : static_cast<const double*>(v.data)[at]);
        }
      return out;
    }
    throw Failure(ASSAY_E_NOT_FOUND, "the model has no array `" + factor_ + "`");
  }

  std::string table(const Lines& known, const Lines& found) const {
    const bool more_known = known.size() > found.size();
    const Lines& rows = more_known ? found : known;
    const Lines& cols = more_known ? known : found;
    std::vector<double> cost;
    for (const auto& row : rows)
      for (const auto& other : cols) cost.push_back(-correlation(row, other));
    const std::vector<size_t> column = cheapest_assignment(rows.size(), cols.size(), cost);
    std::string text = "reference,component,correlation,cosine\n";
    for (size_t r = 0; r < known.size(); ++r) {
      text += names_.empty() ? std::to_string(r + 1) : names_[r];
      for (size_t i = 0; i < rows.size(); ++i) {
        const size_t c = more_known ? i : column[i];
        if ((more_known ? column[i] : i) != r) continue;
        text.append(",").append(std::to_string(c + 1)).append(",");
        text.append(digits(correlation(known[r], found[c]))).append(",");
        text.append(digits(cosine(known[r], found[c], 0, 0))).append("\n");
      }
      if (text.back() != '\n') text += ",,,\n";
    }
    return text;
  }

  static std::string digits(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }

  static void save(const std::string& path, const std::string& text) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                               &std::fclose);
    if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
        std::fflush(file.get()) != 0)
      throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written");
  }

  const assay_files* files_;
  std::string path_, factor_;
  std::vector<std::string> names_;
};

int32_t write(void* self,
              assay_ctx* ctx,
              const assay_results* results,
              const char* folder,
              void (*wrote)(void*, const char*),
              void* sink) {
  return on<Match>(self, ctx, [&](const Match& m) { m.write(ctx, *results, folder, wrote, sink); });
}

constexpr assay_writer kWriter = {sizeof(assay_writer), 0, create_from_options<Match>, write,
                                  destroy<Match>};
constexpr assay_plugin kPlugin =
    describe("assay.writer/1",
             "match",
             "components matched to known ones, with correlations",
             "Kuhn 1955 (the assignment)",
             "the one-to-one map from references to components with the largest sum of\n"
             "correlations",
             kOptions,
             &kWriter,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.match", "1.0", kPlugin)
