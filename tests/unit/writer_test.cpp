// SPDX-License-Identifier: Apache-2.0
// Writers: files that say what the model says.
#include <png.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/plugin/options.hpp"
#include "tests/unit/reader_files.hpp"

using namespace assay;
using namespace assay::samples;

namespace {

const double kH[] = {0, 1, 2, 4, 0.1, 0, 0, 0.05};  // 2 components of 2 x 2 pixels
const float kW[] = {1, 0.1f, -3, 1e10f};

struct Results {
  const char* rows[2] = {"first", "a \"b\", c"};
  const char* cols[4] = {"p0", "p1", "p2", "p3"};
  assay_named arrays[2] = {{"W", {const_cast<float*>(kW), ASSAY_F32, 0, 2, 2, 2, 1, 0, 0}},
                           {"H", {const_cast<double*>(kH), ASSAY_F64, 0, 2, 4, 4, 1, 0, 0}}};
  assay_results results{sizeof(assay_results),
                        0,
                        "factorization",
                        2,
                        arrays,
                        2,
                        4,
                        rows,
                        cols,
                        0,
                        0,
                        nullptr,
                        nullptr,
                        nullptr,
                        nullptr};
};

Expected<std::vector<std::string>> write(const std::string& id,
                                         const std::string& folder,
                                         const plugin::Options& given,
                                         const assay_results* other = nullptr) {
  const plugin::Descriptor* d = registry().find("writer", id);
  REQUIRE(d != nullptr);
  const auto* table = static_cast<const assay_writer*>(d->plugin->vtable);
  auto options = plugin::Options::complete(d->plugin->options, given, id);
  if (!options) return std::move(options.error());
  Results r;
  assay_ctx ctx;
  void* self = nullptr;
  std::vector<std::string> files;
  int32_t status = table->create(plugin::host(), &ctx, options->handle(), &self);
  if (status < 0) return ctx.take_error(status, id);
  status = table->write(
      self, &ctx, other ? other : &r.results, folder.c_str(),
      [](void* sink, const char* file) {
        static_cast<std::vector<std::string>*>(sink)->push_back(file);
      },
      &files);
  if (table->destroy) table->destroy(self);
  if (status < 0) return ctx.take_error(status, id);
  return files;
}

plugin::Options shape(std::vector<double> numbers) {
  plugin::Options options;
  plugin::OptionValue& value = options.values["shape"];
  value.type = ASSAY_OPT_LIST;
  value.list = std::move(numbers);
  value.given = true;
  return options;
}

void add_text(plugin::Options& options, const std::string& name, std::string text) {
  plugin::OptionValue& value = options.values[name];
  value.type = ASSAY_OPT_STRING;
  value.text = std::move(text);
  value.has_text = value.given = true;
}

struct Png {
  int64_t width = 0, height = 0;
  std::vector<unsigned char> pixels;
};

Png read_png(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()));
  image.format = PNG_FORMAT_GRAY;
  Png out{image.width, image.height, std::vector<unsigned char>(image.width * image.height)};
  REQUIRE(png_image_finish_read(&image, nullptr, out.pixels.data(), 0, nullptr));
  return out;
}

std::string text_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("image_grid draws each component as a picture") {
  const Folder folder;
  plugin::Options options = shape({2, 2});
  add_number(options, "columns", 2);
  add_number(options, "zoom", 1);
  const auto files = write("image_grid", folder.path("."), options);
  REQUIRE(files.ok());
  CHECK(*files == std::vector<std::string>{"H.png"});
  const Png png = read_png(folder.path("H.png"));
  CHECK(png.width == 7);
  CHECK(png.height == 4);
  const auto at = [&](int64_t x, int64_t y) {
    return static_cast<int>(png.pixels[static_cast<size_t>(y * 7 + x)]);
  };
  CHECK(at(1, 1) == 255);  // 0 is white
  CHECK(at(2, 2) == 0);    // the largest is black
  CHECK(at(1, 2) == 128);  // half of it
  CHECK(at(4, 1) == 0);    // each component has a scale of its own
  CHECK(at(0, 0) == at(3, 1));
  const std::string first = text_of(folder.path("H.png"));
  REQUIRE(write("image_grid", folder.path("."), options).ok());
  CHECK(text_of(folder.path("H.png")) == first);
}

TEST_CASE("image_grid refuses shapes that do not fit") {
  const Folder folder;
  auto wrong = write("image_grid", folder.path("."), shape({3, 3}));
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().status == ASSAY_E_SHAPE);
  CHECK(wrong.error().help[0] == "give two numbers whose product is 4");
  CHECK(!write("image_grid", folder.path("."), shape({4})).ok());
  CHECK(!write("image_grid", folder.path("."), shape({1.5, 2})).ok());
  CHECK(!write("image_grid", folder.path("."), {}).ok());
  auto no_folder = write("image_grid", folder.path("none"), shape({2, 2}));
  REQUIRE(!no_folder.ok());
  CHECK(no_folder.error().status == ASSAY_E_IO);
}

TEST_CASE("csv writes every array with its names") {
  const Folder folder;
  const auto files = write("csv", folder.path("."), {});
  REQUIRE(files.ok());
  CHECK(*files == std::vector<std::string>{"W.csv", "H.csv"});
  CHECK(text_of(folder.path("H.csv")) == "p0,p1,p2,p3\n0,1,2,4\n0.1,0,0,0.05\n");
  CHECK(text_of(folder.path("W.csv")) ==
        "name,component1,component2\nfirst,1,0.1\n\"a \"\"b\"\", c\",-3,1e+10\n");
  CHECK(!write("csv", folder.path("none"), {}).ok());
}

