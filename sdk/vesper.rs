// SPDX-License-Identifier: BSD-2-Clause
// Made from include/vesper.h by `./vesper bindings`: change that, not this.
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

// ---- entry, errors ---------------------------------------------------------------------------
pub const KEXECADDR: u32 = 0xc0430000;
pub const MAGIC: [u8; 4] = *b"VSPR";
/// major << 16 | minor
pub const VERSION: u32 = 0x10002;
/// no such device, file, entry or handle
pub const NOT_FOUND: i32 = -1;
/// a device did not answer before its deadline
pub const TIMED_OUT: i32 = -2;
/// a device reported an error
pub const DEVICE: i32 = -3;
/// a device has been removed
pub const GONE: i32 = -4;
/// the data on the medium is damaged
pub const CORRUPT: i32 = -5;
/// well-formed, but nothing here can do it
pub const UNSUPPORTED: i32 = -6;
/// an argument is out of range
pub const INVALID: i32 = -7;
/// the medium is full
pub const NO_SPACE: i32 = -8;
/// the kernel's memory is used up
pub const NO_MEMORY: i32 = -9;
/// in use, or called from where it must not be
pub const BUSY: i32 = -10;
/// the medium or file system cannot be written
pub const READ_ONLY: i32 = -11;
/// there is one already
pub const EXISTS: i32 = -12;
/// it does not fit; a path has too many links
pub const TOO_LARGE: i32 = -13;
pub const NOT_DIRECTORY: i32 = -14;
pub const IS_DIRECTORY: i32 = -15;
pub const NOT_EMPTY: i32 = -16;
/// a break came while the call waited
pub const INTERRUPTED: i32 = -17;

// ---- keys: what key() and keyq() return ------------------------------------------------------
// Printable keys: their ASCII code, with Shift and Caps Lock applied. Control with a letter:
// 1...26. Enter 13, Backspace 8, Tab 9, Escape 27. The keys below have codes of their own. Alt adds
// VESPER_KEY_ALT to any code; Shift and Control add theirs to the codes >= 256. A serial terminal's
// escape sequences give the same codes.
pub const KEY_UP: i32 = 0x101;
pub const KEY_DOWN: i32 = 0x102;
pub const KEY_LEFT: i32 = 0x103;
pub const KEY_RIGHT: i32 = 0x104;
pub const KEY_HOME: i32 = 0x105;
pub const KEY_END: i32 = 0x106;
pub const KEY_PAGE_UP: i32 = 0x107;
pub const KEY_PAGE_DOWN: i32 = 0x108;
pub const KEY_INSERT: i32 = 0x109;
pub const KEY_DELETE: i32 = 0x10a;
pub const KEY_PAUSE: i32 = 0x10b;
pub const KEY_PRINT: i32 = 0x10c;
pub const KEY_MENU: i32 = 0x10d;
/// keypad 5 with Num Lock off
pub const KEY_CENTER: i32 = 0x10e;
/// ... F12 = 0x11c
pub const KEY_F1: i32 = 0x111;
pub const KEY_F12: i32 = 0x11c;
pub const KEY_ALT: i32 = 0x1000;
pub const KEY_SHIFT: i32 = 0x2000;
pub const KEY_CONTROL: i32 = 0x4000;

// ---- console: text on all screens and serial lines -------------------------------------------
// Colours are those of VGA text: attribute = background << 4 | foreground; 0 black, 1 blue, 2
// green, 3 cyan, 4 red, 5 magenta, 6 brown, 7 grey, + 8 bright. 0x07 at first. A serial line shows
// cells, colours and the cursor by ANSI escape sequences.

#[repr(C)]
pub struct Console {
    pub size: u32,
    /// Writes text: printable ASCII, \n (next line, column 0), \r, \b, \t. Returns how many bytes:
    /// at most 65536 in one call.
    pub write: unsafe extern "C" fn(text: *const u8, length: u32) -> i32,
    /// The number of character cells.
    pub cells: unsafe extern "C" fn(columns: *mut u32, rows: *mut u32) -> i32,
    /// Puts one character (CP437) into a cell; the cursor stays. INVALID: no such cell.
    pub put: unsafe extern "C" fn(column: u32, row: u32, c: i32, attribute: u32) -> i32,
    /// Moves the cursor: where write() goes on. INVALID: no such cell.
    pub r#move: unsafe extern "C" fn(column: u32, row: u32) -> i32,
    /// The attribute that write() uses from now on.
    pub color: unsafe extern "C" fn(attribute: u32) -> i32,
    /// Fills all cells with spaces; the cursor goes to 0, 0.
    pub clear: unsafe extern "C" fn() -> i32,
    /// Moves all text up by `lines`, down if negative; the cursor stays. With a region: its text.
    pub scroll: unsafe extern "C" fn(lines: i32) -> i32,
    /// From now on only rows top ... bottom - 1 scroll, also for write(). 0, 0: the whole screen.
    /// INVALID.
    pub region: unsafe extern "C" fn(top: u32, bottom: u32) -> i32,
    /// Where the cursor is.
    pub cursor: unsafe extern "C" fn(column: *mut u32, row: *mut u32) -> i32,
    /// Shows the cursor, or hides it (0).
    pub show_cursor: unsafe extern "C" fn(visible: u32) -> i32,
    /// Fills a rectangle with one character. INVALID: it leaves the screen.
    pub fill: unsafe extern "C" fn(
        column: u32,
        row: u32,
        columns: u32,
        rows: u32,
        c: i32,
        attribute: u32,
    ) -> i32,
    /// Puts `count` cells into one row: each is character | attribute << 8. INVALID: they leave it.
    pub put_row: unsafe extern "C" fn(column: u32, row: u32, cells: *const u16, count: u32) -> i32,
    /// How often the number of cells has changed since boot: compare it with the last answer.
    pub resizes: unsafe extern "C" fn() -> i32,
}

