// SPDX-License-Identifier: BSD-2-Clause
// The kernel's heap, as the host tests see it. The kernel never frees nodes and caches, and it
// always allocates with std::nothrow: what it allocated while a FakeHeap lives is freed when that
// ends, so that a fuzzer can mount a million volumes; and an allocation can be made to fail.
#include "fakes/heap.h"
#include <malloc.h>
#include <cstdlib>
#include <new>
#include <unordered_set>
#include "lib/heap.h"

namespace {

template <class T> struct Malloc {  // the set's own memory: not through operator new
    using value_type = T;
    Malloc() = default;
    template <class U> Malloc(const Malloc<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(malloc(n * sizeof(T))); }
    void deallocate(T* p, size_t) { free(p); }
    bool operator==(const Malloc&) const { return true; }
};
using Set = std::unordered_set<void*, std::hash<void*>, std::equal_to<void*>, Malloc<void*>>;
Set* recorded = nullptr;

void* record(size_t bytes)
{
    if (FakeHeap::fail_after >= 0 && FakeHeap::fail_after-- == 0) return nullptr;
    if (recorded && bytes > FakeHeap::total - FakeHeap::used) return nullptr;
    void* p = malloc(bytes);
    if (recorded && p) {
        recorded->insert(p);
        FakeHeap::used += malloc_usable_size(p);
    }
    return p;
}
void forget(void* p)
{
    if (recorded && recorded->erase(p)) FakeHeap::used -= malloc_usable_size(p);
    free(p);
}
void* plain(size_t bytes)
{
    if (void* p = malloc(bytes ? bytes : 1)) return p;
    abort();
}

}  // namespace

int FakeHeap::fail_after = -1;
size_t FakeHeap::total = 0;
size_t FakeHeap::used = 0;
KernelMemory kernel_memory() { return {FakeHeap::total, FakeHeap::total - FakeHeap::used}; }
size_t FakeHeap::live() { return recorded->size(); }

FakeHeap::FakeHeap()
{
    fail_after = -1;
    total = size_t{1} << 30;
    used = 0;
    recorded = new (malloc(sizeof(Set))) Set;
}
FakeHeap::~FakeHeap()
{
    fail_after = -1;
    Set* all = recorded;
    recorded = nullptr;
    for (void* p : *all) free(p);
    all->~Set();
    free(all);
}

void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return record(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return record(bytes); }
void* operator new(size_t bytes) { return plain(bytes); }
void* operator new[](size_t bytes) { return plain(bytes); }
void operator delete(void* p) noexcept { forget(p); }
void operator delete[](void* p) noexcept { forget(p); }
void operator delete(void* p, size_t) noexcept { forget(p); }
void operator delete[](void* p, size_t) noexcept { forget(p); }
