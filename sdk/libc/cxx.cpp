// SPDX-License-Identifier: BSD-2-Clause
// What a C++ program needs besides its headers: new and delete, over malloc, and the functions that
// the templates of the standard library call where they would throw. Here those end the program.
#include <cstddef>
#include <new>

extern "C" {
void* malloc(std::size_t);
void* memalign(std::size_t, std::size_t);
void free(void*);
[[noreturn]] void abort();
int puts(const char*);

[[noreturn]] void __cxa_pure_virtual()
{
    puts("a pure virtual function has been called");
    abort();
}
[[noreturn]] void __cxa_deleted_virtual() { __cxa_pure_virtual(); }
}

static void* allocate(std::size_t bytes)
{
    if (void* memory = malloc(bytes ? bytes : 1)) return memory;
    puts("operator new: out of memory");
    abort();
}

static void* allocate(std::size_t bytes, std::align_val_t alignment)
{
    if (void* memory = memalign(static_cast<std::size_t>(alignment), bytes ? bytes : 1))
        return memory;
    puts("operator new: out of memory");
    abort();
}

const std::nothrow_t std::nothrow{};

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void* operator new(std::size_t bytes, std::align_val_t to) { return allocate(bytes, to); }
void* operator new[](std::size_t bytes, std::align_val_t to) { return allocate(bytes, to); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, std::size_t) noexcept { free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { free(memory); }

namespace std {

[[noreturn]] static void end(const char* why)
{
    puts(why);
    abort();
}

void __throw_bad_alloc() { end("out of memory"); }
void __throw_bad_array_new_length() { end("an array of no possible length"); }
[[noreturn]] void __throw_length_error(const char* why) { end(why); }
[[noreturn]] void __throw_logic_error(const char* why) { end(why); }
[[noreturn]] void __throw_invalid_argument(const char* why) { end(why); }
[[noreturn]] void __throw_out_of_range(const char* why) { end(why); }
[[noreturn]] void __throw_out_of_range_fmt(const char* why, ...) { end(why); }
[[noreturn]] void __throw_bad_function_call() { end("a std::function without a function"); }
[[noreturn]] void __throw_bad_optional_access() { end("a std::optional without a value"); }
[[noreturn]] void __throw_bad_variant_access(const char* why) { end(why); }

// Asked by shared_ptr, without RTTI to no avail.
class type_info;
struct _Sp_make_shared_tag {
    static bool _S_eq(const type_info&) noexcept;
};
bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept { return false; }

}  // namespace std
