// SPDX-License-Identifier: Apache-2.0
// Comfort for readers whose files may be gzipped: bytes and lines of a file through zlib, which reads plain files as they
// are. A reader that includes this links zlib.
#ifndef ASSAY_GZIP_HPP
#define ASSAY_GZIP_HPP

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "reader.hpp"

namespace assay::reading {

/* A file from its first byte on, unpacked when it is gzipped. */
class GzipFile {
 public:
  explicit GzipFile(const char *path) {
    struct stat info;
    if (::stat(path, &info) != 0) cannot_open(path, errno);
    if (!S_ISREG(info.st_mode)) cannot_open(path, S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
    errno = 0;
    file_ = gzopen(path, "rbe");
    if (!file_) cannot_open(path, errno ? errno : ENOMEM);
    gzbuffer(file_, 1u << 17);
    size_ = static_cast<int64_t>(info.st_size);
  }
  GzipFile(const GzipFile &) = delete;
  GzipFile &operator=(const GzipFile &) = delete;
  ~GzipFile() { gzclose_r(file_); }

  /* Up to `bytes` bytes; fewer only at the end. */
  int64_t read(void *to, int64_t bytes) {
    int64_t done = 0;
    while (done < bytes) {
      const auto wanted = static_cast<unsigned>(bytes - done < (1 << 30) ? bytes - done : (1 << 30));
      const int got = gzread(file_, static_cast<char *>(to) + done, wanted);
      if (got > 0) done += got;
      if (got < static_cast<int>(wanted)) {
        check();
        break;
      }
    }
    return done;
  }
  void rewind() {
    if (gzrewind(file_) != 0) check();
  }
  bool packed() { return gzdirect(file_) == 0; }
  /* Of the file as it lies on the disk. */
  int64_t size() const { return size_; }

 private:
  void check() {
    int error = Z_OK;
    const char *text = gzerror(file_, &error);
    if (error == Z_OK || error == Z_STREAM_END) return;
    if (error == Z_BUF_ERROR)
      throw Fault{ASSAY_E_TRUNCATED, "the gzipped file ends too early", "", "", "", "get the file once more"};
    if (error == Z_ERRNO) throw Fault{ASSAY_E_IO, "the file cannot be read", "", std::strerror(errno), "", ""};
    throw Fault{ASSAY_E_FORMAT, "the gzipped file is damaged", "", text ? text : "", "", "get the file once more"};
  }

  gzFile file_ = nullptr;
  int64_t size_ = 0;
};

/* The lines of a file without their ends (LF or CR LF) and without a byte order mark. */
class Lines {
 public:
  explicit Lines(const char *path) : file_(path), buffer_(size_t{1} << 16) {}

  /* The next line, valid until the next call; false at the end. */
  bool next(std::string_view *line) {
    for (;;) {
      const char *begin = buffer_.data() + first_;
      const void *end = first_ < last_ ? std::memchr(begin + seen_, '\n', last_ - first_ - seen_) : nullptr;
      if (end) {
        const auto length = static_cast<size_t>(static_cast<const char *>(end) - begin);
        first_ += length + 1;
        return give(begin, length, line);
      }
      seen_ = last_ - first_;
      if (!fill()) {
        if (first_ == last_) return false;
        const size_t length = last_ - first_;
        begin = buffer_.data() + first_;
        first_ = last_;
        ended_ = true;
        return give(begin, length, line);
      }
    }
  }
  /* 1-based number of the line given last. */
  int64_t number() const { return number_; }
  /* True when the line given last ended with the file and not with a line end. */
  bool unended() const { return ended_; }
  void rewind() {
    file_.rewind();
    first_ = last_ = seen_ = 0;
    number_ = 0;
    ended_ = false;
  }
  GzipFile &file() { return file_; }

 private:
  bool give(const char *begin, size_t length, std::string_view *line) {
    seen_ = 0;
    ++number_;
    *line = std::string_view(begin, length);
    if (number_ == 1 && line->substr(0, 3) == "\xef\xbb\xbf") line->remove_prefix(3);
    if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
    return true;
  }
  bool fill() {
    if (first_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + first_, last_ - first_);
      last_ -= first_;
      first_ = 0;
    }
    if (last_ == buffer_.size()) {
      if (buffer_.size() >= (size_t{1} << 28))
        throw Fault{ASSAY_E_FORMAT, "a line is longer than 256 MiB", std::to_string(number_ + 1) + ":1", "", "",
                    "check that this is a text file with line ends"};
      buffer_.resize(buffer_.size() * 2);
    }
    const int64_t got = file_.read(buffer_.data() + last_, static_cast<int64_t>(buffer_.size() - last_));
    last_ += static_cast<size_t>(got);
    return got > 0;
  }

  GzipFile file_;
  std::vector<char> buffer_;
  size_t first_ = 0, last_ = 0, seen_ = 0;
  int64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace assay::reading

#endif
