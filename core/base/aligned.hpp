// SPDX-License-Identifier: Apache-2.0
// AlignedArray<T>: zero-filled memory on a 64-byte border, of fixed size once made.
#pragma once

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace assay {

template <class T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(int64_t size) : size_(size) {
    if (size_ > 0) {
      const auto bytes = static_cast<size_t>(size_) * sizeof(T);
      data_ = static_cast<T*>(::operator new(bytes, std::align_val_t{64}));
      std::memset(static_cast<void*>(data_), 0, bytes);
    }
  }
  AlignedArray(AlignedArray&& o) noexcept { swap(o); }
  AlignedArray& operator=(AlignedArray&& o) noexcept { swap(o); return *this; }
  AlignedArray(const AlignedArray& o) : AlignedArray(o.size_) {
    if (size_ > 0) std::memcpy(static_cast<void*>(data_), o.data_, static_cast<size_t>(size_) * sizeof(T));
  }
  AlignedArray& operator=(const AlignedArray& o) { AlignedArray t(o); swap(t); return *this; }
  ~AlignedArray() { if (data_) ::operator delete(static_cast<void*>(data_), std::align_val_t{64}); }

  void swap(AlignedArray& o) noexcept { std::swap(data_, o.data_); std::swap(size_, o.size_); }
  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace assay
