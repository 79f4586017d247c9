// SPDX-License-Identifier: Apache-2.0
// Reader `npy`: NumPy arrays, .npy and .npz, mapped where they lie as the host keeps them; and
// SciPy's sparse .npz files. One axis becomes one column; more than two are refused.
#include <assay/plugin.h>

#include <algorithm>
#include <assay/reader.hpp>
#include <memory>
#include <string>
#include <vector>

#include "archive.hpp"
#include "array.hpp"

namespace {

using assay::reading::Call;
using assay::reading::Fault;
using assay::reading::MappedFile;
using npy::Archive;
using npy::Array;

constexpr assay_option kOptions[] = {
    {"member", "array of a .npz file; may be left out when there is one", ASSAY_OPT_STRING, 0, 0, 0,
     0, nullptr, nullptr},
    {}};

constexpr int64_t kBlockEntries = int64_t{1} << 17;

// One array and the memory it lies in when that is not the file.
struct Held {
  Archive::Bytes bytes;
  Array array;
};

// The numbers first .. first + count - 1 of an array, widened.
std::vector<double> numbers(const Array& a, int64_t first, int64_t count) {
  std::vector<double> out(static_cast<size_t>(count));
  for (int64_t e = 0; e < count; ++e) out[static_cast<size_t>(e)] = npy::number(a, first + e);
  return out;
}

class Npy {
 public:
  Npy(const Call& call, const char* path, const assay_options* options) : file_(path) {
    const char* member = call.host->option_text(options, "member");
    if (file_.size() == 0) throw Fault{ASSAY_E_EMPTY, "the file is empty", "", "0 bytes", "", ""};
    if (file_.size() >= 2 && std::memcmp(file_.bytes(), "PK", 2) == 0) {
      open_archive(member);
    } else {
      if (member)
        throw Fault{ASSAY_E_FORMAT,
                    "`member` names an array of a .npz file, but this is a .npy file",
                    "",
                    "",
                    "",
                    "leave `member` out"};
      x_.array = npy::read_array(file_.bytes(), file_.size());
    }
    if (!sparse_ && (x_.array.axes.empty() || x_.array.kind == 'S' || x_.array.kind == 'U'))
      throw Fault{ASSAY_E_FORMAT,
                  x_.array.axes.empty() ? "the array is a single number" : "the array holds text",
                  "",
                  "",
                  "an array of numbers with at least one axis",
                  ""};
  }

  assay_shape shape() const {
    if (sparse_) return assay::reading::shape_of(rows_, cols_, x_.array.count(), kept(x_.array));
    return assay::reading::shape_of(x_.array.rows(), x_.array.cols(), -1, kept(x_.array));
  }
  bool map(assay_dense* out) const {
    const Array& a = x_.array;
    if (sparse_ || a.native() == 0 || !a.aligned() || a.count() == 0 ||
        (a.fortran && a.axes.size() > 2))
      return false;
    *out = view(a.data, a.native(), 0, a.rows());
    return true;
  }
  void read(int64_t row0, int64_t rows, const assay_sink& sink) {
    if (sparse_) return read_sparse(row0, rows, sink);
    const Array& a = x_.array;
    if (a.fortran) {
      const std::vector<double> all = numbers(a, 0, a.count());
      return assay::reading::push_dense(sink, row0, view(all.data(), ASSAY_F64, row0, rows));
    }
    const int64_t block = std::max<int64_t>(1, kBlockEntries / std::max<int64_t>(1, a.cols()));
    for (int64_t done = 0; done < rows; done += block)
      push_rows(row0 + done, std::min(block, rows - done), sink);
  }

 private:
  // Native types keep their type, all others become float64.
  static int32_t kept(const Array& a) { return a.native() ? a.native() : ASSAY_F64; }

