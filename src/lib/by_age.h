// SPDX-License-Identifier: BSD-2-Clause
// A list of what somebody else owns, in the order in which it was used. T has members `T *newer,
// *older`, which are the list's.
#pragma once

template <class T> class ByAge {
public:
    T* newest() const { return newest_; }  // null: it is empty
    T* oldest() const { return oldest_; }
    void add(T& item)  // as the newest
    {
        item.newer = nullptr;
        item.older = newest_;
        (newest_ ? newest_->newer : oldest_) = &item;
        newest_ = &item;
    }
    void remove(T& item)
    {
        (item.newer ? item.newer->older : newest_) = item.older;
        (item.older ? item.older->newer : oldest_) = item.newer;
    }
    void use(T& item)  // it is the newest from now on
    {
        if (newest_ == &item) return;
        remove(item);
        add(item);
    }

private:
    T *newest_ = nullptr, *oldest_ = nullptr;
};
