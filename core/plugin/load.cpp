// SPDX-License-Identifier: Apache-2.0
// Drives a reader: open, shape, map or read, names.
#include "core/plugin/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <new>
#include <string_view>

#include "core/data/memory.hpp"
#include "core/data/select.hpp"
#include "core/plugin/guard.hpp"
#include "core/plugin/sink.hpp"

namespace assay::plugin {
namespace {

// Options of these names take what the spec says under `data`; readers that have one do part of the
// work themselves.
constexpr const char* kLabelOption = "label_column";
constexpr const char* kColumnsOption = "use_columns";

bool takes(const assay_option* table, std::string_view name) {
  for (const assay_option* o = table; o && o->name; ++o)
    if (name == o->name) return true;
  return false;
}

void say(Options& options, const char* name, std::string text) {
  OptionValue value;
  value.type = ASSAY_OPT_STRING;
  value.text = std::move(text);
  value.has_text = value.given = true;
  options.values[name] = std::move(value);
}

// A reader at work on one file.
class Reading {
 public:
  Reading(const Descriptor& d, const std::string& path, const LoadOptions& how)
      : table_(*static_cast<const assay_reader*>(d.plugin->vtable)), id_(d.id), path_(path) {
    ctx_.log = how.log;
    ctx_.cancel = how.cancel;
  }

  // Opened for data of any columns, or for those of a model.
  Expected<void> open(const Options& options, const std::vector<std::string>& columns) {
    void* self = nullptr;
    const char* path = path_.empty() ? nullptr : path_.c_str();
    const int32_t status = guarded(
        &ctx_, id_, [&] { return table_.open(host(), &ctx_, path, options.handle(), &self); });
    if (status < 0) return fail(status);
    // Mapped data outlive this object: the last owner closes the file.
    self_ = std::shared_ptr<void>(self, [close = table_.close, id = id_](void* p) {
      guarded(nullptr, id, [&] {
        close(p);
        return 0;
      });
    });
    if (!columns.empty()) {
      for (const std::string& column : columns) columns_.push_back(column.c_str());
      const int32_t told = guarded(&ctx_, id_, [&] {
        return table_.columns(self, &ctx_, static_cast<int64_t>(columns_.size()), columns_.data());
      });
      if (told < 0) return fail(told);
    }
    shape_.struct_size = static_cast<uint32_t>(sizeof shape_);
    const int32_t shaped = guarded(&ctx_, id_, [&] { return table_.shape(self, &ctx_, &shape_); });
    if (shaped < 0) return fail(shaped);
    auto sized = data::check_shape(shape_.rows, shape_.cols);
    if (!sized) return located(std::move(sized.error()));
    if (data::storage_dtype(shape_.dtype) == 0)
      return Error(ASSAY_E_PLUGIN, "E0412",
                   fmt::format("reader `{}` declares entries of no known type", id_));
    return {};
  }

  const assay_shape& shape() const { return shape_; }

  // The mapped whole; not found: read.
  Expected<data::Data> map() {
    assay_dense view{};
    const int32_t status =
        guarded(&ctx_, id_, [&] { return table_.map(self_.get(), &ctx_, &view); });
    if (status < 0) return fail(status);
    if (view.rows != shape_.rows || view.cols != shape_.cols)
      return Error(ASSAY_E_PLUGIN, "E0412",
                   fmt::format("reader `{}` maps another shape than it declares", id_));
    return data::from_dense(view, self_);
  }
  bool maps() const { return table_.map != nullptr && shape_.nnz < 0; }

  Expected<data::Data> read(data::Span rows, int32_t dtype) {
    auto sink = Sink::make(shape_, rows.first, rows.last - rows.first, dtype);
    if (!sink) return located(std::move(sink.error()));
    const int32_t status = guarded(&ctx_, id_, [&] {
      return table_.read(self_.get(), &ctx_, rows.first, rows.last - rows.first, (*sink)->table());
    });
    if ((*sink)->error()) return located(*(*sink)->error());
    if (status < 0) return fail(status);
    auto x = (*sink)->finish();
    return x ? std::move(x) : located(std::move(x.error()));
  }