  assay_dense view(const void* data, int32_t dtype, int64_t row0, int64_t rows) const {
    const Array& a = x_.array;
    assay_dense out = assay::reading::block_of(data, dtype, rows, a.cols());
    if (!a.fortran) return out;
    out.flags = ASSAY_READ_ONLY;
    out.row_stride = 1;
    out.col_stride = a.rows();
    const int64_t size = dtype == ASSAY_F64 ? 8 : a.size;
    out.data = static_cast<unsigned char*>(out.data) + row0 * size;
    return out;
  }
  void push_rows(int64_t row0, int64_t rows, const assay_sink& sink) const {
    const Array& a = x_.array;
    const int64_t first = row0 * a.cols(), count = rows * a.cols();
    if (a.native()) {
      std::vector<double> aligned(static_cast<size_t>(count * a.size / 8 + 1));
      std::memcpy(aligned.data(), a.data + first * a.size, static_cast<size_t>(count * a.size));
      return assay::reading::push_dense(
          sink, row0, assay::reading::block_of(aligned.data(), a.native(), rows, a.cols()));
    }
    const std::vector<double> wide = numbers(a, first, count);
    assay::reading::push_dense(sink, row0,
                               assay::reading::block_of(wide.data(), ASSAY_F64, rows, a.cols()));
  }

  void open_archive(const char* member) {
    archive_ = std::make_unique<Archive>(file_.bytes(), file_.size());
    if (!member && archive_->find("indptr") && archive_->find("indices") && archive_->find("shape"))
      return open_sparse();
    if (archive_->members().empty())
      throw Fault{ASSAY_E_EMPTY, "the archive is empty", "", "", "", ""};
    std::string list;
    for (const auto& m : archive_->members())
      list += (list.empty() ? "" : ", ") +
              assay::reading::shown(m.name.substr(0, m.name.rfind(".npy")));
    if (!member && archive_->members().size() > 1)
      throw Fault{ASSAY_E_FORMAT,           "the archive holds several arrays", "", list, "",
                  "say which with `member`"};
    const Archive::Member* found = member ? archive_->find(member) : &archive_->members()[0];
    if (!found)
      throw Fault{ASSAY_E_FORMAT,
                  "the archive has no array " + assay::reading::shown(member),
                  "",
                  list,
                  "",
                  "name one of its arrays"};
    x_ = hold(*found);
  }
  Held hold(const Archive::Member& m) const {
    Held out;
    out.bytes = archive_->open(m);
    out.array = npy::read_array(out.bytes.data, out.bytes.size);
    return out;
  }
  Held hold(const char* name) const {
    const Archive::Member* m = archive_->find(name);
    if (!m)
      throw Fault{ASSAY_E_FORMAT,
                  std::string("the sparse matrix has no array `") + name + "`",
                  "",
                  "",
                  "",
                  "save it with `scipy.sparse.save_npz`"};
    return hold(*m);
  }

