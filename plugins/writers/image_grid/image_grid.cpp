// SPDX-License-Identifier: Apache-2.0
// Writer `image_grid`: the components of a factor as pictures side by side, in one PNG. A component
// of H has one number for each column of X, so `shape` says how many rows and columns of pixels
// those make; of W likewise for the rows of X. White is 0 and black the largest entry; factors with
// negative entries show 0 as grey, black above and white below.
#include <assay/plugin.h>
#include <png.h>

#include <algorithm>
#include <assay/plugin.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using assay::author::Failure;
using assay::author::Options;

const char* const kScales[] = {"component", "factor", nullptr};
constexpr assay_option kOptions[] = {
    {"factor", "which factor, or another array of the result whose rows are pictures",
     ASSAY_OPT_STRING, 0, 0, 0, 0, "H", nullptr},
    {"shape", "rows and columns of pixels of one picture", ASSAY_OPT_LIST, ASSAY_OPT_REQUIRED, 0, 1,
     65535, nullptr, nullptr},
    {"columns", "pictures side by side; 0: about as many as one below the other", ASSAY_OPT_INT, 0,
     0, 0, 65535, nullptr, nullptr},
    {"scale", "black is the largest entry of each component, or of the whole factor",
     ASSAY_OPT_ENUM, 0, 0, 0, 0, "component", kScales},
    {"zoom",
     "pixels of the file for each entry, along both sides; 0: so that the grid is about 800 wide",
     ASSAY_OPT_INT, 0, 0, 0, 64, nullptr, nullptr},
    {}};

constexpr int64_t kGap = 1;        // entries between pictures
constexpr uint8_t kGapGrey = 200;  // and their grey
constexpr int64_t kWidth = 800;    // wanted width in pixels when zoom is 0
constexpr int64_t kMaxPixels = int64_t{1} << 28;

struct ImageGrid {
  const assay_host* host;
  std::string factor;
  int64_t height, width, columns, zoom;
  bool whole;  // one scale for the factor
};

ImageGrid* make(const assay_host* host, const assay_options* given) {
  const Options options(host, given);
  const auto shape = options.list("shape");
  const auto positive = [](double v) { return v >= 1 && v == std::floor(v); };
  if (shape.size() != 2 || !positive(shape[0]) || !positive(shape[1]))
    throw Failure(ASSAY_E_SPEC, "`shape` must be two whole numbers, rows and columns of pixels")
        .help("write `shape: [28, 28]`");
  return new ImageGrid{host,
                       *options.text("factor"),
                       static_cast<int64_t>(shape[0]),
                       static_cast<int64_t>(shape[1]),
                       options.integer("columns"),
                       options.integer("zoom"),
                       *options.text("scale") == "factor"};
}

