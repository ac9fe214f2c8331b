#include "model/gguf/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a directory, not a file";
  if (S_ISFIFO(mode)) return "it is a pipe, not a regular file";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "it is a device, not a regular file";
  if (S_ISSOCK(mode)) return "it is a socket, not a regular file";
  return "it is not a regular file";
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a pipe nobody writes to must not hang.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return load_error("file", std::strerror(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) return load_error("file", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return load_error("file", kind_of(status.st_mode));
  if (status.st_size == 0) return load_error("file", "it is empty");
  std::size_t size = static_cast<std::size_t>(status.st_size);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (start == MAP_FAILED) return load_error("file", std::string("cannot be mapped: ") + std::strerror(errno));
  return MappedFile({static_cast<const std::uint8_t*>(start), size}, static_cast<std::int64_t>(status.st_mtime));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})), modified_s_(other.modified_s_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(modified_s_, other.modified_s_);
  return *this;
}

void MappedFile::forget(std::span<const std::byte> read) const {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<std::uintptr_t>(read.data());
  std::uintptr_t end = begin + read.size();
  auto first = reinterpret_cast<std::uintptr_t>(bytes_.data());
  if (begin < first || end > first + bytes_.size()) return;
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace troupe