// ---- input: keys going down and up, mice -----------------------------------------------------
// Keys are numbered as on USB (HID Usage Tables, page 7). The queues of key(), of key events and of
// pointer events are independent, and each keeps the last 256. A key from a serial line is a press
// and a release.
pub const LEFT_CONTROL: u32 = 1;
pub const LEFT_SHIFT: u32 = 2;
pub const LEFT_ALT: u32 = 4;
pub const LEFT_GUI: u32 = 8;
pub const RIGHT_CONTROL: u32 = 16;
pub const RIGHT_SHIFT: u32 = 32;
pub const RIGHT_ALT: u32 = 64;
pub const RIGHT_GUI: u32 = 128;
pub const NUM_LOCK: u32 = 0x100;
pub const CAPS_LOCK: u32 = 0x200;
pub const SCROLL_LOCK: u32 = 0x400;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct KeyEvent {
    /// when it came, as ticks() counts
    pub time: u64,
    /// HID usage: 4 is A, 0x28 Enter, 0xe0 left Control
    pub usage: u32,
    /// held after it: enum vesper_modifier
    pub modifiers: u32,
    /// 1: pressed, 2: repeated by the keyboard, 0: released
    pub down: i32,
    /// what key() returns for it, 0 if nothing
    pub key: i32,
    /// for info()
    pub device: i32,
}
impl Zeroed for KeyEvent {}
pub const BUTTON_LEFT: u32 = 1;
pub const BUTTON_RIGHT: u32 = 2;
pub const BUTTON_MIDDLE: u32 = 4;
pub const BUTTON_BACK: u32 = 8;
pub const BUTTON_FORWARD: u32 = 16;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PointerEvent {
    pub time: u64,
    /// motion, right and down positive; or a position, 0 ... 65535
    pub x: i32,
    /// motion, right and down positive; or a position, 0 ... 65535
    pub y: i32,
    /// notches, away from the user positive
    pub wheel: i32,
    /// held after it: enum vesper_button
    pub buttons: u32,
    /// buttons that were pressed or released
    pub changed: u32,
    pub absolute: u32,
    pub device: i32,
}
impl Zeroed for PointerEvent {}
pub const KEYBOARD: u32 = 1;
pub const POINTER: u32 = 2;
pub const TERMINAL: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct InputInfo {
    /// enum vesper_input_kind
    pub kind: u32,
    /// "pckbd0"
    pub name: [u8; 16],
    /// "3 buttons, wheel"
    pub model: [u8; 48],
}
impl Zeroed for InputInfo {}

#[repr(C)]
pub struct Input {
    pub size: u32,
    /// The index-th input device. NOT_FOUND: no more.
    pub info: unsafe extern "C" fn(device: i32, info: *mut InputInfo) -> i32,
    /// The oldest key event, taken from the queue. Returns 1, or 0 if there is none.
    pub key_event: unsafe extern "C" fn(event: *mut KeyEvent) -> i32,
    /// The oldest pointer event, likewise.
    pub pointer_event: unsafe extern "C" fn(event: *mut PointerEvent) -> i32,
    /// Whether the key with this usage is down now: 1 or 0. INVALID: beyond 255.
    pub held: unsafe extern "C" fn(usage: u32) -> i32,
    /// The modifiers as they are now.
    pub modifiers: unsafe extern "C" fn() -> i32,
    /// Empties all three queues.
    pub clear: unsafe extern "C" fn() -> i32,
    /// How many events were lost since boot because nobody took them in time.
    pub lost: unsafe extern "C" fn() -> i32,
}

// ---- block: disks and partitions, in blocks of their own size --------------------------------
// A device is a number, 0 ... count() - 1; it does not change until power-off.

#[repr(C)]
#[derive(Clone, Copy)]
pub struct BlockInfo {
    pub blocks: u64,
    /// of a partition, on its disk
    pub first_block: u64,
    /// 512 ... 4096
    pub block_bytes: u32,
    /// the disk that a partition is part of, -1 for a disk
    pub disk: i32,
    pub read_only: u32,
    /// "wd0", "wd0a"
    pub name: [u8; 16],
    /// as the disk says; a partition's type
    pub model: [u8; 48],
}
impl Zeroed for BlockInfo {}
pub const BLOCK_READ_ONLY: u32 = 1;
pub const BLOCK_REMOVABLE: u32 = 2;
/// it has been removed; its calls fail with GONE
pub const BLOCK_GONE: u32 = 4;
/// a volume of file
pub const BLOCK_MOUNTED: u32 = 8;
/// the volume that /kexec came from
pub const BLOCK_ROOT: u32 = 16;
pub const READ: u32 = 0;
pub const WRITE: u32 = 1;
pub const FLUSH: u32 = 2;
pub const DISCARD: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct BlockRequest {
    pub first: u64,
    pub count: u32,
    /// enum vesper_block_operation
    pub operation: u32,
    /// count blocks, for READ and WRITE
    pub data: *mut c_void,
    pub device: i32,
    /// BUSY while it is under way, then 0 or why it failed
    pub result: i32,
    /// the kernel's, while it is under way
    pub link: *mut c_void,
    /// the payload's
    pub context: *mut c_void,
}
impl Zeroed for BlockRequest {}

