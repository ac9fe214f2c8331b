#pragma once
// A regular file mapped read-only. Its size is taken once; a file that somebody truncates while it is mapped ends
// the process (SIGBUS), so the mapping only lives as long as loading does: the engine keeps no pointer into it.
#include <cstdint>
#include <span>
#include <string>

#include "runtime/result.hpp"

namespace troupe {

class MappedFile {
 public:
  // Refuses what is not a regular file (a directory, a pipe, a device) without blocking on it, and empty files.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::int64_t modified_s() const { return modified_s_; }  // Unix time

  // What has been read and is not needed for now: its pages no longer count as this process's memory. They stay in the
  // system's cache, and reading them again is allowed. What lies outside of the mapping is left alone.
  void forget(std::span<const std::byte> read) const;

 private:
  MappedFile(std::span<const std::uint8_t> bytes, std::int64_t modified_s) : bytes_(bytes), modified_s_(modified_s) {}

  std::span<const std::uint8_t> bytes_;
  std::int64_t modified_s_ = 0;
};

}  // namespace troupe