  std::shared_ptr<const data::Names> names() {
    data::Names names;
    if (!table_.name) return nullptr;
    if (shape_.flags & ASSAY_SHAPE_ROW_NAMES) names.rows = list(ASSAY_ROWS, shape_.rows);
    if (shape_.flags & ASSAY_SHAPE_COL_NAMES) names.cols = list(ASSAY_COLS, shape_.cols);
    if (shape_.flags & ASSAY_SHAPE_LABELS) names.labels = list(ASSAY_ONE, shape_.rows);
    return std::make_shared<const data::Names>(std::move(names));
  }

  // The factors the data were made from, if the reader knows them.
  Expected<std::shared_ptr<const data::Truth>> truth() {
    if (!ASSAY_HAS(&table_, factor) || !table_.factor) return std::shared_ptr<const data::Truth>();
    data::Truth truth;
    for (const int32_t side : {0, 1}) {
      const auto ask = [&](double* out) {
        return guarded(&ctx_, id_,
                       [&] { return table_.factor(self_.get(), &ctx_, side, &truth.rank, out); });
      };
      int32_t status = ask(nullptr);
      if (status < 0) return fail(status);
      const int64_t lines = side == 0 ? shape_.rows : shape_.cols;
      std::vector<double>& to = side == 0 ? truth.W : truth.H;
      to.resize(static_cast<size_t>(lines * truth.rank));
      status = ask(to.data());
      if (status < 0) return fail(status);
    }
    return std::make_shared<const data::Truth>(std::move(truth));
  }

  // The error with the file and the key it is about.
  Error located(Error error) const {
    if (error.file.empty()) error.file = path_;
    if (error.key.empty()) error.key = path_.empty() ? "data.use" : "data.path";
    return error;
  }

 private:
  Error fail(int32_t status) {
    if (status == ASSAY_E_MEMORY && !ctx_.failed)
      return located(Error(status, "", "not enough memory to read the data"));
    return located(ctx_.take_error(status, id_));
  }
  std::vector<std::string> list(int32_t axis, int64_t count) {
    std::vector<std::string> out(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const char* text = nullptr;
      const int32_t status =
          guarded(&ctx_, id_, [&] { return table_.name(self_.get(), axis, i, &text); });
      if (status >= 0 && text) out[static_cast<size_t>(i)] = text;
    }
    return out;
  }