#[repr(C)]
pub struct Block {
    pub size: u32,
    /// How many there are.
    pub count: unsafe extern "C" fn() -> i32,
    /// What it is. NOT_FOUND.
    pub info: unsafe extern "C" fn(device: i32, info: *mut BlockInfo) -> i32,
    /// The number of the device with this name. NOT_FOUND.
    pub find: unsafe extern "C" fn(name: *const u8) -> i32,
    /// Reads blocks first ... first + count - 1. INVALID: not on the device. DEVICE, TIMED_OUT,
    /// GONE.
    pub read: unsafe extern "C" fn(device: i32, first: u64, count: u32, into: *mut c_void) -> i32,
    /// Writes blocks. A file system mounted on them sees what was written. INVALID, READ_ONLY,
    /// DEVICE, TIMED_OUT, GONE.
    pub write: unsafe extern "C" fn(
        device: i32,
        first: u64,
        count: u32,
        from: *const c_void,
    ) -> i32,
    /// Returns when all that was written is on the medium. DEVICE, TIMED_OUT, GONE.
    pub flush: unsafe extern "C" fn(device: i32) -> i32,
    /// The contents of these blocks are no longer needed. UNSUPPORTED: the disk cannot be told.
    pub discard: unsafe extern "C" fn(device: i32, first: u64, count: u32) -> i32,
    /// What is true of it: enum vesper_block_flag, or'ed. NOT_FOUND.
    pub flags: unsafe extern "C" fn(device: i32) -> i32,
    /// Starts a request and returns at once. It is the kernel's until `result` is no longer BUSY.
    /// NOT_FOUND, INVALID: refused, nothing was started.
    pub submit: unsafe extern "C" fn(request: *mut BlockRequest) -> i32,
    /// Moves requests on without waiting. Returns how many are not done yet.
    pub poll: unsafe extern "C" fn() -> i32,
    /// Waits until the request is done, and returns its result. TIMED_OUT: not within `us`; it goes
    /// on.
    pub wait: unsafe extern "C" fn(request: *mut BlockRequest, us: u64) -> i32,
    /// Opens the tray of a drive whose medium can be removed. What was not synced to a volume on it
    /// is lost. UNSUPPORTED: it has none.
    pub eject: unsafe extern "C" fn(device: i32) -> i32,
    /// Closes it, and looks at the medium: info() shows its size. NOT_FOUND: there is none.
    pub load: unsafe extern "C" fn(device: i32) -> i32,
}

// ---- file: the root file system, and others --------------------------------------------------
// Names in paths are separated by '/'. A path begins at the root, with a '/' or without, or names
// its volume: "wd0a:/x" is /x on wd0a, "ram:/x" in the volume that lies in the kernel's memory. FFS
// and ext2 tell upper from lower case; FAT does not. Symbolic links are followed. Nothing is
// written to a disk before sync(), but when the cache is full; power->off, ->reboot and the
// payload's return sync too.
pub const FILE: u32 = 0;
pub const DIRECTORY: u32 = 1;
/// list() shows them; open() and stat() follow them
pub const LINK: u32 = 2;
pub const OTHER: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stat {
    pub bytes: u64,
    /// seconds since 1970-01-01 UTC
    pub modified: i64,
    /// inode number, or what stands for one
    pub id: u64,
    /// enum vesper_file_type
    pub r#type: u32,
    /// permissions as in Unix
    pub mode: u32,
}
impl Zeroed for Stat {}
pub const OPEN_READ: u32 = 1;
pub const OPEN_WRITE: u32 = 2;
/// made if it is not there, nor where a link leads
pub const OPEN_CREATE: u32 = 4;
/// with CREATE: EXISTS if it is there, or a link is
pub const OPEN_EXCLUSIVE: u32 = 8;
/// all that is in it goes; with WRITE
pub const OPEN_TRUNCATE: u32 = 16;
/// each write goes to the end; with WRITE
pub const OPEN_APPEND: u32 = 32;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Volume {
    /// room for data, used or not
    pub bytes: u64,
    /// as far as it is known without a long search, else 0
    pub free_bytes: u64,
    /// "wd0a", "ram": what stands before the ':'
    pub name: [u8; 16],
    /// "ffs2"
    pub r#type: [u8; 16],
    pub label: [u8; 32],
    /// of block, -1: none
    pub device: i32,
    pub read_only: u32,
    pub is_root: u32,
}
impl Zeroed for Volume {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    pub id: u64,
    pub r#type: u32,
    /// UTF-8
    pub name: [u8; 768],
}
impl Zeroed for Entry {}

