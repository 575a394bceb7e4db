// SPDX-License-Identifier: BSD-2-Clause
//! echo - prints X, waits for a key, prints it, and returns its code to the monitor.
//!
//!     ./vesper run samples/echo.zig
const vesper = @import("vesper");

export fn main(v: *const vesper.Vesper) i32 {
    v.emit('X');
    const key = v.key();
    if (key < 0) {
        const why = v.debug.error_text(key);
        var length: u32 = 0;
        while (why[length] != 0) length += 1;
        _ = v.console.write(why, length);
        return key;
    }
    v.emit(key); // which looks at the low 8 bits
    return key;
}
