#include "test/model/allocation_counter.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));
#else
extern "C" void* __libc_malloc(std::size_t bytes);
extern "C" void* __libc_calloc(std::size_t count, std::size_t bytes);
extern "C" void* __libc_realloc(void* old, std::size_t bytes);
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t bytes);
#endif

namespace troupe::test {
namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> count{0};
std::atomic<std::size_t> largest{0};

void note(std::size_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return;
  count.fetch_add(1);
  std::size_t seen = largest.load();
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {
  }
}

#if defined(__SANITIZE_ADDRESS__)
const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t bytes) { note(bytes); }, [](const volatile void*) {});
#endif

}  // namespace

void start_counting() {
  count = 0;
  largest = 0;
  counting = true;
}

Allocations stop_counting() {
  counting = false;
  return {count, largest};
}

#if !defined(__SANITIZE_ADDRESS__)
void note_allocation(std::size_t bytes) { note(bytes); }
#endif

}  // namespace troupe::test

#if !defined(__SANITIZE_ADDRESS__)
extern "C" {
void* malloc(std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  troupe::test::note_allocation(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  return __libc_realloc(old, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) {
  *result = memalign(alignment, bytes);
  return *result ? 0 : ENOMEM;
}
}
#endif
