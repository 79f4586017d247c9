// SPDX-License-Identifier: Apache-2.0
// Reader `idx`: the arrays of MNIST and its kin (LeCun, Cortes and Burges 1998). A head of two zero
// bytes, the element type, the number of axes and their sizes as big-endian 32-bit numbers; then
// the elements. The first axis gives the rows, all others together the columns. Bytes stay bytes; a
// file that is not gzipped is mapped.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/gzip.hpp>
#include <bit>
#include <memory>
#include <string>
#include <vector>

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using assay::reading::GzipFile;
using assay::reading::MappedFile;

constexpr assay_option kOptions[] = {
    {"labels", "idx file of one label for each row", ASSAY_OPT_PATH, 0, 0, 0, 0, nullptr, nullptr},
    {}};

constexpr int64_t kBlockBytes = int64_t{1} << 20;

uint32_t big_endian(const unsigned char* b) {
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | uint32_t{b[3]};
}

struct Head {
  unsigned char type = 0;
  int64_t bytes = 0;  // of the head itself
  int64_t size = 0;   // of an element
  std::vector<int64_t> axes;
  int64_t cols() const {
    int64_t n = 1;
    for (size_t a = 1; a < axes.size(); ++a) n *= axes[a];
    return n;
  }
};

int64_t element_size(unsigned char type) {
  switch (type) {
    case 0x08:
    case 0x09:
      return 1;
    case 0x0B:
      return 2;
    case 0x0C:
    case 0x0D:
      return 4;
    case 0x0E:
      return 8;
    default:
      return 0;
  }
}

[[noreturn]] void too_short(const std::string& found, const std::string& expected) {
  throw Fault{ASSAY_E_TRUNCATED, "the file ends too early", "", found,
              expected,          "get the file once more"};
}

Head read_head(GzipFile& file) {
  unsigned char start[4];
  if (file.read(start, 4) < 4) too_short("fewer than 4 bytes", "the head of an idx file");
  Head head;
  head.type = start[2];
  head.size = element_size(start[2]);
  if (start[0] != 0 || start[1] != 0 || head.size == 0 || start[3] == 0)
    throw Fault{ASSAY_E_FORMAT,
                "this is not an idx file",
                "",
                "",
                "two zero bytes, a type and the number of axes",
                "check the path, or name another reader with `use`"};
  int64_t elements = 1;
  for (int a = 0; a < start[3]; ++a) {
    unsigned char size[4];
    if (file.read(size, 4) < 4)
      too_short("a head without all its axes", std::to_string(start[3]) + " axes");
    head.axes.push_back(big_endian(size));
    const int64_t axis = std::max<int64_t>(head.axes.back(), 1);
    if (axis > (int64_t{1} << 40) / elements)
      throw Fault{ASSAY_E_FORMAT,
                  "the head of the file declares more than 2^40 elements",
                  "",
                  "",
                  "",
                  "check that this is an idx file"};
    elements *= axis;
  }
  head.bytes = 4 + 4 * int64_t{start[3]};
  return head;
}

// Elements as the host keeps them; float64 and float32 keep their width, other types than bytes
// become float64.
int32_t kept_dtype(unsigned char type) {
  return type == 0x08 ? ASSAY_U8 : type == 0x0D ? ASSAY_F32 : ASSAY_F64;
}

double widened(unsigned char type, const unsigned char* b) {
  if (type == 0x09) return static_cast<signed char>(b[0]);
  if (type == 0x0B) return static_cast<int16_t>(static_cast<uint16_t>(b[0] << 8 | b[1]));
  if (type == 0x0C) return static_cast<int32_t>(big_endian(b));
  return std::bit_cast<double>(uint64_t{big_endian(b)} << 32 | big_endian(b + 4));
}

class Idx {
 public:
  Idx(const Call& call, const char* path, const assay_options* options)
      : file_(std::make_unique<GzipFile>(path)), head_(read_head(*file_)) {
    const int64_t expected = head_.bytes + rows() * cols() * head_.size;
    // Gzip packs at most about 1000 to 1: what is declared beyond that cannot be there, and gets no
    // memory.
    const int64_t most = file_->size() * (file_->packed() ? 1100 : 1);
    if (most < expected)
      too_short(std::to_string(file_->size()) + " bytes",
                std::to_string(expected) + " bytes of data, as its head declares");
    if (!file_->packed()) mapped_ = std::make_unique<MappedFile>(path);
    if (const char* labels = call.host->option_text(options, "labels")) read_labels(labels);
  }

