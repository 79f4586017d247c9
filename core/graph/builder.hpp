// SPDX-License-Identifier: Apache-2.0
// The builder's inside: what every verb's check shares. Errors are sticky.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/program.hpp"

namespace assay::graph {

struct Builder {
  assay_builder table{};  // first: plugins hold a pointer to it
  const Model* model = nullptr;
  Program::Body* body = nullptr;
  std::vector<char> written;
  std::set<std::string> names;
  std::set<assay_buf> matrices;  // grams of normals
  std::vector<LineKind> open;    // loops and batches without their end yet
  void* self = nullptr;          // handed to the functions of lines that are added
  bool applies = false;          // the program that makes W is being built
  bool inlined = false;          // as a part of this one: it leaves no results of its own
  bool failed = false;
  Error error;

  static Builder& of(assay_builder* b) { return *reinterpret_cast<Builder*>(b); }

  int32_t fail(const std::string& what) {
    if (!failed) {
      failed = true;
      error = Error(ASSAY_E_PLUGIN, "E0410",
                    "plugin `" + body->who + "` declared a program that is not valid: " + what);
      error.note.push_back("line " + std::to_string(body->lines.size() + 1) + " of its program");
      error.help.push_back("mend the plugin's `build`; `docs/authors.md` explains the rules");
    }
    return ASSAY_E_PLUGIN;
  }
  // Few words: there may be no memory for more.
  int32_t fail_memory() {
    failed = true;
    error = Error(ASSAY_E_MEMORY, "E0902", "out of memory");
    return ASSAY_E_MEMORY;
  }
  bool known(assay_buf b) const { return b >= 0 && static_cast<size_t>(b) < body->buffers.size(); }
  const BufferDecl& decl(assay_buf b) const { return body->buffers[static_cast<size_t>(b)]; }
  // Checks that b exists; `as` says what for.
  bool use(assay_buf b, const char* as) {
    if (known(b)) return true;
    fail(std::string("it names buffer ") + std::to_string(b) + " as " + as +
         ", which it did not declare");
    return false;
  }
  bool readable(assay_buf b, const std::string& by) {
    const BufferDecl& d = decl(b);
    const bool lives = d.role == ASSAY_FACTOR || d.role == ASSAY_STATE || d.given >= 0;
    if (lives || written[static_cast<size_t>(b)]) return true;
    fail("`" + by + "` reads `" + d.name + "` before any line writes it");
    return false;
  }
  bool writable(assay_buf b, const std::string& by) {
    const BufferDecl& d = decl(b);
    if (d.given < 0) return true;
    fail("`" + by + "` writes `" + d.name + "`, which the host keeps and no plugin may write");
    return false;
  }
  assay_buf add(BufferDecl d) {
    if (static_cast<int64_t>(body->buffers.size()) >= 4096) return fail("more than 4096 buffers");
    body->buffers.push_back(std::move(d));
    written.push_back(0);
    return static_cast<assay_buf>(body->buffers.size()) - 1;
  }
  // The end of a line that calls a function: its results are written from here on.
  int32_t push_call(Line line) {
    for (const assay_arg& a : line.args)
      if (a.access & (ASSAY_OUT | ASSAY_ADD)) written[static_cast<size_t>(a.buffer)] = 1;
    line.self = self;
    body->lines.push_back(std::move(line));
    return ASSAY_OK;
  }
  int64_t length(int32_t axis) const { return axis == ASSAY_ROWS ? model->n() : model->d(); }
};

// The verbs, by what they are about: builder.cpp (buffers, report), builder_products.cpp,
// builder_each.cpp, builder_control.cpp.
int32_t add_times(assay_builder* b, assay_buf out, assay_buf left, assay_buf right, uint32_t flags);
int32_t add_gather(assay_builder* b, assay_buf out, assay_buf rows);
int32_t add_gram(assay_builder* b, assay_buf out, assay_buf left, assay_buf right);
int32_t add_terms(assay_builder* b, const assay_terms* t);
int32_t add_normals(assay_builder* b, const assay_normals* t);
int32_t add_each(assay_builder* b, const assay_each* e);
int32_t add_grid(assay_builder* b, const assay_grid* g);
int32_t add_loop(assay_builder* b, int64_t max, assay_buf until);
int32_t add_batches(assay_builder* b, int64_t size, int32_t order, uint64_t stream);
int32_t add_end(assay_builder* b);
// Every loop and batches has its end.
void check_closed(Builder& s);

}  // namespace assay::graph
