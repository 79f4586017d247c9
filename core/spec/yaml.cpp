// SPDX-License-Identifier: Apache-2.0
// YAML events to Nodes: the only file that sees yaml-cpp. Strict where the library is not: no key
// twice, no merge keys, no tags, bounded depth, size and aliases.
#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <new>
#include <sstream>
#include <utility>

#include "core/spec/document.hpp"

namespace assay::spec {
namespace {

// Thrown through the parser to end it; caught in read_yaml.
struct Refused {
  Diagnostic diagnostic;
};

size_t count_nodes(const Node& node) {
  size_t n = 1;
  for (const Node& item : node.items) n += count_nodes(item);
  for (const Entry& e : node.entries) n += count_nodes(e.value);
  return n;
}

class Builder : public YAML::EventHandler {
 public:
  Builder(const Source& source, int index, int shift, std::vector<Diagnostic>& diagnostics)
      : source_(source), index_(index), shift_(shift), diagnostics_(diagnostics) {}

  Node take() { return std::move(root_); }
  bool started() const { return started_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (started_)
      refuse(mark, 3, "a spec is one document, found a second one",
             "delete everything from `---` on");
    started_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.mark = place(mark, 1);
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (++aliases_ > kMaxAliases) {
      refuse(mark, 1, fmt::format("more than {} aliases", kMaxAliases), "write the values out");
    }
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      refuse(mark, 1, "an alias inside the value it stands for", "write the value out");
    nodes_ += count_nodes(found->second);
    add(found->second, 0);
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    Node node;
    node.kind = Node::Kind::kScalar;
    node.text = value;
    node.quoted = tag == "!";
    node.mark = place(mark, scalar_length(mark, value));
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    open(mark, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map under construction; of a map also the key that waits for its value.
  struct Level {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false, drop = false;
    std::string key;
    Mark key_mark;
  };

  Mark place(const YAML::Mark& mark, int length) const {
    return {index_, mark.line + 1, mark.column + 1 + (mark.line == 0 ? shift_ : 0), length};
  }

  [[noreturn]] void refuse(const YAML::Mark& mark,
                           int length,
                           std::string message,
                           std::string help) {
    throw Refused{
        Diagnostic("E0105", std::move(message)).at(place(mark, length)).with_help(std::move(help))};
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    refuse(mark, 1, fmt::format("YAML tags such as `{}` have no meaning here", tag),
           "delete the tag");
  }

  // Bytes of the line a scalar covers: the text itself when it stands there, else up to the closing
  // quote or the line's end.
  int scalar_length(const YAML::Mark& mark, const std::string& value) const {
    const std::string line = source_.line(mark.line + 1);
    const auto first = static_cast<size_t>(mark.column + (mark.line == 0 ? shift_ : 0));
    if (first >= line.size()) return 1;
    if (line.compare(first, value.size(), value) == 0 && !value.empty())
      return static_cast<int>(value.size());
    const char quote = line[first];
    if (quote == '"' || quote == '\'') {
      const size_t end = line.find(quote, first + 1);
      if (end != std::string::npos) return static_cast<int>(end + 1 - first);
    }
    return static_cast<int>(line.size() - first);
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    if (levels_.size() >= static_cast<size_t>(kMaxDepth)) {
      refuse(mark, 1, fmt::format("nested more than {} levels deep", kMaxDepth),
             "a spec needs no more than six levels");
    }
    Level level;
    level.node.kind = kind;
    level.node.mark = place(mark, 1);
    level.anchor = anchor;
    levels_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    add(std::move(level.node), level.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (++nodes_ > kMaxNodes) {
      throw Refused{
          Diagnostic("E0105", fmt::format("more than {} values", kMaxNodes)).at(node.mark)};
    }
    if (anchor != 0) anchors_[anchor] = node;
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.is_list()) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      add_key(level, node);
    } else {
      level.has_key = false;
      if (!level.drop) level.node.entries.push_back({level.key, level.key_mark, std::move(node)});
    }
  }

  void add_key(Level& level, const Node& node) {
    level.has_key = true;
    level.drop = false;
    level.key = node.text;
    level.key_mark = node.mark;
    if (!node.is_scalar()) {
      level.drop = true;
      diagnostics_.push_back(Diagnostic("E0105", "a key must be a word").at(node.mark));
    } else if (node.text == "<<" && !node.quoted) {
      level.drop = true;
      diagnostics_.push_back(
          Diagnostic("E0105", "merge keys are not used in specs")
              .at(node.mark)
              .with_help("write the keys out, or put an alias `*name` in place of one value"));
    } else if (const Entry* first = level.node.entry(node.text)) {
      level.drop = true;
      diagnostics_.push_back(Diagnostic("E0103", fmt::format("key `{}` is given twice", node.text))
                                 .at(node.mark, "second time here")
                                 .at(first->mark, "first time here")
                                 .with_help("delete one of the two"));
    }
  }

  const Source& source_;
  int index_, shift_;
  std::vector<Diagnostic>& diagnostics_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Node> anchors_;
  Node root_;
  size_t aliases_ = 0, nodes_ = 0;
  bool started_ = false;
};

Diagnostic not_yaml(const YAML::Exception& e, int source, int shift) {
  Mark mark{source, 1, 1, 1};
  if (!e.mark.is_null())
    mark = {source, e.mark.line + 1, e.mark.column + 1 + (e.mark.line == 0 ? shift : 0), 1};
  return Diagnostic("E0100", "not valid YAML: " + e.msg)
      .at(mark, "reading stopped here")
      .with_help("check indentation, brackets and quotes here and on the line above");
}

}  // namespace

std::optional<Node> read_yaml(const std::string& text,
                              int source,
                              int shift,
                              std::vector<Diagnostic>& diagnostics) {
  const Mark start{source, 1, 1, 1};
  if (text.size() > kMaxBytes) {
    diagnostics.push_back(Diagnostic("E0105", fmt::format("a spec of {} bytes; at most {} are read",
                                                          text.size(), kMaxBytes))
                              .at(start));
    return std::nullopt;
  }
  if (text.find('\0') != std::string::npos) {
    diagnostics.push_back(Diagnostic("E0100", "not a text file: it holds a zero byte")
                              .at(start)
                              .with_help("a spec is YAML text in UTF-8"));
    return std::nullopt;
  }
  try {
    const Source lines{"", std::string(static_cast<size_t>(shift), ' ') + text, false};
    Builder builder(lines, source, shift, diagnostics);
    std::istringstream in(text);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const Refused& refused) {
    diagnostics.push_back(refused.diagnostic);
  } catch (const YAML::Exception& e) {
    diagnostics.push_back(not_yaml(e, source, shift));
  } catch (const std::bad_alloc&) {
    diagnostics.push_back(Diagnostic("E0902", "out of memory while reading the spec").at(start));
  }
  return std::nullopt;
}

}  // namespace assay::spec