  assay_shape shape() const {
    return assay::reading::shape_of(rows(), cols(), -1, kept_dtype(head_.type),
                                    labels_.empty() ? 0u : uint32_t{ASSAY_SHAPE_LABELS});
  }
  bool map(assay_dense* out) const {
    if (!mapped_ || head_.type != 0x08 || rows() * cols() == 0) return false;
    *out = assay::reading::block_of(mapped_->bytes() + head_.bytes, ASSAY_U8, rows(), cols());
    return true;
  }
  void read(int64_t row0, int64_t count, const assay_sink& sink) {
    file_->rewind();
    skip(head_.bytes + row0 * cols() * head_.size);
    const int64_t row_bytes = std::max<int64_t>(1, cols() * head_.size);
    const int64_t block =
        std::clamp<int64_t>(kBlockBytes / row_bytes, 1, std::max<int64_t>(count, 1));
    std::vector<unsigned char> raw(static_cast<size_t>(block * row_bytes));
    std::vector<double> wide;
    std::vector<float> narrow;
    for (int64_t done = 0; done < count;) {
      const int64_t n = std::min(block, count - done), bytes = n * cols() * head_.size;
      if (file_->read(raw.data(), bytes) < bytes)
        too_short("data for fewer rows", std::to_string(rows()) + " rows of " +
                                             std::to_string(cols()) + ", as the head declares");
      const auto elements = static_cast<size_t>(n * cols());
      const void* block_data = raw.data();
      if (head_.type == 0x0D) {
        narrow.resize(elements);
        for (size_t e = 0; e < elements; ++e)
          narrow[e] = std::bit_cast<float>(big_endian(raw.data() + e * 4));
        block_data = narrow.data();
      } else if (head_.type != 0x08) {
        wide.resize(elements);
        for (size_t e = 0; e < elements; ++e)
          wide[e] = widened(head_.type, raw.data() + e * static_cast<size_t>(head_.size));
        block_data = wide.data();
      }
      assay::reading::push_dense(
          sink, row0 + done,
          assay::reading::block_of(block_data, kept_dtype(head_.type), n, cols()));
      done += n;
    }
    unsigned char beyond = 0;
    if (row0 + count == rows())
      file_->read(&beyond, 1);  // the end of a gzipped file is checked here
  }
  const char* name(int32_t axis, int64_t index) const {
    const bool known =
        axis == ASSAY_ONE && index >= 0 && index < static_cast<int64_t>(labels_.size());
    return known ? labels_[static_cast<size_t>(index)].c_str() : nullptr;
  }

 private:
  int64_t rows() const { return head_.axes[0]; }
  int64_t cols() const { return head_.cols(); }

  void skip(int64_t bytes) {
    std::vector<unsigned char> dust(static_cast<size_t>(std::min<int64_t>(bytes, kBlockBytes)));
    while (bytes > 0) {
      const int64_t n = std::min<int64_t>(bytes, static_cast<int64_t>(dust.size()));
      if (file_->read(dust.data(), n) < n)
        too_short("data for fewer rows", "the rows the head declares");
      bytes -= n;
    }
  }
  void read_labels(const char* path) {
    GzipFile file(path);
    const Head head = read_head(file);
    if (head.axes.size() != 1 || head.axes[0] != rows() || head.type != 0x08)
      throw Fault{ASSAY_E_SHAPE,
                  "the labels do not fit the rows",
                  "",
                  std::to_string(head.axes[0]) + " labels",
                  std::to_string(rows()) + " labels of one byte",
                  ""};
    unsigned char label = 0;
    for (int64_t i = 0; i < rows(); ++i) {
      if (file.read(&label, 1) < 1)
        too_short(std::to_string(i) + " labels", std::to_string(rows()) + " labels");
      labels_.push_back(std::to_string(label));
    }
  }

  std::unique_ptr<GzipFile> file_;
  Head head_;
  std::unique_ptr<MappedFile> mapped_;
  std::vector<std::string> labels_;
};

int32_t probe(const uint8_t* b, int64_t n) {
  return n >= 4 && b[0] == 0 && b[1] == 0 && element_size(b[2]) > 0 && b[3] > 0 && b[3] < 8 ? 80
                                                                                            : 0;
}

constexpr assay_reader kReader = assay::reading::table<Idx>(".idx .idx.gz -ubyte -ubyte.gz", probe);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "idx",
                                  "arrays of MNIST and its kin; bytes stay bytes",
                                  "LeCun, Cortes and Burges 1998",
                                  nullptr,
                                  kOptions,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.idx", "1.0", kPlugin)