TEST_CASE("top_words names the largest entries of each component, at both ends of signed ones") {
  const Folder folder;
  plugin::Options options;
  add_number(options, "count", 3);
  const auto files = write("top_words", folder.path("."), options);
  REQUIRE(files.ok());
  CHECK(*files == std::vector<std::string>{"top_words.txt", "top_words.csv"});
  CHECK(text_of(folder.path("top_words.txt")) == "component 1: p3 p2 p1\ncomponent 2: p0 p3\n");
  CHECK(text_of(folder.path("top_words.csv")) ==
        "component,place,name,weight\n1,1,p3,4\n1,2,p2,2\n1,3,p1,1\n2,1,p0,0.1\n2,2,p3,0.05\n");
  add_text(options, "factor", "W");
  REQUIRE(write("top_words", folder.path("."), options).ok());
  CHECK(text_of(folder.path("top_rows.txt")) ==
        "component 1: first\ncomponent 1 negative: a \"b\", c\ncomponent 2: a \"b\", c; first\n");
  CHECK(text_of(folder.path("top_rows.csv")).find("\n1,1,\"a \"\"b\"\", c\",-3\n") !=
        std::string::npos);
  CHECK(!write("top_words", folder.path("none"), {}).ok());
}

TEST_CASE("match gives each known one the component that correlates, one to one") {
  const Folder folder;
  plugin::Options options;
  // The second and third are both nearest to component 2; the sum decides.
  std::ofstream(folder.path("known.csv")) << "a,b,c,d\n0,2,4,8\n0.2,0,0,0.2\n1,0,0.1,0.4\n";
  add_text(options, "path", folder.path("known.csv"));
  add_text(options, "names", "salt, pepper,sugar");
  const auto files = write("match", folder.path("."), options);
  REQUIRE_MESSAGE(files.ok(), files.error().message);
  CHECK(*files == std::vector<std::string>{"match_H.csv"});
  const std::string text = text_of(folder.path("match_H.csv"));
  CHECK(text.rfind("reference,component,correlation,cosine\nsalt,1,1,1\n", 0) == 0);
  CHECK(text.find("\npepper,,,\n") != std::string::npos);
  CHECK(text.find("\nsugar,2,0.9") != std::string::npos);
  add_text(options, "factor", "W");
  auto wrong = write("match", folder.path("."), options);
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().status == ASSAY_E_SHAPE);
  add_text(options, "path", folder.path("none.csv"));
  CHECK(!write("match", folder.path("."), options).ok());
}

TEST_CASE("scatter draws rows in the colours of their components, with crosses and ellipses") {
  // Four rows of three columns; two components whose covariances differ.
  static const double x[3][4] = {{0, 0, 10, 10}, {1, 3, 1, 3}, {7, 7, 7, std::nan("")}};
  double h[] = {0, 2, 7, 10, 2, 7};
  double covariances[] = {1, 0, 0, 0, 4, 0, 0, 0, 1, 2, 1, 0, 1, 2, 0, 0, 0, 1};
  const assay_named arrays[] = {{"H", {h, ASSAY_F64, 0, 2, 3, 3, 1, 0, 0}},
                                {"covariances", {covariances, ASSAY_F64, 0, 6, 3, 3, 1, 0, 0}}};
  const char* columns[] = {"a", "b<", "c"};
  const char* labels[] = {"p", "q", "p", "q"};
  assay_results results{};
  results.struct_size = sizeof results;
  results.n_arrays = 2;
  results.arrays = arrays;
  results.n_col_names = 3;
  results.col_names = columns;
  results.n_rows = 4;
  results.n_cols = 3;
  results.labels = labels;
  results.data = &results;
  results.column = [](void*, int64_t j, double* out) -> int32_t {
    std::copy_n(x[j], 4, out);
    return ASSAY_OK;
  };
  results.components = [](void*, int32_t* out) -> int32_t {
    for (int32_t i = 0; i < 4; ++i) out[i] = i / 2;
    return ASSAY_OK;
  };
  const auto count = [](const std::string& text, const std::string& what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
  };
  const Folder folder;
  plugin::Options options;
  add_text(options, "y", "b<");
  const auto files = write("scatter", folder.path("."), options, &results);
  REQUIRE_MESSAGE(files.ok(), files.error().message);
  CHECK(*files == std::vector<std::string>{"scatter.svg"});
  const std::string text = text_of(folder.path("scatter.svg"));
  CHECK(count(text, "<circle ") == 4);
  CHECK(count(text, "fill=\"#4477aa\"") == 2);
  CHECK(count(text, "Z\"/>") == 4);  // one and two standard deviations of each
  CHECK(count(text, ">b&lt;</text>") == 1);
  CHECK(text.rfind("<svg ", 0) == 0);
  add_text(options, "x", "3");
  add_text(options, "colour", "label");
  REQUIRE(write("scatter", folder.path("."), options, &results).ok());
  CHECK(count(text_of(folder.path("scatter.svg")), "<circle ") == 3);  // not the hidden one
  add_text(options, "x", "d");
  const auto wrong = write("scatter", folder.path("."), options, &results);
  REQUIRE(!wrong.ok());
  CHECK(wrong.error().message.find("no column `d`") != std::string::npos);
  CHECK(!write("scatter", folder.path("."), {}).ok());
}
