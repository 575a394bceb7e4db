// SPDX-License-Identifier: BSD-2-Clause
// Many small pieces of memory of one size, cut from larger ones: taken and given back in constant
// time, whatever the heap looks like. A large piece goes back to the heap when it is empty.
#pragma once
#include <cstddef>
#include <new>

class Pool {
    static constexpr size_t pointer_bytes = sizeof(void*);

public:
    // At most 1 KiB each, aligned as pointers are.
    constexpr explicit Pool(size_t bytes)
        : step_(pointer_bytes + (bytes + pointer_bytes - 1) / pointer_bytes * pointer_bytes)
    {
    }
    Pool(const Pool&) = delete;

    // Null if there is no memory.
    void* take()
    {
        if (!usable_ && !grow()) return nullptr;
        Slab* slab = usable_;
        Cell* cell = slab->free;
        slab->free = cell->next;
        ++slab->used;
        if (!slab->free) unlink(slab);
        return &cell->next;
    }
    void give(void* memory)
    {
        auto cell = reinterpret_cast<Cell*>(static_cast<std::byte*>(memory) - offsetof(Cell, next));
        Slab* slab = cell->slab;
        if (!slab->free) link(slab);
        cell->next = slab->free;
        slab->free = cell;
        if (--slab->used) return;
        unlink(slab);
        delete[] reinterpret_cast<std::byte*>(slab);
    }

private:
    struct Slab;
    struct Cell {
        Slab* slab;
        Cell* next;  // of the free ones; else what it is used for begins here
    };
    struct Slab {
        Slab *next, *previous;  // of those with free cells
        Cell* free;
        size_t used;
    };
    static constexpr size_t slab_bytes = 4088;  // a page, with the heap's own

    bool grow()
    {
        auto memory = new (std::nothrow) std::byte[slab_bytes];
        if (!memory) return false;
        auto slab = new (memory) Slab{};
        for (size_t at = sizeof(Slab); at + step_ <= slab_bytes; at += step_)
            slab->free = new (memory + at) Cell{slab, slab->free};
        link(slab);
        return true;
    }
    void link(Slab* slab)
    {
        slab->previous = nullptr;
        slab->next = usable_;
        if (usable_) usable_->previous = slab;
        usable_ = slab;
    }
    void unlink(Slab* slab)
    {
        (slab->previous ? slab->previous->next : usable_) = slab->next;
        if (slab->next) slab->next->previous = slab->previous;
    }

    size_t step_;
    Slab* usable_ = nullptr;
};
