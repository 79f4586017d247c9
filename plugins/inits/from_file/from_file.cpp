// SPDX-License-Identifier: Apache-2.0
// Start from factors in a file: W (n x k) and H (k x d, as results show it) by name, out of a .npz;
// with three factors S (k1 x k2) too, of a model that makes W from the rows H alone.
#include <assay/plugin.hpp>
#include <cmath>
#include <vector>

namespace {

using namespace assay::author;

class FromFile {
 public:
  FromFile(Call call, const assay_problem& p) {
    const Options options(call.host, p.options);
    const std::string path = options.text("path").value();
    const char* const keys[3] = {"W", "H", "S"};
    for (int32_t side = 0; side < p.n_factors; ++side) {
      if (p.factor_flags[side] & ASSAY_FACTOR_FROZEN) continue;
      if (side == 0 && (p.flags & ASSAY_PROBLEM_MAKES_W)) continue;  // made from the rows
      const std::string name = options.text(keys[side]).value_or(keys[side]);
      rows_[side] = side == 0 ? p.n : side == 1 ? p.k[1] : p.k[0];
      cols_[side] = side == 0 ? p.k[0] : side == 1 ? p.d : p.k[1];
      values_[side] = load(call, path, name, rows_[side], cols_[side]);
      check(path, name, values_[side], p.factor_flags[side] & ASSAY_FACTOR_NONNEG);
    }
  }

  void build(const Builder& b, int32_t purpose) const {
    if (purpose != ASSAY_INIT) return;
    if (!values_[0].empty())
      b.each<&FromFile::fill_w>("load_w", ASSAY_ROWS, {{b.factor(0), ASSAY_OUT}});
    if (!values_[1].empty())
      b.each<&FromFile::fill_h>("load_h", ASSAY_COLS, {{b.factor(1), ASSAY_OUT}});
    if (!values_[2].empty())
      b.each<&FromFile::fill_s>("load_s", ASSAY_ONE, {{b.factor(2), ASSAY_OUT}});
  }

 private:
  static std::vector<double> load(const Call& call,
                                  const std::string& path,
                                  const std::string& name,
                                  int64_t rows,
                                  int64_t cols) {
    const auto* files = call.service<assay_files>("assay.files/1");
    int64_t r = 0, c = 0;
    Call::check(files->shape(call.ctx, path.c_str(), name.c_str(), &r, &c));
    const auto shape = [](int64_t a, int64_t b) {
      return std::to_string(a) + " x " + std::to_string(b);
    };
    if (r != rows || c != cols)
      throw Failure(ASSAY_E_SHAPE, "array `" + name + "` of `" + path + "` is " + shape(r, c) +
                                       ", but the model needs " + shape(rows, cols))
          .help(r == cols && c == rows
                    ? "store its transpose: W is n x k, H is k x d, S is k1 x k2"
                    : "set `model.rank` to the rank of the file, or use factors of these data");
    std::vector<double> values(static_cast<size_t>(rows * cols));
    Call::check(files->load(call.ctx, path.c_str(), name.c_str(), rows, cols, values.data()));
    return values;
  }

  static void check(const std::string& path,
                    const std::string& name,
                    const std::vector<double>& values,
                    bool nonneg) {
    for (const double v : values) {
      if (!std::isfinite(v))
        throw Failure(ASSAY_E_NON_FINITE,
                      "array `" + name + "` of `" + path + "` has an entry that is not finite")
            .help("a start must be finite everywhere");
      if (nonneg && v < 0)
        throw Failure(ASSAY_E_DOMAIN, "array `" + name + "` of `" + path +
                                          "` has negative entries, but the factor is >= 0")
            .help("use a start without negative entries, or leave the constraint out");
    }
  }

  void fill_w(const Block& b) const {
    const Matrix F = b.matrix(0);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < F.cols(); ++a) F(i, a) = at(0, b.first() + i, a);
  }
  void fill_h(const Block& b) const {
    const Matrix F = b.matrix(0);
    for (int64_t j = 0; j < F.rows(); ++j)
      for (int64_t a = 0; a < F.cols(); ++a) F(j, a) = at(1, a, b.first() + j);
  }
  void fill_s(const Block& b) const {
    const Matrix F = b.matrix(0);
    for (int64_t i = 0; i < F.rows(); ++i)
      for (int64_t a = 0; a < F.cols(); ++a) F(i, a) = at(2, i, a);
  }
  double at(int32_t side, int64_t i, int64_t j) const {
    return values_[side][static_cast<size_t>(i * cols_[side] + j)];
  }

  std::vector<double> values_[3];
  int64_t rows_[3] = {0, 0, 0}, cols_[3] = {0, 0, 0};
};

constexpr assay_option options[] = {
    path_option("path", "file that holds the factors, .npz", ASSAY_OPT_REQUIRED),
    text_option("W", "name of the array that holds W, n x k", "W"),
    text_option("H", "name of the array that holds H, k x d", "H"),
    text_option("S", "name of the array that holds S, k1 x k2, of three factors", "S"),
    kNoMoreOptions};
constexpr assay_init vtable = init_table<FromFile>();
constexpr assay_plugin plugin =
    describe("assay.init/1",
             "from_file",
             "factors read from a file, for instance an earlier model.npz",
             nullptr,
             nullptr,
             options,
             &vtable,
             ASSAY_PLUGIN_DETERMINISTIC);

}  // namespace

ASSAY_MODULE("org.assay.from_file", "1.0", plugin)
