// SPDX-License-Identifier: Apache-2.0
// The wall between an author's class and the host: failures become statuses, options are typed, views are spans.
#ifndef ASSAY_AUTHOR_CALL_HPP
#define ASSAY_AUTHOR_CALL_HPP

#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "../plugin.h"

namespace assay::author {

// What a thunk turns into a status and a message. Functions of a plugin throw it; nothing leaves the module.
class Failure : public std::exception {
 public:
  Failure(int32_t status, std::string text) : status_(status), text_(std::move(text)) {}
  Failure &&help(std::string text) && {
    help_ = std::move(text);
    return std::move(*this);
  }
  int32_t status() const { return status_; }
  const std::string &help() const { return help_; }
  const char *what() const noexcept override { return text_.c_str(); }

 private:
  int32_t status_;
  std::string text_, help_;
};

// Thrown where a service has already recorded the message of its status.
struct Recorded {
  int32_t status;
};

// The host and the call in progress.
struct Call {
  const assay_host *host = nullptr;
  assay_ctx *ctx = nullptr;

  // n elements of this worker's scratch, valid until the callback returns.
  template <class T>
  std::span<T> scratch(int64_t n) const {
    void *p = host->scratch(ctx, n * static_cast<int64_t>(sizeof(T)));
    if (p == nullptr) throw std::bad_alloc();
    return {static_cast<T *>(p), static_cast<size_t>(n)};
  }
  // The table of a service: service<assay_rng>("assay.rng/1").
  template <class Table>
  const Table *service(const char *id) const {
    const void *table = host->service(id);
    if (table == nullptr)
      throw Failure(ASSAY_E_NOT_FOUND, "this host has no service `" + std::string(id) + "`");
    return static_cast<const Table *>(table);
  }
  void log(const std::string &text, int32_t level = ASSAY_LOG_INFO) const {
    host->log(ctx, level, text.c_str());
  }
  // Turns a status of a service, which has recorded its message, into an exception.
  static void check(int32_t status) {
    if (status < 0) throw Recorded{status};
  }
};

// A plugin's parsed options.
class Options {
 public:
  Options(const assay_host *host, const assay_options *options) : host_(host), options_(options) {}
  double number(const char *name) const { return host_->option_number(options_, name); }
  int64_t integer(const char *name) const { return static_cast<int64_t>(number(name)); }
  bool flag(const char *name) const { return number(name) != 0; }
  bool given(const char *name) const { return host_->option_given(options_, name) != 0; }
  std::optional<std::string> text(const char *name) const {
    const char *t = host_->option_text(options_, name);
    return t ? std::optional<std::string>(t) : std::nullopt;
  }
  std::span<const double> list(const char *name) const {
    const double *p = nullptr;
    const int64_t n = host_->option_list(options_, name, &p);
    return {p, static_cast<size_t>(n)};
  }

 private:
  const assay_host *host_;
  const assay_options *options_;
};

// A row-major block: rows as spans, entries by (row, column).
template <class T>
class Block2d {
 public:
  explicit Block2d(const assay_view &v)
      : data_(static_cast<T *>(v.data)), rows_(v.rows), cols_(v.cols), stride_(v.stride) {}
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }
  T *data() const { return data_; }
  T &operator()(int64_t i, int64_t j) const { return data_[i * stride_ + j]; }
  std::span<T> row(int64_t i) const { return {data_ + i * stride_, static_cast<size_t>(cols_)}; }

 private:
  T *data_;
  int64_t rows_, cols_, stride_;
};
using Matrix = Block2d<double>;
using ConstMatrix = Block2d<const double>;

// Runs f behind the wall: 0, or the status of what was thrown, with its message recorded.
template <class F>
int32_t catching(const assay_host *host, assay_ctx *ctx, F &&f) noexcept {
  const auto failed = [&](int32_t status, const char *text) {
    return host ? host->set_error(ctx, status, text) : status;
  };
  try {
    std::forward<F>(f)();
    return ASSAY_OK;
  } catch (const Failure &e) {
    const int32_t status = failed(e.status(), e.what());
    if (host && !e.help().empty()) host->add_detail(ctx, ASSAY_DETAIL_HELP, e.help().c_str());
    return status;
  } catch (const Recorded &e) {
    return e.status;
  } catch (const std::bad_alloc &) {
    return failed(ASSAY_E_MEMORY, "no memory left");
  } catch (const std::exception &e) {
    return failed(ASSAY_E_PLUGIN, e.what());
  } catch (...) {
    return failed(ASSAY_E_PLUGIN, "an exception of unknown type");
  }
}

namespace detail {
template <class T>
std::span<T> span(T *p, int64_t n) {
  return {p, static_cast<size_t>(n)};
}
}  // namespace detail

// What stands behind `self`: the author's object and the host it was made for.
template <class T>
struct Instance {
  const assay_host *host;
  T object;
};

template <class T>
void destroy(void *self) {
  delete static_cast<Instance<T> *>(self);
}

// Calls f(object) behind the wall.
template <class T, class F>
int32_t on(void *self, assay_ctx *ctx, F &&f) noexcept {
  auto *instance = static_cast<Instance<T> *>(self);
  return catching(instance->host, ctx, [&] { f(instance->object); });
}

template <class T>
const assay_host *host_of(void *self) {
  return static_cast<Instance<T> *>(self)->host;
}

// create of losses and penalties, and of kinds that are given a problem.
template <class T>
int32_t create_from_options(const assay_host *host, assay_ctx *ctx, const assay_options *options,
                            void **self) {
  return catching(host, ctx, [&] {
    *self = new Instance<T>{host, T(Call{host, ctx}, Options(host, options))};
  });
}
template <class T>
int32_t create_from_problem(const assay_host *host, assay_ctx *ctx, const assay_problem *problem,
                            void **self) {
  return catching(host, ctx, [&] { *self = new Instance<T>{host, T(Call{host, ctx}, *problem)}; });
}

}  // namespace assay::author

#endif
