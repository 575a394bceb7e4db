// SPDX-License-Identifier: BSD-2-Clause
// MADE
//! The API of Vesper, for `no_std` payloads. In the root of the crate:
//!
//!     #[path = "../sdk/vesper.rs"]
//!     mod vesper;
//!
//!     #[no_mangle]
//!     extern "C" fn main(v: &'static vesper::Vesper) -> i32 { ... }
//!
//! Every call of the C header is a field: `unsafe { (v.file.open)(path.as_ptr()) }`, with text that
//! ends in a NUL. At the end are safe words for the most frequent ones, `check`, and `write!`.
#![allow(dead_code)]
#![allow(clippy::all)]

use core::ffi::c_void;

/// Structs of numbers, for which all zeros is a value: what calls fill in begins as this.
pub trait Zeroed: Sized {
    fn zeroed() -> Self {
        unsafe { core::mem::zeroed() }
    }
}
// ---- declarations ----

// ---- safe words, and Rust's own ways -----------------------------------------------------------

/// One of the negative numbers of a call: `NOT_FOUND` ...
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error(pub i32);

/// What a call returned, as Rust has it: `check(unsafe { (v.file.sync)() })?`.
pub fn check(result: i32) -> Result<u32, Error> {
    if result < 0 {
        Err(Error(result))
    } else {
        Ok(result as u32)
    }
}

/// The text before the NUL of a field such as `name`.
pub fn text(field: &[u8]) -> &str {
    let length = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    core::str::from_utf8(&field[..length]).unwrap_or("?")
}

unsafe fn c_text(address: *const u8) -> &'static str {
    let mut length = 0;
    while *address.add(length) != 0 {
        length += 1;
    }
    core::str::from_utf8_unchecked(core::slice::from_raw_parts(address, length))
}

impl Vesper {
    /// Writes one character.
    pub fn put(&self, character: u8) {
        unsafe { (self.emit)(character as i32) }
    }
    /// Waits for a key.
    pub fn wait_key(&self) -> Result<u32, Error> {
        check(unsafe { (self.key)() })
    }
    /// The next key, if there is one.
    pub fn next_key(&self) -> Option<u32> {
        check(unsafe { (self.keyq)() }).ok()
    }
    /// Writes text.
    pub fn print(&self, text: &str) {
        unsafe { (self.console.write)(text.as_ptr(), text.len() as u32) };
    }
    /// The words of the command line that are the payload's.
    pub fn arguments(&self) -> &'static str {
        unsafe { c_text(self.args) }
    }
    /// Microseconds since boot.
    pub fn ticks(&self) -> u64 {
        unsafe { (self.time.ticks)() }
    }
    /// Waits for at least so many microseconds.
    pub fn sleep(&self, us: u64) -> Result<u32, Error> {
        check(unsafe { (self.time.sleep)(us) })
    }
    /// A few English words for an error.
    pub fn error_text(&self, error: Error) -> &'static str {
        unsafe { c_text((self.debug.error_text)(error.0)) }
    }
}

/// `write!(&mut &*v, "{} KiB", n)`
impl core::fmt::Write for &Vesper {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.print(text);
        Ok(())
    }
}
