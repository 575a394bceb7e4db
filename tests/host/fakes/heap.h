// SPDX-License-Identifier: BSD-2-Clause
#pragma once

struct FakeHeap {
    FakeHeap();
    ~FakeHeap();
    FakeHeap(const FakeHeap&) = delete;
    static int fail_after;  // so many kernel allocations succeed, then one fails; -1: none fails
};
