// SPDX-License-Identifier: Apache-2.0
// Reads the section `data`: the reader with its options, which stand among the runtime's own keys,
// and what entries mean.
#include <fmt/core.h>

#include <algorithm>

#include "core/base/number.hpp"
#include "core/spec/sections.hpp"
#include "core/spec/trial.hpp"

namespace assay::spec {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The reader whose suffixes claim the file, longest first (".csv.gz" before ".gz").
const plugin::Descriptor* reader_by_suffix(const std::string& path,
                                           const plugin::Registry& registry) {
  const plugin::Descriptor* best = nullptr;
  size_t longest = 0;
  for (const plugin::Descriptor* d : registry.all("reader")) {
    const auto* reader = static_cast<const assay_reader*>(d->plugin->vtable);
    std::string suffixes = reader->suffixes ? reader->suffixes : "";
    for (size_t i = 0; i < suffixes.size();) {
      const size_t end = std::min(suffixes.find(' ', i), suffixes.size());
      if (end > i && end - i > longest && ends_with(path, suffixes.substr(i, end - i))) {
        best = d;
        longest = end - i;
      }
      i = end + 1;
    }
  }
  return best;
}

class DataReader {
 public:
  DataReader(const Node& root,
             Context& context,
             const std::vector<std::string>& supplied,
             DataSpec& out)
      : root_(root), context_(context), supplied_(supplied), out_(out) {}

  void read() {
    out_.from_memory = context_.from_memory;
    const plugin::Descriptor* d = reader();
    const std::vector<std::string> options = d ? option_names(*d) : std::vector<std::string>{};
    const Node* node = find_path(root_, "data");
    if (!node) return;
    std::vector<std::string> more = options;
    more.emplace_back("label");
    Section data(root_, "data", context_, more);
    if (!data.map()) return;
    if (d) read_reader(*d, options, data);
    data.file("path", out_.path);
    // A reader's own option of the same name goes before the runtime's key.
    const auto ours = [&](const char* key) {
      return std::find(options.begin(), options.end(), key) == options.end();
    };
    if (const Node* label = data.find("label_column")) read_label(*label, d);
    if (ours("columns") && data.find("columns")) {
      if (auto names = read_texts(*data.find("columns"), "data.columns", context_.out))
        out_.columns = *names;
    }
    if (ours("rows") && data.find("rows")) rows(*data.find("rows"));
    if (const Node* list = data.find("transforms"))
      out_.transforms = read_uses(*list, "transform", "data.transforms", context_);
    if (data.find("mask")) Section(root_, "data.mask", context_).file("path", out_.mask_path);
    if (data.find("weights")) {
      Section weights(root_, "data.weights", context_);
      weights.file("path", out_.weights_path);
      weights.file("row_path", out_.row_weights_path);
      weights.file("column_path", out_.col_weights_path);
    }
    if (data.find("names")) {
      Section names(root_, "data.names", context_);
      names.file("rows", out_.row_names_path);
      names.file("columns", out_.col_names_path);
    }
    data.word("unstored", out_.unstored);
    data.word("compute", out_.compute);
    std::string on_missing;
    data.word("missing", on_missing);
    out_.missing_nan = on_missing == "nan";
  }

 private:
  void missing(const std::string& path, const std::string& help) {
    report_missing(root_, path, help, supplied_, context_);
  }

  // The reader, named or by suffix; its options join the keys of `data`.
  const plugin::Descriptor* reader() {
    const Node* data = find_path(root_, "data");
    const Node* path = data && data->is_map() ? data->find("path") : nullptr;
    if (data && data->is_map() && data->find("use"))
      return find_plugin(*data->find("use"), "reader", "data.use", context_);
    if (context_.from_memory) return nullptr;
    if (!data || !data->is_map()) {
      if (!data)
        missing("data",
                "`data: { use: id, path: file }` says where X comes from; `assay list readers` "
                "shows the ids");
      return nullptr;
    }
    const plugin::Descriptor* d = path ? reader_by_suffix(path->text, context_.registry) : nullptr;
    if (!d)
      missing("data.use",
              path ? "no reader claims files of this suffix; `assay list readers` shows them"
                   : "`assay list readers` shows what can be named");
    return d;
  }

  void read_reader(const plugin::Descriptor& d,
                   const std::vector<std::string>& options,
                   const Section& data) {
    const auto theirs = [&](const std::string& key) {
      return std::find(options.begin(), options.end(), key) != options.end();
    };
    Node node = *data.map();
    // Known or not, other keys have been seen to with the section.
    std::vector<std::string> others;
    for (const Entry& e : node.entries)
      if (!theirs(e.key) && e.key != "label") others.push_back(e.key);
    if (!node.find("use")) {
      Node id;
      id.kind = Node::Kind::kScalar;
      id.text = d.id;
      id.mark = node.mark;
      node.entries.push_back({"use", id.mark, id});
    }
    if (auto use = read_use(node, "reader", "data", context_, others))
      out_.reader = std::move(*use);
    const bool needs_path =
        (static_cast<const assay_reader*>(d.plugin->vtable)->flags & ASSAY_READER_NO_PATH) == 0;
    if (needs_path && !data.find("path"))
      missing("data.path", fmt::format("reader `{}` needs a file", d.id));
    if (!needs_path && data.find("path") && !theirs("path")) {
      context_.out.push_back(Diagnostic("E0120", fmt::format("reader `{}` reads no file", d.id))
                                 .at(data.map()->entry("path")->mark)
                                 .about("data.path")
                                 .with_help("delete `path`"));
    }
  }

  // Labels are the reader's work: it leaves the column out of X.
  void read_label(const Node& node, const plugin::Descriptor* d) {
    if (const auto label = read_text(node, "data.label_column", context_.out))
      out_.label_column = *label;
    const std::vector<std::string> options = d ? option_names(*d) : std::vector<std::string>{};
    if (d && std::find(options.begin(), options.end(), "label_column") == options.end()) {
      context_.out.push_back(
          Diagnostic("E0110", fmt::format("reader `{}` has no option `label_column`", d->id))
              .at(node.mark)
              .about("data.label_column")
              .with_help("labels come with readers of tables"));
    }
  }

  // "first:end", either may be left out.
  void rows(const Node& node) {
    const auto text = read_text(node, "data.rows", context_.out);
    if (!text) return;
    const size_t colon = text->find(':');
    const auto part = [&](const std::string& s) {
      return s.empty() ? std::optional<int64_t>(0) : parse_int(s);
    };
    const auto first = colon == std::string::npos ? std::nullopt : part(text->substr(0, colon));
    const auto end = colon == std::string::npos ? std::nullopt : part(text->substr(colon + 1));
    const bool open = colon != std::string::npos && colon + 1 == text->size();
    if (first && end && *first >= 0 && (open || *first < *end)) {
      out_.rows = *text;
      return;
    }
    context_.out.push_back(
        Diagnostic("E0113", fmt::format("`data.rows` is `{}`, which is no range of rows", *text))
            .at(node.mark)
            .about("data.rows")
            .with_expected("`first:end`, counted from 0, without the end, such as `0:1000`"));
  }

  const Node& root_;
  Context& context_;
  const std::vector<std::string>& supplied_;
  DataSpec& out_;
};

}  // namespace

void read_data(const Node& root,
               Context& context,
               const std::vector<std::string>& supplied,
               DataSpec& out) {
  DataReader(root, context, supplied, out).read();
}

}  // namespace assay::spec
