// SPDX-License-Identifier: BSD-2-Clause
// MADE
//! The API of Vesper, for freestanding payloads:
//!
//!     const vesper = @import("vesper");
//!
//!     export fn main(v: *const vesper.Vesper) i32 { ... }
//!
//! Every call of the C header is a field: `v.file.open(path)`. Text that ends with a NUL is what a
//! string literal is. Numbers of 64 bits in structs lie at multiples of 4, as the i386 has them.

/// What a call returned: its number, or that it failed. `code(result)` has the reason.
pub fn check(result: i32) error{Vesper}!u32 {
    return if (result < 0) error.Vesper else @intCast(result);
}