#[repr(C)]
pub struct File {
    pub size: u32,
    /// Opens a file or directory. Returns a handle. NOT_FOUND, NOT_DIRECTORY, NO_MEMORY, CORRUPT
    /// ...
    pub open: unsafe extern "C" fn(path: *const u8) -> i32,
    /// Closes it. What was written is not synced.
    pub close: unsafe extern "C" fn(file: i32) -> i32,
    /// Reads at most `bytes` at the file's position, which moves on. Returns how many: 0 at the
    /// end. At most 2^31 - 1 in one call. IS_DIRECTORY, CORRUPT, DEVICE ...
    pub read: unsafe extern "C" fn(file: i32, into: *mut c_void, bytes: u32) -> i32,
    /// Sets the position; it may lie beyond the end.
    pub seek: unsafe extern "C" fn(file: i32, position: u64) -> i32,
    /// The length of the file.
    pub length: unsafe extern "C" fn(file: i32, bytes: *mut u64) -> i32,
    /// The next entry of an open directory, without "." and "..". Returns 1, or 0 after the last;
    /// seek to 0 begins again. NOT_DIRECTORY.
    pub list: unsafe extern "C" fn(directory: i32, entry: *mut Entry) -> i32,
    /// What is known of a file or directory. NOT_FOUND ...
    pub stat: unsafe extern "C" fn(path: *const u8, stat: *mut Stat) -> i32,
    /// Opens a file as `how` says: enum vesper_open, or'ed. Returns a handle. INVALID, READ_ONLY,
    /// EXISTS, IS_DIRECTORY, NOT_FOUND, NO_SPACE ...
    pub open_as: unsafe extern "C" fn(path: *const u8, how: u32) -> i32,
    /// Writes at the file's position, which moves on. Returns how many bytes, all but when there is
    /// NO_SPACE for the rest. INVALID: not opened to write.
    pub write: unsafe extern "C" fn(file: i32, from: *const c_void, bytes: u32) -> i32,
    /// The position.
    pub position: unsafe extern "C" fn(file: i32, position: *mut u64) -> i32,
    /// Cuts the file, or lengthens it with zeros. INVALID: not opened to write.
    pub truncate: unsafe extern "C" fn(file: i32, bytes: u64) -> i32,
    /// As stat(), of an open file.
    pub stat_file: unsafe extern "C" fn(file: i32, stat: *mut Stat) -> i32,
    /// As stat(), of a link itself.
    pub stat_link: unsafe extern "C" fn(path: *const u8, stat: *mut Stat) -> i32,
    /// Makes a directory. EXISTS, NOT_FOUND, READ_ONLY ...
    pub make_directory: unsafe extern "C" fn(path: *const u8) -> i32,
    /// Removes a file, link or empty directory. An open file can be used until it is closed.
    /// NOT_FOUND, NOT_EMPTY, READ_ONLY ...
    pub remove: unsafe extern "C" fn(path: *const u8) -> i32,
    /// Renames or moves within a volume; a file that is at `to` goes. UNSUPPORTED: they are on
    /// different volumes. NOT_FOUND, EXISTS, INVALID (a directory into itself) ...
    pub rename: unsafe extern "C" fn(from: *const u8, to: *const u8) -> i32,
    /// Makes a second name for a file. UNSUPPORTED: not on this volume.
    pub link: unsafe extern "C" fn(path: *const u8, name: *const u8) -> i32,
    /// Makes a symbolic link at `path` that leads to `target`.
    pub make_link: unsafe extern "C" fn(path: *const u8, target: *const u8) -> i32,
    /// Where a symbolic link leads. Returns the length of the text, without its NUL. TOO_LARGE: it
    /// is no shorter than `bytes`. INVALID: no link.
    pub read_link: unsafe extern "C" fn(path: *const u8, into: *mut u8, bytes: u32) -> i32,
    /// When it was changed: seconds since 1970-01-01 UTC.
    pub set_modified: unsafe extern "C" fn(path: *const u8, modified: i64) -> i32,
    /// Permissions as in Unix. UNSUPPORTED: the volume has none.
    pub set_mode: unsafe extern "C" fn(path: *const u8, mode: u32) -> i32,
    /// Mounts what is on a device of block; its volume has the device's name. NOT_FOUND: no file
    /// system that is known here. EXISTS: it is mounted. BUSY: another volume has the same blocks.
    pub mount: unsafe extern "C" fn(device: i32) -> i32,
    /// Syncs and forgets a volume. BUSY: a file on it is open, or it is the root.
    pub unmount: unsafe extern "C" fn(volume: *const u8) -> i32,
    /// The index-th volume. NOT_FOUND: no more.
    pub volume: unsafe extern "C" fn(index: u32, volume: *mut Volume) -> i32,
    /// Returns when all that was written to files is on its medium.
    pub sync: unsafe extern "C" fn() -> i32,
    /// The same for one open file: its contents, its size and its name.
    pub sync_file: unsafe extern "C" fn(file: i32) -> i32,
    /// How much memory the cache of a volume on a disk may have, in bytes; 0: as little as can be.
    /// NOT_FOUND: no such volume. UNSUPPORTED: it has no cache.
    pub set_cache: unsafe extern "C" fn(volume: *const u8, bytes: u32) -> i32,
}

