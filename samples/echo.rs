// SPDX-License-Identifier: BSD-2-Clause
//! echo - prints X, waits for a key, prints it, and returns its code to the monitor.
//!
//!     ./vesper run samples/echo.rs
#![no_std]
#![no_main]

use vesper::Vesper;

#[no_mangle]
extern "C" fn main(v: &'static Vesper) -> i32 {
    v.put(b'X');
    match v.wait_key() {
        Ok(key) => {
            v.put(key as u8); // of a key's code emit looks at the low 8 bits
            key as i32
        }
        Err(error) => {
            v.print(v.error_text(error));
            error.0
        }
    }
}

/// Stops here: the kernel reports the fault, and where it was.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
