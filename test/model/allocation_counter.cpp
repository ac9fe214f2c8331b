#include "test/model/allocation_counter.hpp"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*, std::size_t),
                                                         void (*free_hook)(const volatile void*));
extern "C" std::size_t __sanitizer_get_allocated_size(const volatile void* memory);
#else
extern "C" void* __libc_malloc(std::size_t bytes);
extern "C" void* __libc_calloc(std::size_t count, std::size_t bytes);
extern "C" void* __libc_realloc(void* old, std::size_t bytes);
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t bytes);
extern "C" void __libc_free(void* memory);
#endif

namespace troupe::test {
namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> count{0};
std::atomic<std::size_t> largest{0};
std::atomic<std::int64_t> live{0};  // below zero when what was there before is given back
std::atomic<std::int64_t> peak{0};

template <class T>
void raise(std::atomic<T>& to, T value) {
  T seen = to.load();
  while (value > seen && !to.compare_exchange_weak(seen, value)) {
  }
}

void note(std::size_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return;
  count.fetch_add(1);
  raise(largest, bytes);
}
void note_live(std::int64_t change) {
  if (counting.load(std::memory_order_relaxed)) raise(peak, live.fetch_add(change) + change);
}

#if defined(__SANITIZE_ADDRESS__)
const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t bytes) {
      note(bytes);
      note_live(static_cast<std::int64_t>(bytes));
    },
    [](const volatile void* memory) {
      if (memory != nullptr) note_live(-static_cast<std::int64_t>(__sanitizer_get_allocated_size(memory)));
    });
#endif

}  // namespace

void start_counting() {
  count = 0;
  largest = 0;
  live = 0;
  peak = 0;
  counting = true;
}

Allocations stop_counting() {
  counting = false;
  return {count, largest, static_cast<std::size_t>(peak.load())};
}

#if !defined(__SANITIZE_ADDRESS__)
void note_allocation(std::size_t bytes) { note(bytes); }
void* taken(void* memory) {
  if (memory != nullptr) note_live(static_cast<std::int64_t>(malloc_usable_size(memory)));
  return memory;
}
void given_back(void* memory) {
  if (memory != nullptr) note_live(-static_cast<std::int64_t>(malloc_usable_size(memory)));
}
#endif

}  // namespace troupe::test

#if !defined(__SANITIZE_ADDRESS__)
extern "C" {
void* malloc(std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  return troupe::test::taken(__libc_malloc(bytes));
}
void* calloc(std::size_t count, std::size_t bytes) {
  troupe::test::note_allocation(count * bytes);
  return troupe::test::taken(__libc_calloc(count, bytes));
}
void* realloc(void* old, std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  troupe::test::given_back(old);
  return troupe::test::taken(__libc_realloc(old, bytes));
}
void free(void* memory) {
  troupe::test::given_back(memory);
  __libc_free(memory);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  troupe::test::note_allocation(bytes);
  return troupe::test::taken(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) {
  *result = memalign(alignment, bytes);
  return *result ? 0 : ENOMEM;
}
}
#endif