// ---- display: screens of pixels --------------------------------------------------------------
// Pixels lie at address + y * pitch + x * bits_per_pixel / 8. A frame buffer is slow to read.

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Mode {
    pub width: u32,
    pub height: u32,
    /// bytes from one line to the next
    pub pitch: u32,
    pub bits_per_pixel: u32,
    pub red_position: u32,
    pub red_bits: u32,
    pub green_position: u32,
    pub green_bits: u32,
    pub blue_position: u32,
    pub blue_bits: u32,
}
impl Zeroed for Mode {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DisplayInfo {
    pub name: [u8; 16],
    pub model: [u8; 48],
    /// how many it has
    pub modes: u32,
    /// pixels appear only after update()
    pub needs_update: u32,
    /// 0: not known
    pub width_mm: u32,
    /// 0: not known
    pub height_mm: u32,
}
impl Zeroed for DisplayInfo {}

#[repr(C)]
pub struct Display {
    pub size: u32,
    /// What the display is. NOT_FOUND: no more.
    pub info: unsafe extern "C" fn(display: i32, info: *mut DisplayInfo) -> i32,
    /// The index-th mode that it can show. NOT_FOUND: no more.
    pub mode: unsafe extern "C" fn(display: i32, index: u32, mode: *mut Mode) -> i32,
    /// The mode that it shows.
    pub current: unsafe extern "C" fn(display: i32, mode: *mut Mode) -> i32,
    /// Shows pixels in this mode; text leaves the display until release(). NOT_FOUND: no such mode.
    pub set_mode: unsafe extern "C" fn(
        display: i32,
        width: u32,
        height: u32,
        bits_per_pixel: u32,
    ) -> i32,
    /// Where the pixels of the present mode are.
    pub pixels: unsafe extern "C" fn(
        display: i32,
        address: *mut *mut c_void,
        bytes: *mut u32,
    ) -> i32,
    /// Makes a rectangle appear that has been drawn.
    pub update: unsafe extern "C" fn(display: i32, x: u32, y: u32, width: u32, height: u32) -> i32,
    /// Sets colours first ... first + count - 1 of a mode with 8 bits: 0xRRGGBB each.
    pub palette: unsafe extern "C" fn(
        display: i32,
        first: u32,
        count: u32,
        colors: *const u32,
    ) -> i32,
    /// Waits until the beam is behind the last line. UNSUPPORTED: it does not tell.
    pub wait_blank: unsafe extern "C" fn(display: i32, us: u64) -> i32,
    /// Gives the display back to the console.
    pub release: unsafe extern "C" fn(display: i32) -> i32,
}

// ---- net: network cards, and TCP/IP above them -----------------------------------------------
// Addresses and ports are in the host's byte order: 10.0.2.2 is 0x0a000202.

#[repr(C)]
#[derive(Clone, Copy)]
pub struct NetInfo {
    pub name: [u8; 16],
    pub model: [u8; 48],
    pub mac: [u8; 6],
    pub mtu: u16,
    /// Mbit/s, 0: no link
    pub link: u32,
    /// 0: none
    pub address: u32,
    /// 0: none
    pub netmask: u32,
    /// 0: none
    pub gateway: u32,
    /// 0: none
    pub name_server: u32,
}
impl Zeroed for NetInfo {}
pub const UDP: u32 = 1;
pub const TCP: u32 = 2;

#[repr(C)]
pub struct Net {
    pub size: u32,
    /// What the card is. NOT_FOUND: no more.
    pub info: unsafe extern "C" fn(card: i32, info: *mut NetInfo) -> i32,
    /// Sends one Ethernet frame, without its check sum. INVALID: too long.
    pub send_frame: unsafe extern "C" fn(card: i32, frame: *const c_void, bytes: u32) -> i32,
    /// Takes the next frame that came; TCP/IP no longer gets the card's frames. Returns its length,
    /// 0 if there is none. TOO_LARGE: cut off.
    pub receive_frame: unsafe extern "C" fn(card: i32, into: *mut c_void, bytes: u32) -> i32,
    /// Asks DHCP for an address. TIMED_OUT.
    pub configure: unsafe extern "C" fn(card: i32, us: u64) -> i32,
    /// Sets the address by hand.
    pub set_address: unsafe extern "C" fn(
        card: i32,
        address: u32,
        netmask: u32,
        gateway: u32,
        name_server: u32,
    ) -> i32,
    /// The address of a name. NOT_FOUND, TIMED_OUT.
    pub resolve: unsafe extern "C" fn(name: *const u8, us: u64, address: *mut u32) -> i32,
    /// Makes a socket of this kind. Returns a handle.
    pub open: unsafe extern "C" fn(kind: u32) -> i32,
    /// Receives at this port from now on; 0: any that is free.
    pub bind: unsafe extern "C" fn(socket: i32, port: u32) -> i32,
    /// Connects to a port. TIMED_OUT, DEVICE: refused.
    pub connect: unsafe extern "C" fn(socket: i32, address: u32, port: u32, us: u64) -> i32,
    /// Takes connections from now on.
    pub listen: unsafe extern "C" fn(socket: i32) -> i32,
    /// The next connection: a new socket. TIMED_OUT.
    pub accept: unsafe extern "C" fn(socket: i32, us: u64) -> i32,
    /// Sends. Returns how many bytes.
    pub send: unsafe extern "C" fn(socket: i32, from: *const c_void, bytes: u32) -> i32,
    /// Receives at most so many bytes. Returns how many: 0 if none come within `us`. GONE: the
    /// other side has closed.
    pub receive: unsafe extern "C" fn(socket: i32, into: *mut c_void, bytes: u32, us: u64) -> i32,
    /// The other side's address and port: of the connection, or of what was last received.
    pub peer: unsafe extern "C" fn(socket: i32, address: *mut u32, port: *mut u32) -> i32,
    /// Closes it.
    pub close: unsafe extern "C" fn(socket: i32) -> i32,
    /// Lets packets move; all other calls do so, too.
    pub poll: unsafe extern "C" fn() -> i32,
}

// ---- time: since boot, and of day ------------------------------------------------------------

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Date {
    /// month and day from 1
    pub year: u32,
    /// month and day from 1
    pub month: u32,
    /// month and day from 1
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// since 1970-01-01, if the machine's clock runs on UTC
    pub unix_seconds: i64,
}
impl Zeroed for Date {}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Clock {
    /// what ticks() reads: "tsc", "hpet", "pit"
    pub name: [u8; 16],
    /// of that
    pub hertz: u64,
}
impl Zeroed for Clock {}

#[repr(C)]
pub struct Time {
    pub size: u32,
    /// Microseconds since boot; never goes backwards. Cannot fail. May be called from a hook.
    pub ticks: unsafe extern "C" fn() -> u64,
    /// Waits for at least so many microseconds. INTERRUPTED.
    pub sleep: unsafe extern "C" fn(us: u64) -> i32,
    /// The battery-backed clock. NOT_FOUND: there is none. TIMED_OUT, CORRUPT: it is not set.
    pub date: unsafe extern "C" fn(date: *mut Date) -> i32,
    /// Waits until ticks() is at least `ticks`. INTERRUPTED.
    pub sleep_until: unsafe extern "C" fn(ticks: u64) -> i32,
    /// Sets the battery-backed clock; unix_seconds is not looked at. INVALID: no such date.
    /// NOT_FOUND, TIMED_OUT.
    pub set_date: unsafe extern "C" fn(date: *const Date) -> i32,
    /// Fills in a date from seconds since 1970-01-01. INVALID: before 1970, or 2^31 days later.
    pub to_date: unsafe extern "C" fn(unix_seconds: i64, date: *mut Date) -> i32,
    /// Fills in unix_seconds from the rest. INVALID: no such date.
    pub from_date: unsafe extern "C" fn(date: *mut Date) -> i32,
    /// Which clock ticks() reads, and how fine it is.
    pub clock: unsafe extern "C" fn(clock: *mut Clock) -> i32,
}

// ---- memory: what there is, and what devices can reach ---------------------------------------
// The payload's own memory is arena_start ... arena_end; it needs no call.
pub const RAM: u32 = 1;
pub const RESERVED: u32 = 2;
/// tables; RAM once they have been read
pub const ACPI: u32 = 3;
pub const NVS: u32 = 4;
pub const UNUSABLE: u32 = 5;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Range {
    pub start: u64,
    pub bytes: u64,
    /// enum vesper_memory_type
    pub r#type: u32,
    pub reserved: u32,
}
impl Zeroed for Range {}
/// device registers
pub const UNCACHED: u32 = 0;
/// RAM and ROM
pub const CACHED: u32 = 1;
/// frame buffers; uncached where the CPU has no such thing
pub const WRITE_COMBINING: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct MemoryUsage {
    /// the kernel's memory for drivers, caches and allocate()
    pub heap_bytes: u32,
    pub heap_used: u32,
    /// since boot
    pub heap_most_used: u32,
    /// addresses left for map_physical()
    pub window_bytes: u32,
}
impl Zeroed for MemoryUsage {}

#[repr(C)]
pub struct Memory {
    pub size: u32,
    /// The index-th range of the map that the firmware gave, in order of addresses. NOT_FOUND: no
    /// more.
    pub map: unsafe extern "C" fn(index: u32, range: *mut Range) -> i32,
    /// Makes physical memory visible; *address is where. Never undone. UNSUPPORTED: not reachable
    /// with 32-bit addresses. NO_MEMORY: the windows (256 MiB) are used up.
    pub map_physical: unsafe extern "C" fn(
        physical: u64,
        bytes: u32,
        caching: u32,
        address: *mut *mut c_void,
    ) -> i32,
    /// The index-th file that the boot loader loaded next to the kernel. NOT_FOUND: no more.
    pub module: unsafe extern "C" fn(
        index: u32,
        start: *mut *mut c_void,
        bytes: *mut u32,
        name: *mut *const u8,
    ) -> i32,
    /// Memory that a device can read and write: contiguous, zeroed, out of the kernel's, with its
    /// last byte not above `highest` (0xffffffff: any). `alignment` is a power of two, or 0 for 16.
    /// NO_MEMORY, INVALID.
    pub allocate: unsafe extern "C" fn(
        bytes: u32,
        alignment: u32,
        highest: u32,
        address: *mut *mut c_void,
    ) -> i32,
    /// Gives back what allocate() gave. All is given back when the payload ends. INVALID: it is not
    /// that.
    pub release: unsafe extern "C" fn(address: *mut c_void) -> i32,
    /// Where an address is in physical memory, for a device. NOT_FOUND: nowhere.
    pub physical: unsafe extern "C" fn(address: *const c_void, physical: *mut u64) -> i32,
    /// Where physical memory can be seen without a new window. NOT_FOUND: nowhere.
    pub address: unsafe extern "C" fn(physical: u64, address: *mut *mut c_void) -> i32,
    /// The kernel's own memory.
    pub usage: unsafe extern "C" fn(usage: *mut MemoryUsage) -> i32,
}

// ---- device: the tree of devices, and the hardware itself ------------------------------------
// A device is a number from 0 on; it does not change until power-off. A claimed device has no
// driver: it is the payload's until it gives it back, or ends.
pub const BUS_NONE: u32 = 0;
pub const BUS_PCI: u32 = 1;
pub const BUS_ISA: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DeviceInfo {
    /// "wd0"; "pcidev0.3.0" for one without a driver
    pub name: [u8; 16],
    /// "ide"; "" without a driver
    pub driver: [u8; 16],
    /// where on its bus: "dev 1 function 1"
    pub locator: [u8; 48],
    /// as its line at boot
    pub description: [u8; 160],
    /// -1: none
    pub parent: i32,
    /// enum vesper_bus: what it was found on
    pub bus: u32,
    pub claimed: u32,
    /// its line, 0: none
    pub irq: u32,
    /// bus << 16 | device << 8 | function
    pub pci_address: u32,
    pub vendor: u16,
    pub product: u16,
    /// base << 16 | sub << 8 | interface
    pub class_code: u32,
}
impl Zeroed for DeviceInfo {}
pub const PORTS: u32 = 1;
pub const DEVICE_MEMORY: u32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Resource {
    /// ports, or physical addresses
    pub start: u64,
    /// ports, or physical addresses
    pub bytes: u64,
    /// enum vesper_resource_kind
    pub kind: u32,
    pub prefetchable: u32,
}
impl Zeroed for Resource {}

#[repr(C)]
pub struct Device {
    pub size: u32,
    /// What the device is. NOT_FOUND: no more.
    pub info: unsafe extern "C" fn(device: i32, info: *mut DeviceInfo) -> i32,
    /// The number of the device with this name. NOT_FOUND.
    pub find: unsafe extern "C" fn(name: *const u8) -> i32,
    /// The first PCI device behind `after` (-1: of all) with these IDs; 0xffff fits any. NOT_FOUND.
    pub find_pci: unsafe extern "C" fn(after: i32, vendor: u32, product: u32) -> i32,
    /// Ports or memory of the device: base address register `index` (0 ... 5) on PCI; on ISA, 0.
    /// NOT_FOUND: it has none there.
    pub resource: unsafe extern "C" fn(device: i32, index: u32, resource: *mut Resource) -> i32,
    /// PCI configuration space: 1, 2 or 4 bytes at an offset that is a multiple of that. INVALID.
    pub read_config: unsafe extern "C" fn(
        device: i32,
        offset: u32,
        bytes: u32,
        value: *mut u32,
    ) -> i32,
    /// Writes there. BUSY: a driver has the device.
    pub write_config: unsafe extern "C" fn(
        device: i32,
        offset: u32,
        bytes: u32,
        value: u32,
    ) -> i32,
    /// Reads a port, 1, 2 or 4 bytes wide. INVALID.
    pub read_port: unsafe extern "C" fn(port: u32, bytes: u32, value: *mut u32) -> i32,
    /// Writes a port. INVALID.
    pub write_port: unsafe extern "C" fn(port: u32, bytes: u32, value: u32) -> i32,
    /// Takes the device from its driver, and makes it quiet: no DMA, no interrupts. What the driver
    /// published is GONE. Bus mastering and decoding are the payload's to switch on. BUSY: claimed
    /// already, or it holds a mounted volume. UNSUPPORTED: it is no device of its own on a bus, or
    /// a bridge.
    pub claim: unsafe extern "C" fn(device: i32) -> i32,
    /// Gives it back: drivers are offered it anew. INVALID: not claimed.
    pub release: unsafe extern "C" fn(device: i32) -> i32,
}

// ---- interrupt: functions of the payload's that the kernel calls -----------------------------
// A hook runs on a stack of the kernel's with 4 KiB left, interrupts off. It may use the FPU only
// if it saves it. A hook is a handle until unhook() or the payload's end.

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Frame {
    pub edi: u32,
    pub esi: u32,
    pub ebp: u32,
    pub esp: u32,
    pub ebx: u32,
    pub edx: u32,
    pub ecx: u32,
    pub eax: u32,
    pub eip: u32,
    pub eflags: u32,
    pub cs: u32,
    pub ds: u32,
    pub es: u32,
    pub fs: u32,
    pub gs: u32,
    pub ss: u32,
    /// of the exception, 0 ... 31; VESPER_BREAK
    pub vector: u32,
    /// as the CPU gave it, else 0
    pub error_code: u32,
    /// what could not be accessed, for a page fault
    pub address: u32,
}
impl Zeroed for Frame {}
pub const BREAK: u32 = 0x100;
pub const ANY_VECTOR: u32 = 0xffffffff;
/// Returns 1 if the interrupt was its device's, else 0. Timers' hooks return anything.
pub type Hook = unsafe extern "C" fn(context: *mut c_void) -> i32;
/// Returns 1 to go on with the frame as it is now, but for segment registers, 0 to have the next
/// hook asked, at last the kernel's report.
pub type FrameHook = unsafe extern "C" fn(frame: *mut Frame, context: *mut c_void) -> i32;

#[repr(C)]
pub struct Interrupt {
    pub size: u32,
    /// Has hook(context) called for each interrupt of a line (0 ... 15), beside the drivers'
    /// handlers. Returns a handle. A claimed PCI device is kept off its line, by bit 10 of its
    /// Command register, until device() is called. INVALID, NO_MEMORY.
    pub line: unsafe extern "C" fn(line: u32, hook: Hook, context: *mut c_void) -> i32,
    /// The same for message `index` of a claimed device: MSI-X or MSI if it has them, else its
    /// line. UNSUPPORTED: more messages than it has. INVALID: not claimed.
    pub device: unsafe extern "C" fn(
        device: i32,
        index: u32,
        hook: Hook,
        context: *mut c_void,
    ) -> i32,
    /// Has hook(context) called `first` microseconds from now and then every `period`, 0: once. It
    /// is as fine as 1 ms. INVALID: a period under 1 ms.
    pub timer: unsafe extern "C" fn(
        first: u64,
        period: u64,
        hook: Hook,
        context: *mut c_void,
    ) -> i32,
    /// Has the hook called when an exception with this vector (0 ... 31, or VESPER_ANY_VECTOR)
    /// stops the payload's own code. Breakpoints and steps (1, 3) are the debugger's.
    pub exception: unsafe extern "C" fn(vector: u32, hook: FrameHook, context: *mut c_void) -> i32,
    /// Has the hook called for Ctrl-C and Ctrl-Break: in the middle of the payload's code, or at
    /// the end of the call that is under way; key and sleep then return INTERRUPTED.
    pub on_break: unsafe extern "C" fn(hook: FrameHook, context: *mut c_void) -> i32,
    /// Ends a hook. NOT_FOUND. May be called from a hook.
    pub unhook: unsafe extern "C" fn(hook: i32) -> i32,
}

// ---- audio -----------------------------------------------------------------------------------

#[repr(C)]
#[derive(Clone, Copy)]
pub struct AudioInfo {
    pub name: [u8; 16],
    pub model: [u8; 48],
    /// a speaker that only beeps: tone()
    pub tones_only: u32,
    /// frames a second
    pub lowest_rate: u32,
    /// frames a second
    pub highest_rate: u32,
}
impl Zeroed for AudioInfo {}

#[repr(C)]
pub struct Audio {
    pub size: u32,
    /// What the device is. NOT_FOUND: no more.
    pub info: unsafe extern "C" fn(device: i32, info: *mut AudioInfo) -> i32,
    /// Starts to play 16-bit signed samples, 1 or 2 channels. UNSUPPORTED: the rate or channels.
    pub start: unsafe extern "C" fn(device: i32, rate: u32, channels: u32) -> i32,
    /// Appends frames to what is played. Returns how many fitted.
    pub write: unsafe extern "C" fn(device: i32, samples: *const i16, frames: u32) -> i32,
    /// How many frames have been written and are not played yet.
    pub queued: unsafe extern "C" fn(device: i32) -> i32,
    /// Ends playing, at once.
    pub stop: unsafe extern "C" fn(device: i32) -> i32,
    /// Loudness, 0 ... 255.
    pub volume: unsafe extern "C" fn(device: i32, volume: u32) -> i32,
    /// Beeps from now on; 0 Hz: silence.
    pub tone: unsafe extern "C" fn(device: i32, hertz: u32) -> i32,
}

// ---- random ----------------------------------------------------------------------------------

#[repr(C)]
pub struct Random {
    pub size: u32,
    /// Fills memory with random bytes. Returns how many: at most 2^20 in one call. Cannot run dry.
    pub fill: unsafe extern "C" fn(into: *mut c_void, bytes: u32) -> i32,
    /// Where they come from: "rdseed", "rdrand", "viornd0" (a device), or "jitter" of the clocks.
    pub source: unsafe extern "C" fn() -> *const u8,
}

// ---- power: rest, off, and again -------------------------------------------------------------

#[repr(C)]
pub struct Power {
    pub size: u32,
    /// Syncs, and starts the machine anew: ACPI, keyboard controller, triple fault. Does not
    /// return.
    pub reboot: unsafe extern "C" fn() -> i32,
    /// Syncs, and switches the machine off (ACPI S5). Returns only on failure: NOT_FOUND, CORRUPT,
    /// TIMED_OUT.
    pub off: unsafe extern "C" fn() -> i32,
    /// Rests until an interrupt comes, at most 10 ms. To be called while there is nothing to do.
    pub idle: unsafe extern "C" fn() -> i32,
    /// Whether the power button has been pressed since the last question: 1 or 0. NOT_FOUND: the
    /// machine does not tell.
    pub button: unsafe extern "C" fn() -> i32,
}

// ---- debug: to see what happens --------------------------------------------------------------
pub const EXECUTE: u32 = 0;
pub const WRITTEN: u32 = 1;
pub const ACCESSED: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Counter {
    /// "interrupts of line 4"
    pub name: [u8; 32],
    pub value: u64,
}
impl Zeroed for Counter {}

#[repr(C)]
pub struct Debug {
    pub size: u32,
    /// A few English words for an error, never null.
    pub error_text: unsafe extern "C" fn(error: i32) -> *const u8,
    /// One line for the kernel's log: shown on the console, and kept for the monitor's `dmesg`.
    pub log: unsafe extern "C" fn(text: *const u8) -> i32,
    /// Opens the monitor. Returns when the operator says `go`.
    pub enter: unsafe extern "C" fn() -> i32,
    /// Shows memory on the console, 16 bytes a row, as numbers and text. INVALID: over 65536 bytes.
    /// NOT_FOUND: nothing readable is there.
    pub dump: unsafe extern "C" fn(address: *const c_void, bytes: u32) -> i32,
    /// The return addresses above the caller, as far as frame pointers lead. Returns how many.
    pub backtrace: unsafe extern "C" fn(into: *mut u32, most: u32) -> i32,
    /// The name of the function at an address, with an offset: "main+0x12". Returns the length of
    /// the text, without its NUL, cut to fit. NOT_FOUND: neither the kernel's nor a loaded symbol.
    pub symbol: unsafe extern "C" fn(address: u32, into: *mut u8, bytes: u32) -> i32,
    /// Has each access to a device's registers logged, or no longer (0): by the name of a device,
    /// "all". NOT_FOUND.
    pub trace: unsafe extern "C" fn(device: *const u8, on: u32) -> i32,
    /// Stops the payload when it executes an address, or writes or accesses 1, 2 or 4 bytes there.
    /// Returns a handle. BUSY: the CPU has four, and all are in use. INVALID: not aligned.
    pub break_at: unsafe extern "C" fn(address: *const c_void, access: u32, bytes: u32) -> i32,
    /// Removes it. NOT_FOUND.
    pub remove_break: unsafe extern "C" fn(breakpoint: i32) -> i32,
    /// The index-th thing that the kernel counts. NOT_FOUND: no more.
    pub counter: unsafe extern "C" fn(index: u32, counter: *mut Counter) -> i32,
}

// ---- the struct ------------------------------------------------------------------------------

#[repr(C)]
pub struct Vesper {
    /// 0x00: Writes one character; only the low 8 bits count. May be called from a hook.
    pub emit: unsafe extern "C" fn(c: i32),
    /// 0x04: Waits for a key, and returns it. INTERRUPTED.
    pub key: unsafe extern "C" fn() -> i32,
    /// 0x08: The next key, or -1 at once. May be called from a hook.
    pub keyq: unsafe extern "C" fn() -> i32,
    /// 0x0c: VESPER_MAGIC, without a NUL
    pub magic: [u8; 4],
    /// 0x10: VESPER_VERSION
    pub version: u32,
    /// 0x14: of this struct, in bytes
    pub size: u32,
    /// 0x18: first byte after the loaded image, and
    pub arena_start: *mut c_void,
    /// 0x1c: behind the last of the payload's memory
    pub arena_end: *mut c_void,
    /// 0x20: words of the command line that the kernel does not know, and all that follows `args=`;
    /// "" if there are none
    pub args: *const u8,
    /// 0x24
    pub console: &'static Console,
    /// 0x28
    pub input: &'static Input,
    /// 0x2c
    pub block: &'static Block,
    /// 0x30
    pub file: &'static File,
    /// 0x34
    pub display: &'static Display,
    /// 0x38
    pub net: &'static Net,
    /// 0x3c
    pub time: &'static Time,
    /// 0x40
    pub memory: &'static Memory,
    /// 0x44
    pub device: &'static Device,
    /// 0x48
    pub interrupt: &'static Interrupt,
    /// 0x4c
    pub audio: &'static Audio,
    /// 0x50
    pub random: &'static Random,
    /// 0x54
    pub power: &'static Power,
    /// 0x58
    pub debug: &'static Debug,
}

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