  const assay_reader& table_;
  std::string id_, path_;
  assay_ctx ctx_;
  std::vector<const char*> columns_;
  std::shared_ptr<void> self_;
  assay_shape shape_{};
};

// Hands the reader what it can do itself and takes that off the list.
Expected<void> pass_on(const Descriptor& reader, Options& options, LoadOptions& how) {
  const assay_option* table = reader.plugin->options;
  if (!how.label_column.empty()) {
    if (!takes(table, kLabelOption))
      return Error(ASSAY_E_SPEC, "E0110",
                   fmt::format("reader `{}` knows no column of labels", reader.id))
          .at("data.label_column")
          .with_help("leave `label_column` out");
    say(options, kLabelOption, how.label_column);
  }
  if (!how.columns.empty() && takes(table, kColumnsOption)) {
    std::string list;
    for (const std::string& column : how.columns) list += column + "\n";
    say(options, kColumnsOption, std::move(list));
  }
  return {};
}

// A reader that chose the columns gives them in the file's order; names bring back the order asked
// for.
void keep_order(const data::Data& x, LoadOptions& how) {
  const auto known = [&](const std::string& column) {
    return x.names && std::count(x.names->cols.begin(), x.names->cols.end(), column) > 0;
  };
  if (!std::all_of(how.columns.begin(), how.columns.end(), known)) how.columns.clear();
}

Expected<data::Data> read_all(Reading& reading, LoadOptions& how) {
  const assay_shape& shape = reading.shape();
  if (reading.maps()) {
    auto mapped = reading.map();
    if (mapped || mapped.error().status != ASSAY_E_NOT_FOUND) return mapped;
  }
  data::Span rows{0, shape.rows};
  const bool part = !how.rows.empty() && shape.nnz < 0 && how.row_names_path.empty();
  if (part) {
    auto span = data::parse_span(how.rows, shape.rows);
    if (!span) return std::move(span.error()).at("data.rows");
    rows = *span;
    how.rows.clear();
  }
  int32_t dtype = data::storage_dtype(shape.dtype);
  if (how.compute == "f32" && dtype == ASSAY_F64) dtype = ASSAY_F32;
  auto x = reading.read(rows, dtype);
  if (!x) return x;
  x->names = reading.names();
  if (!part || !x->names) return x;
  // Names of the rows that were read.
  data::Names names = *x->names;
  for (auto* list : {&names.rows, &names.labels})
    if (!list->empty())
      *list = std::vector<std::string>(list->begin() + rows.first, list->begin() + rows.last);
  x->names = std::make_shared<const data::Names>(std::move(names));
  return x;
}

Expected<data::Data> loaded(const Descriptor& reader,
                            Options options,
                            const std::string& path,
                            LoadOptions how) {
  const auto& table = *static_cast<const assay_reader*>(reader.plugin->vtable);
  // A reader that is told the columns has chosen them: nothing is left to select.
  if (ASSAY_HAS(&table, columns) && table.columns && !how.model_columns.empty())
    how.columns.clear();
  else
    how.model_columns.clear();
  ASSAY_TRY(pass_on(reader, options, how));
  auto complete = Options::complete(reader.plugin->options, std::move(options), reader.id);
  if (!complete) return std::move(complete.error());
  const bool needs_path = (table.flags & ASSAY_READER_NO_PATH) == 0;
  if (needs_path && path.empty())
    return Error(ASSAY_E_SPEC, "E0120", fmt::format("reader `{}` needs a file", reader.id))
        .at("data.use")
        .with_help("add `path`");
  Reading reading(reader, path, how);
  ASSAY_TRY(reading.open(*complete, how.model_columns));
  auto x = read_all(reading, how);
  if (!x) return x;
  if (!x->names) x->names = reading.names();
  auto truth = reading.truth();
  if (!truth) return std::move(truth.error());
  // Rows that were left unread have no place in it.
  if (x->rows == reading.shape().rows && x->cols == reading.shape().cols) x->truth = *truth;
  if (takes(reader.plugin->options, kColumnsOption)) keep_order(*x, how);
  auto out = give_meaning(std::move(*x), how);
  return out ? std::move(out) : reading.located(std::move(out.error()));
}

}  // namespace

Expected<data::Data> load(const Descriptor& reader,
                          const Options& options,
                          const std::string& path,
                          const LoadOptions& how) {
  try {
    return loaded(reader, options, path, how);
  } catch (const std::bad_alloc&) {
    return Error(ASSAY_E_MEMORY, "", "not enough memory to read the data");
  }
}

bool claims(const Descriptor& reader, const std::string& path) {
  const auto& table = *static_cast<const assay_reader*>(reader.plugin->vtable);
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(path, ignored);
  std::string_view suffixes = table.suffixes ? table.suffixes : "";
  while (!suffixes.empty()) {
    const size_t end = std::min(suffixes.find(' '), suffixes.size());
    const std::string_view suffix = suffixes.substr(0, end);
    if (suffix == "/" ? folder
                      : !folder && !suffix.empty() && path.size() > suffix.size() &&
                            path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0)
      return true;
    suffixes.remove_prefix(std::min(end + 1, suffixes.size()));
  }
  return false;
}

const Descriptor* find_reader(const Registry& registry, const std::string& path) {
  std::vector<char> head(4096);
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const int64_t n = file.gcount();
  const Descriptor* best = nullptr;
  int32_t best_score = 0;
  for (const Descriptor* d : registry.all("reader")) {
    const auto& table = *static_cast<const assay_reader*>(d->plugin->vtable);
    int32_t score = 0;
    if (table.probe)
      score = guarded(nullptr, d->id, [&] {
        return table.probe(reinterpret_cast<const uint8_t*>(head.data()), n);
      });
    if (claims(*d, path)) score += 100;
    if (score > best_score) {
      best = d;
      best_score = score;
    }
  }
  return best;
}

}  // namespace assay::plugin