  void open_sparse() {
    sparse_ = true;
    x_ = hold("data");
    indices_ = hold("indices");
    indptr_ = hold("indptr");
    const Held shape = hold("shape"), format = hold("format");
    std::string word;
    for (int64_t b = 0; b < format.array.count() * format.array.size; ++b)
      if (format.array.data[b]) word += static_cast<char>(format.array.data[b]);
    if (word != "csr" && word != "csc")
      throw Fault{ASSAY_E_FORMAT,
                  "sparse matrices of this form are not read",
                  "",
                  assay::reading::shown(word),
                  "csr or csc",
                  "convert it with `tocsr` before it is saved"};
    csc_ = word == "csc";
    const bool whole = shape.array.kind == 'i' && shape.array.count() == 2 &&
                       indices_.array.kind == 'i' && indptr_.array.kind == 'i' &&
                       indices_.array.size >= 4 && indptr_.array.size == indices_.array.size &&
                       std::string_view("fiub").find(x_.array.kind) != std::string_view::npos &&
                       indices_.array.count() == x_.array.count();
    if (!whole)
      throw Fault{ASSAY_E_FORMAT,
                  "the arrays of the sparse matrix do not fit together",
                  "",
                  "",
                  "",
                  "save it with `scipy.sparse.save_npz`"};
    rows_ = static_cast<int64_t>(npy::number(shape.array, 0));
    cols_ = static_cast<int64_t>(npy::number(shape.array, 1));
    if (indptr_.array.count() - 1 != (csc_ ? cols_ : rows_))
      throw Fault{
          ASSAY_E_FORMAT, "the arrays of the sparse matrix do not fit its shape", "", "", "", ""};
  }
  static std::vector<int64_t> whole_numbers(const Array& a, int64_t first, int64_t count) {
    std::vector<int64_t> out(static_cast<size_t>(count));
    for (int64_t e = first; e < first + count; ++e)
      out[static_cast<size_t>(e - first)] = a.size == 4
                                                ? npy::element<int32_t>(a.data + e * 4, a.swapped)
                                                : npy::element<int64_t>(a.data + e * 8, a.swapped);
    return out;
  }
  void read_sparse(int64_t row0, int64_t rows, const assay_sink& sink) const {
    if (row0 != 0 || rows != rows_)
      throw Fault{ASSAY_E_ARGUMENT, "sparse .npz files are read as a whole", "", "", "", ""};
    const int64_t lines = csc_ ? cols_ : rows_;
    const std::vector<int64_t> indptr = whole_numbers(indptr_.array, 0, lines + 1);
    const bool sound = indptr.front() == 0 && indptr.back() == x_.array.count() &&
                       std::is_sorted(indptr.begin(), indptr.end());
    // As a whole also what is malformed: the host says how.
    if (csc_ || !sound) return push_lines(indptr, 0, lines, sink);
    for (int64_t first = 0, last = 0; first < lines; first = last) {
      while (last < lines && (last == first || indptr[static_cast<size_t>(last)] -
                                                       indptr[static_cast<size_t>(first)] <
                                                   kBlockEntries))
        ++last;
      push_lines(indptr, first, last, sink);
    }
  }
  // Lines first .. last - 1: rows, or all columns.
  void push_lines(const std::vector<int64_t>& indptr,
                  int64_t first,
                  int64_t last,
                  const assay_sink& sink) const {
    const bool whole = last - first == (csc_ ? cols_ : rows_);
    const int64_t from = whole ? 0 : indptr[static_cast<size_t>(first)];
    const int64_t stored = whole ? x_.array.count() : indptr[static_cast<size_t>(last)] - from;
    std::vector<int64_t> starts(indptr.begin() + first, indptr.begin() + last + 1);
    for (int64_t& start : starts) start -= from;
    const std::vector<int64_t> indices = whole_numbers(indices_.array, from, stored);
    const std::vector<double> values = numbers(x_.array, from, stored);
    assay_sparse block{};
    block.values = const_cast<double*>(values.data());
    block.indices = const_cast<int64_t*>(indices.data());
    block.indptr = starts.data();
    block.dtype = ASSAY_F64;
    block.index_dtype = ASSAY_I64;
    block.layout = csc_ ? ASSAY_CSC : ASSAY_CSR;
    block.rows = csc_ ? rows_ : last - first;
    block.cols = cols_;
    block.nnz = stored;
    assay::reading::push_sparse(sink, csc_ ? 0 : first, block);
  }

  MappedFile file_;
  std::unique_ptr<Archive> archive_;
  Held x_, indices_, indptr_;
  bool sparse_ = false, csc_ = false;
  int64_t rows_ = 0, cols_ = 0;
};

int32_t probe(const uint8_t* b, int64_t n) {
  if (n >= 6 && std::memcmp(b, "\x93NUMPY", 6) == 0) return 100;
  return n >= 4 && std::memcmp(b, "PK\x03\x04", 4) == 0 ? 60 : 0;
}

constexpr assay_reader kReader = assay::reading::table<Npy>(".npy .npz", probe);
constexpr assay_plugin kPlugin = {sizeof(assay_plugin),
                                  ASSAY_PLUGIN_DETERMINISTIC,
                                  "assay.reader/1",
                                  "npy",
                                  "NumPy arrays and SciPy's sparse .npz files, mapped",
                                  nullptr,
                                  nullptr,
                                  kOptions,
                                  &kReader,
                                  nullptr};

}  // namespace

ASSAY_MODULE("org.assay.npy", "1.0", kPlugin)
