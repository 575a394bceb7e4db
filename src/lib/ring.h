// SPDX-License-Identifier: BSD-2-Clause
// A queue of fixed size between an interrupt handler and the program: one side pushes, one pops.
// It overwrites nothing: what does not fit is counted.
#pragma once
#include <array>

template <class T, unsigned Capacity> class Ring {
    static_assert((Capacity & (Capacity - 1)) == 0, "a power of two");

public:
    void push(T item)
    {
        if (tail_ - head_ == Capacity) {
            dropped = dropped + 1;
            return;
        }
        items_[tail_ % Capacity] = item;
        asm volatile("" ::: "memory");  // the item is there before it is counted
        tail_ = tail_ + 1;
    }
    bool pop(T& item)
    {
        if (head_ == tail_) return false;
        asm volatile("" ::: "memory");
        item = items_[head_ % Capacity];
        asm volatile("" ::: "memory");  // its place is free only when it has been read
        head_ = head_ + 1;
        return true;
    }
    unsigned size() const { return tail_ - head_; }
    T peek(unsigned index) const { return items_[(head_ + index) % Capacity]; }  // index < size()
    void clear() { head_ = tail_; }

    volatile unsigned dropped = 0;

private:
    std::array<T, Capacity> items_{};
    volatile unsigned head_ = 0, tail_ = 0;
};
