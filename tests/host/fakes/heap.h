// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include <cstddef>

struct FakeHeap {
    FakeHeap();
    ~FakeHeap();
    FakeHeap(const FakeHeap&) = delete;
    static int fail_after;  // so many kernel allocations succeed, then one fails; -1: none fails
    static size_t live();   // kernel allocations that have not been freed
    static size_t total;    // bytes of kernel memory; more cannot be allocated
    static size_t used;
};