// Components as lines of `size` numbers.
struct Components {
  int64_t count, size;
  const assay_dense* view;
  bool transposed;  // W: components are columns
  double at(int64_t c, int64_t p) const {
    const int64_t i = transposed ? p : c, j = transposed ? c : p;
    const int64_t place = i * view->row_stride + j * view->col_stride;
    return view->dtype == ASSAY_F32
               ? static_cast<double>(static_cast<const float*>(view->data)[place])
               : static_cast<const double*>(view->data)[place];
  }
  void range(int64_t c, double& low, double& high) const {
    for (int64_t p = 0; p < size; ++p) {
      const double v = at(c, p);
      if (!std::isfinite(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
};

Components find(const ImageGrid& self, const assay_results& results) {
  for (int64_t a = 0; a < results.n_arrays; ++a) {
    const assay_named& array = results.arrays[a];
    if (self.factor != array.name) continue;
    const bool transposed = self.factor == "W";
    Components c{transposed ? array.view.cols : array.view.rows,
                 transposed ? array.view.rows : array.view.cols, &array.view, transposed};
    if (array.view.dtype != ASSAY_F64 && array.view.dtype != ASSAY_F32)
      throw Failure(ASSAY_E_SHAPE, "factor `" + self.factor + "` does not hold numbers");
    if (c.size != self.height * self.width)
      throw Failure(ASSAY_E_SHAPE, "`shape` does not fit factor `" + self.factor +
                                       "`: " + std::to_string(self.height) + " x " +
                                       std::to_string(self.width) + " pixels for " +
                                       std::to_string(c.size) + " entries")
          .help("give two numbers whose product is " + std::to_string(c.size));
    return c;
  }
  throw Failure(ASSAY_E_NOT_FOUND, "the result has no array `" + self.factor + "`")
      .help("`H`, `W`, or an array of `model.npz` that the solver names on its card");
}

// 255 is white; 0 lies at white where nothing is negative, in the middle otherwise.
uint8_t grey(double value, double low, double high) {
  if (!std::isfinite(value)) return kGapGrey;
  const double reach = std::max(high, -low);
  if (!(reach > 0)) return 255;
  const double ink = low < 0 ? 0.5 + 0.5 * value / reach : value / reach;
  return static_cast<uint8_t>(std::lround(255 * (1 - std::clamp(ink, 0.0, 1.0))));
}

struct Picture {
  int64_t width, height;
  std::vector<uint8_t> pixels;
};

Picture draw(const ImageGrid& self, const Components& parts) {
  const auto square = static_cast<int64_t>(std::ceil(
      std::sqrt(static_cast<double>(parts.count * self.height) / static_cast<double>(self.width))));
  const int64_t across = std::clamp<int64_t>(self.columns ? self.columns : square, 1, parts.count),
                down = (parts.count + across - 1) / across;
  const int64_t wide = across * (self.width + kGap) + kGap,
                high = down * (self.height + kGap) + kGap;
  const int64_t zoom = self.zoom ? self.zoom : std::clamp<int64_t>(kWidth / wide, 1, 16);
  if (wide * zoom * high * zoom > kMaxPixels)
    throw Failure(ASSAY_E_SHAPE, "the picture would have more than 2^28 pixels")
        .help("set `zoom: 1`, or `columns`");
  Picture out{wide * zoom, high * zoom,
              std::vector<uint8_t>(static_cast<size_t>(wide * zoom * high * zoom), kGapGrey)};
  double low = 0, top = 0;
  for (int64_t c = 0; self.whole && c < parts.count; ++c) parts.range(c, low, top);
  for (int64_t c = 0; c < parts.count; ++c) {
    if (!self.whole) parts.range(c, low = 0, top = 0);
    const int64_t x0 = c % across * (self.width + kGap) + kGap,
                  y0 = c / across * (self.height + kGap) + kGap;
    for (int64_t p = 0; p < parts.size; ++p) {
      const uint8_t shade = grey(parts.at(c, p), low, top);
      const int64_t x = (x0 + p % self.width) * zoom, y = (y0 + p / self.width) * zoom;
      for (int64_t row = y; row < y + zoom; ++row)
        std::fill_n(out.pixels.begin() + row * out.width + x, zoom, shade);
    }
  }
  return out;
}

void save(const Picture& picture, const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_GRAY;
  if (png_image_write_to_file(&image, path.c_str(), 0, picture.pixels.data(),
                              static_cast<png_int_32>(picture.width), nullptr))
    return;
  const std::string why = image.message;
  png_image_free(&image);
  throw Failure(ASSAY_E_IO, "file `" + path + "` cannot be written: " + why);
}

// Runs body() behind the wall.
template <class Body>
int32_t walled(const assay_host* host, assay_ctx* ctx, Body&& body) {
  try {
    body();
    return ASSAY_OK;
  } catch (const Failure& failure) {
    host->set_error(ctx, failure.status(), failure.what());
    if (!failure.help().empty()) host->add_detail(ctx, ASSAY_DETAIL_HELP, failure.help().c_str());
    return failure.status();
  } catch (const std::bad_alloc&) {
    return ASSAY_E_MEMORY;
  } catch (const std::exception& e) {
    return host->set_error(ctx, ASSAY_E_PLUGIN, e.what());
  }
}

int32_t create(const assay_host* host, assay_ctx* ctx, const assay_options* options, void** self) {
  return walled(host, ctx, [&] { *self = make(host, options); });
}

int32_t write(void* self,
              assay_ctx* ctx,
              const assay_results* results,
              const char* folder,
              void (*wrote)(void*, const char*),
              void* sink) {
  const ImageGrid& grid = *static_cast<ImageGrid*>(self);
  return walled(grid.host, ctx, [&] {
    const std::string name = grid.factor + ".png";
    save(draw(grid, find(grid, *results)), std::string(folder) + "/" + name);
    wrote(sink, name.c_str());
  });
}

void destroy(void* self) { delete static_cast<ImageGrid*>(self); }

constexpr assay_writer kWriter = {sizeof(assay_writer), 0, create, write, destroy};
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.writer/1",
                                  "image_grid",
                                  "components of a factor as a grid of pictures (PNG)",
                                  nullptr,
                                  nullptr,
                                  kOptions,
                                  &kWriter,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.image_grid", "1.0", kPlugin)
