// SPDX-License-Identifier: BSD-2-Clause
// Made from include/vesper.h by `./vesper bindings`: change that, not this.
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

// ---- entry, errors ---------------------------------------------------------------------------
pub const KEXECADDR: u32 = 0xc0430000;
pub const MAGIC = "VSPR";
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

pub const Console = extern struct {
    size: u32,
    /// Writes text: printable ASCII, \n (next line, column 0), \r, \b, \t. Returns how many bytes:
    /// at most 65536 in one call.
    write: *const fn (text: [*c]const u8, length: u32) callconv(.C) i32,
    /// The number of character cells.
    cells: *const fn (columns: [*c]u32, rows: [*c]u32) callconv(.C) i32,
    /// Puts one character (CP437) into a cell; the cursor stays. INVALID: no such cell.
    put: *const fn (column: u32, row: u32, c: i32, attribute: u32) callconv(.C) i32,
    /// Moves the cursor: where write() goes on. INVALID: no such cell.
    move: *const fn (column: u32, row: u32) callconv(.C) i32,
    /// The attribute that write() uses from now on.
    color: *const fn (attribute: u32) callconv(.C) i32,
    /// Fills all cells with spaces; the cursor goes to 0, 0.
    clear: *const fn () callconv(.C) i32,
    /// Moves all text up by `lines`, down if negative; the cursor stays. With a region: its text.
    scroll: *const fn (lines: i32) callconv(.C) i32,
    /// From now on only rows top ... bottom - 1 scroll, also for write(). 0, 0: the whole screen.
    /// INVALID.
    region: *const fn (top: u32, bottom: u32) callconv(.C) i32,
    /// Where the cursor is.
    cursor: *const fn (column: [*c]u32, row: [*c]u32) callconv(.C) i32,
    /// Shows the cursor, or hides it (0).
    show_cursor: *const fn (visible: u32) callconv(.C) i32,
    /// Fills a rectangle with one character. INVALID: it leaves the screen.
    fill: *const fn (
        column: u32,
        row: u32,
        columns: u32,
        rows: u32,
        c: i32,
        attribute: u32,
    ) callconv(.C) i32,
    /// Puts `count` cells into one row: each is character | attribute << 8. INVALID: they leave it.
    put_row: *const fn (column: u32, row: u32, cells: [*c]const u16, count: u32) callconv(.C) i32,
    /// How often the number of cells has changed since boot: compare it with the last answer.
    resizes: *const fn () callconv(.C) i32,
};

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

pub const KeyEvent = extern struct {
    /// when it came, as ticks() counts
    time: u64 align(4),
    /// HID usage: 4 is A, 0x28 Enter, 0xe0 left Control
    usage: u32,
    /// held after it: enum vesper_modifier
    modifiers: u32,
    /// 1: pressed, 2: repeated by the keyboard, 0: released
    down: i32,
    /// what key() returns for it, 0 if nothing
    key: i32,
    /// for info()
    device: i32,
};
pub const BUTTON_LEFT: u32 = 1;
pub const BUTTON_RIGHT: u32 = 2;
pub const BUTTON_MIDDLE: u32 = 4;
pub const BUTTON_BACK: u32 = 8;
pub const BUTTON_FORWARD: u32 = 16;

pub const PointerEvent = extern struct {
    time: u64 align(4),
    /// motion, right and down positive; or a position, 0 ... 65535
    x: i32,
    /// motion, right and down positive; or a position, 0 ... 65535
    y: i32,
    /// notches, away from the user positive
    wheel: i32,
    /// held after it: enum vesper_button
    buttons: u32,
    /// buttons that were pressed or released
    changed: u32,
    absolute: u32,
    device: i32,
};
pub const KEYBOARD: u32 = 1;
pub const POINTER: u32 = 2;
pub const TERMINAL: u32 = 3;

pub const InputInfo = extern struct {
    /// enum vesper_input_kind
    kind: u32,
    /// "pckbd0"
    name: [16]u8,
    /// "3 buttons, wheel"
    model: [48]u8,
};

pub const Input = extern struct {
    size: u32,
    /// The index-th input device. NOT_FOUND: no more.
    info: *const fn (device: i32, info: [*c]InputInfo) callconv(.C) i32,
    /// The oldest key event, taken from the queue. Returns 1, or 0 if there is none.
    key_event: *const fn (event: [*c]KeyEvent) callconv(.C) i32,
    /// The oldest pointer event, likewise.
    pointer_event: *const fn (event: [*c]PointerEvent) callconv(.C) i32,
    /// Whether the key with this usage is down now: 1 or 0. INVALID: beyond 255.
    held: *const fn (usage: u32) callconv(.C) i32,
    /// The modifiers as they are now.
    modifiers: *const fn () callconv(.C) i32,
    /// Empties all three queues.
    clear: *const fn () callconv(.C) i32,
    /// How many events were lost since boot because nobody took them in time.
    lost: *const fn () callconv(.C) i32,
};

// ---- block: disks and partitions, in blocks of their own size --------------------------------
// A device is a number, 0 ... count() - 1; it does not change until power-off.

pub const BlockInfo = extern struct {
    blocks: u64 align(4),
    /// of a partition, on its disk
    first_block: u64 align(4),
    /// 512 ... 4096
    block_bytes: u32,
    /// the disk that a partition is part of, -1 for a disk
    disk: i32,
    read_only: u32,
    /// "wd0", "wd0a"
    name: [16]u8,
    /// as the disk says; a partition's type
    model: [48]u8,
};
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

pub const BlockRequest = extern struct {
    first: u64 align(4),
    count: u32,
    /// enum vesper_block_operation
    operation: u32,
    /// count blocks, for READ and WRITE
    data: ?*anyopaque,
    device: i32,
    /// BUSY while it is under way, then 0 or why it failed
    result: i32,
    /// the kernel's, while it is under way
    link: ?*anyopaque,
    /// the payload's
    context: ?*anyopaque,
};

pub const Block = extern struct {
    size: u32,
    /// How many there are.
    count: *const fn () callconv(.C) i32,
    /// What it is. NOT_FOUND.
    info: *const fn (device: i32, info: [*c]BlockInfo) callconv(.C) i32,
    /// The number of the device with this name. NOT_FOUND.
    find: *const fn (name: [*c]const u8) callconv(.C) i32,
    /// Reads blocks first ... first + count - 1. INVALID: not on the device. DEVICE, TIMED_OUT,
    /// GONE.
    read: *const fn (device: i32, first: u64, count: u32, into: ?*anyopaque) callconv(.C) i32,
    /// Writes blocks. A file system mounted on them sees what was written. INVALID, READ_ONLY,
    /// DEVICE, TIMED_OUT, GONE.
    write: *const fn (
        device: i32,
        first: u64,
        count: u32,
        from: ?*const anyopaque,
    ) callconv(.C) i32,
    /// Returns when all that was written is on the medium. DEVICE, TIMED_OUT, GONE.
    flush: *const fn (device: i32) callconv(.C) i32,
    /// The contents of these blocks are no longer needed. UNSUPPORTED: the disk cannot be told.
    discard: *const fn (device: i32, first: u64, count: u32) callconv(.C) i32,
    /// What is true of it: enum vesper_block_flag, or'ed. NOT_FOUND.
    flags: *const fn (device: i32) callconv(.C) i32,
    /// Starts a request and returns at once. It is the kernel's until `result` is no longer BUSY.
    /// NOT_FOUND, INVALID: refused, nothing was started.
    submit: *const fn (request: [*c]BlockRequest) callconv(.C) i32,
    /// Moves requests on without waiting. Returns how many are not done yet.
    poll: *const fn () callconv(.C) i32,
    /// Waits until the request is done, and returns its result. TIMED_OUT: not within `us`; it goes
    /// on.
    wait: *const fn (request: [*c]BlockRequest, us: u64) callconv(.C) i32,
    /// Opens the tray of a drive whose medium can be removed. What was not synced to a volume on it
    /// is lost. UNSUPPORTED: it has none.
    eject: *const fn (device: i32) callconv(.C) i32,
    /// Closes it, and looks at the medium: info() shows its size. NOT_FOUND: there is none.
    load: *const fn (device: i32) callconv(.C) i32,
};

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

pub const Stat = extern struct {
    bytes: u64 align(4),
    /// seconds since 1970-01-01 UTC
    modified: i64 align(4),
    /// inode number, or what stands for one
    id: u64 align(4),
    /// enum vesper_file_type
    @"type": u32,
    /// permissions as in Unix
    mode: u32,
};
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

pub const Volume = extern struct {
    /// room for data, used or not
    bytes: u64 align(4),
    /// as far as it is known without a long search, else 0
    free_bytes: u64 align(4),
    /// "wd0a", "ram": what stands before the ':'
    name: [16]u8,
    /// "ffs2"
    @"type": [16]u8,
    label: [32]u8,
    /// of block, -1: none
    device: i32,
    read_only: u32,
    is_root: u32,
};

pub const Entry = extern struct {
    id: u64 align(4),
    @"type": u32,
    /// UTF-8
    name: [768]u8,
};

pub const File = extern struct {
    size: u32,
    /// Opens a file or directory. Returns a handle. NOT_FOUND, NOT_DIRECTORY, NO_MEMORY, CORRUPT
    /// ...
    open: *const fn (path: [*c]const u8) callconv(.C) i32,
    /// Closes it. What was written is not synced.
    close: *const fn (file: i32) callconv(.C) i32,
    /// Reads at most `bytes` at the file's position, which moves on. Returns how many: 0 at the
    /// end. At most 2^31 - 1 in one call. IS_DIRECTORY, CORRUPT, DEVICE ...
    read: *const fn (file: i32, into: ?*anyopaque, bytes: u32) callconv(.C) i32,
    /// Sets the position; it may lie beyond the end.
    seek: *const fn (file: i32, position: u64) callconv(.C) i32,
    /// The length of the file.
    length: *const fn (file: i32, bytes: [*c]align(4) u64) callconv(.C) i32,
    /// The next entry of an open directory, without "." and "..". Returns 1, or 0 after the last;
    /// seek to 0 begins again. NOT_DIRECTORY.
    list: *const fn (directory: i32, entry: [*c]Entry) callconv(.C) i32,
    /// What is known of a file or directory. NOT_FOUND ...
    stat: *const fn (path: [*c]const u8, stat: [*c]Stat) callconv(.C) i32,
    /// Opens a file as `how` says: enum vesper_open, or'ed. Returns a handle. INVALID, READ_ONLY,
    /// EXISTS, IS_DIRECTORY, NOT_FOUND, NO_SPACE ...
    open_as: *const fn (path: [*c]const u8, how: u32) callconv(.C) i32,
    /// Writes at the file's position, which moves on. Returns how many bytes, all but when there is
    /// NO_SPACE for the rest. INVALID: not opened to write.
    write: *const fn (file: i32, from: ?*const anyopaque, bytes: u32) callconv(.C) i32,
    /// The position.
    position: *const fn (file: i32, position: [*c]align(4) u64) callconv(.C) i32,
    /// Cuts the file, or lengthens it with zeros. INVALID: not opened to write.
    truncate: *const fn (file: i32, bytes: u64) callconv(.C) i32,
    /// As stat(), of an open file.
    stat_file: *const fn (file: i32, stat: [*c]Stat) callconv(.C) i32,
    /// As stat(), of a link itself.
    stat_link: *const fn (path: [*c]const u8, stat: [*c]Stat) callconv(.C) i32,
    /// Makes a directory. EXISTS, NOT_FOUND, READ_ONLY ...
    make_directory: *const fn (path: [*c]const u8) callconv(.C) i32,
    /// Removes a file, link or empty directory. An open file can be used until it is closed.
    /// NOT_FOUND, NOT_EMPTY, READ_ONLY ...
    remove: *const fn (path: [*c]const u8) callconv(.C) i32,
    /// Renames or moves within a volume; a file that is at `to` goes. UNSUPPORTED: they are on
    /// different volumes. NOT_FOUND, EXISTS, INVALID (a directory into itself) ...
    rename: *const fn (from: [*c]const u8, to: [*c]const u8) callconv(.C) i32,
    /// Makes a second name for a file. UNSUPPORTED: not on this volume.
    link: *const fn (path: [*c]const u8, name: [*c]const u8) callconv(.C) i32,
    /// Makes a symbolic link at `path` that leads to `target`.
    make_link: *const fn (path: [*c]const u8, target: [*c]const u8) callconv(.C) i32,
    /// Where a symbolic link leads. Returns the length of the text, without its NUL. TOO_LARGE: it
    /// is no shorter than `bytes`. INVALID: no link.
    read_link: *const fn (path: [*c]const u8, into: [*c]u8, bytes: u32) callconv(.C) i32,
    /// When it was changed: seconds since 1970-01-01 UTC.
    set_modified: *const fn (path: [*c]const u8, modified: i64) callconv(.C) i32,
    /// Permissions as in Unix. UNSUPPORTED: the volume has none.
    set_mode: *const fn (path: [*c]const u8, mode: u32) callconv(.C) i32,
    /// Mounts what is on a device of block; its volume has the device's name. NOT_FOUND: no file
    /// system that is known here. EXISTS: it is mounted. BUSY: another volume has the same blocks.
    mount: *const fn (device: i32) callconv(.C) i32,
    /// Syncs and forgets a volume. BUSY: a file on it is open, or it is the root.
    unmount: *const fn (volume: [*c]const u8) callconv(.C) i32,
    /// The index-th volume. NOT_FOUND: no more.
    volume: *const fn (index: u32, volume: [*c]Volume) callconv(.C) i32,
    /// Returns when all that was written to files is on its medium.
    sync: *const fn () callconv(.C) i32,
    /// The same for one open file: its contents, its size and its name.
    sync_file: *const fn (file: i32) callconv(.C) i32,
    /// How much memory the cache of a volume on a disk may have, in bytes; 0: as little as can be.
    /// NOT_FOUND: no such volume. UNSUPPORTED: it has no cache.
    set_cache: *const fn (volume: [*c]const u8, bytes: u32) callconv(.C) i32,
};

// ---- display: screens of pixels --------------------------------------------------------------
// Pixels lie at address + y * pitch + x * bits_per_pixel / 8. A frame buffer is slow to read.

pub const Mode = extern struct {
    width: u32,
    height: u32,
    /// bytes from one line to the next
    pitch: u32,
    bits_per_pixel: u32,
    red_position: u32,
    red_bits: u32,
    green_position: u32,
    green_bits: u32,
    blue_position: u32,
    blue_bits: u32,
};

pub const DisplayInfo = extern struct {
    name: [16]u8,
    model: [48]u8,
    /// how many it has
    modes: u32,
    /// pixels appear only after update()
    needs_update: u32,
    /// 0: not known
    width_mm: u32,
    /// 0: not known
    height_mm: u32,
};

pub const Display = extern struct {
    size: u32,
    /// What the display is. NOT_FOUND: no more.
    info: *const fn (display: i32, info: [*c]DisplayInfo) callconv(.C) i32,
    /// The index-th mode that it can show. NOT_FOUND: no more.
    mode: *const fn (display: i32, index: u32, mode: [*c]Mode) callconv(.C) i32,
    /// The mode that it shows.
    current: *const fn (display: i32, mode: [*c]Mode) callconv(.C) i32,
    /// Shows pixels in this mode; text leaves the display until release(). NOT_FOUND: no such mode.
    set_mode: *const fn (
        display: i32,
        width: u32,
        height: u32,
        bits_per_pixel: u32,
    ) callconv(.C) i32,
    /// Where the pixels of the present mode are.
    pixels: *const fn (display: i32, address: [*c]?*anyopaque, bytes: [*c]u32) callconv(.C) i32,
    /// Makes a rectangle appear that has been drawn.
    update: *const fn (display: i32, x: u32, y: u32, width: u32, height: u32) callconv(.C) i32,
    /// Sets colours first ... first + count - 1 of a mode with 8 bits: 0xRRGGBB each.
    palette: *const fn (
        display: i32,
        first: u32,
        count: u32,
        colors: [*c]const u32,
    ) callconv(.C) i32,
    /// Waits until the beam is behind the last line. UNSUPPORTED: it does not tell.
    wait_blank: *const fn (display: i32, us: u64) callconv(.C) i32,
    /// Gives the display back to the console.
    release: *const fn (display: i32) callconv(.C) i32,
};

// ---- net: network cards, and TCP/IP above them -----------------------------------------------
// Addresses and ports are in the host's byte order: 10.0.2.2 is 0x0a000202.

pub const NetInfo = extern struct {
    name: [16]u8,
    model: [48]u8,
    mac: [6]u8,
    mtu: u16,
    /// Mbit/s, 0: no link
    link: u32,
    /// 0: none
    address: u32,
    /// 0: none
    netmask: u32,
    /// 0: none
    gateway: u32,
    /// 0: none
    name_server: u32,
};
pub const UDP: u32 = 1;
pub const TCP: u32 = 2;

pub const Net = extern struct {
    size: u32,
    /// What the card is. NOT_FOUND: no more.
    info: *const fn (card: i32, info: [*c]NetInfo) callconv(.C) i32,
    /// Sends one Ethernet frame, without its check sum. INVALID: too long.
    send_frame: *const fn (card: i32, frame: ?*const anyopaque, bytes: u32) callconv(.C) i32,
    /// Takes the next frame that came; TCP/IP no longer gets the card's frames. Returns its length,
    /// 0 if there is none. TOO_LARGE: cut off.
    receive_frame: *const fn (card: i32, into: ?*anyopaque, bytes: u32) callconv(.C) i32,
    /// Asks DHCP for an address. TIMED_OUT.
    configure: *const fn (card: i32, us: u64) callconv(.C) i32,
    /// Sets the address by hand.
    set_address: *const fn (
        card: i32,
        address: u32,
        netmask: u32,
        gateway: u32,
        name_server: u32,
    ) callconv(.C) i32,
    /// The address of a name. NOT_FOUND, TIMED_OUT.
    resolve: *const fn (name: [*c]const u8, us: u64, address: [*c]u32) callconv(.C) i32,
    /// Makes a socket of this kind. Returns a handle.
    open: *const fn (kind: u32) callconv(.C) i32,
    /// Receives at this port from now on; 0: any that is free.
    bind: *const fn (socket: i32, port: u32) callconv(.C) i32,
    /// Connects to a port. TIMED_OUT, DEVICE: refused.
    connect: *const fn (socket: i32, address: u32, port: u32, us: u64) callconv(.C) i32,
    /// Takes connections from now on.
    listen: *const fn (socket: i32) callconv(.C) i32,
    /// The next connection: a new socket. TIMED_OUT.
    accept: *const fn (socket: i32, us: u64) callconv(.C) i32,
    /// Sends. Returns how many bytes.
    send: *const fn (socket: i32, from: ?*const anyopaque, bytes: u32) callconv(.C) i32,
    /// Receives at most so many bytes. Returns how many: 0 if none come within `us`. GONE: the
    /// other side has closed.
    receive: *const fn (socket: i32, into: ?*anyopaque, bytes: u32, us: u64) callconv(.C) i32,
    /// The other side's address and port: of the connection, or of what was last received.
    peer: *const fn (socket: i32, address: [*c]u32, port: [*c]u32) callconv(.C) i32,
    /// Closes it.
    close: *const fn (socket: i32) callconv(.C) i32,
    /// Lets packets move; all other calls do so, too.
    poll: *const fn () callconv(.C) i32,
};

// ---- time: since boot, and of day ------------------------------------------------------------

pub const Date = extern struct {
    /// month and day from 1
    year: u32,
    /// month and day from 1
    month: u32,
    /// month and day from 1
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    /// since 1970-01-01, if the machine's clock runs on UTC
    unix_seconds: i64 align(4),
};

pub const Clock = extern struct {
    /// what ticks() reads: "tsc", "hpet", "pit"
    name: [16]u8,
    /// of that
    hertz: u64 align(4),
};

pub const Time = extern struct {
    size: u32,
    /// Microseconds since boot; never goes backwards. Cannot fail. May be called from a hook.
    ticks: *const fn () callconv(.C) u64,
    /// Waits for at least so many microseconds. INTERRUPTED.
    sleep: *const fn (us: u64) callconv(.C) i32,
    /// The battery-backed clock. NOT_FOUND: there is none. TIMED_OUT, CORRUPT: it is not set.
    date: *const fn (date: [*c]Date) callconv(.C) i32,
    /// Waits until ticks() is at least `ticks`. INTERRUPTED.
    sleep_until: *const fn (ticks: u64) callconv(.C) i32,
    /// Sets the battery-backed clock; unix_seconds is not looked at. INVALID: no such date.
    /// NOT_FOUND, TIMED_OUT.
    set_date: *const fn (date: [*c]const Date) callconv(.C) i32,
    /// Fills in a date from seconds since 1970-01-01. INVALID: before 1970, or 2^31 days later.
    to_date: *const fn (unix_seconds: i64, date: [*c]Date) callconv(.C) i32,
    /// Fills in unix_seconds from the rest. INVALID: no such date.
    from_date: *const fn (date: [*c]Date) callconv(.C) i32,
    /// Which clock ticks() reads, and how fine it is.
    clock: *const fn (clock: [*c]Clock) callconv(.C) i32,
};

// ---- memory: what there is, and what devices can reach ---------------------------------------
// The payload's own memory is arena_start ... arena_end; it needs no call.
pub const RAM: u32 = 1;
pub const RESERVED: u32 = 2;
/// tables; RAM once they have been read
pub const ACPI: u32 = 3;
pub const NVS: u32 = 4;
pub const UNUSABLE: u32 = 5;

pub const Range = extern struct {
    start: u64 align(4),
    bytes: u64 align(4),
    /// enum vesper_memory_type
    @"type": u32,
    reserved: u32,
};
/// device registers
pub const UNCACHED: u32 = 0;
/// RAM and ROM
pub const CACHED: u32 = 1;
/// frame buffers; uncached where the CPU has no such thing
pub const WRITE_COMBINING: u32 = 2;

pub const MemoryUsage = extern struct {
    /// the kernel's memory for drivers, caches and allocate()
    heap_bytes: u32,
    heap_used: u32,
    /// since boot
    heap_most_used: u32,
    /// addresses left for map_physical()
    window_bytes: u32,
};

pub const Memory = extern struct {
    size: u32,
    /// The index-th range of the map that the firmware gave, in order of addresses. NOT_FOUND: no
    /// more.
    map: *const fn (index: u32, range: [*c]Range) callconv(.C) i32,
    /// Makes physical memory visible; *address is where. Never undone. UNSUPPORTED: not reachable
    /// with 32-bit addresses. NO_MEMORY: the windows (256 MiB) are used up.
    map_physical: *const fn (
        physical: u64,
        bytes: u32,
        caching: u32,
        address: [*c]?*anyopaque,
    ) callconv(.C) i32,
    /// The index-th file that the boot loader loaded next to the kernel. NOT_FOUND: no more.
    module: *const fn (
        index: u32,
        start: [*c]?*anyopaque,
        bytes: [*c]u32,
        name: [*c][*c]const u8,
    ) callconv(.C) i32,
    /// Memory that a device can read and write: contiguous, zeroed, out of the kernel's, with its
    /// last byte not above `highest` (0xffffffff: any). `alignment` is a power of two, or 0 for 16.
    /// NO_MEMORY, INVALID.
    allocate: *const fn (
        bytes: u32,
        alignment: u32,
        highest: u32,
        address: [*c]?*anyopaque,
    ) callconv(.C) i32,
    /// Gives back what allocate() gave. All is given back when the payload ends. INVALID: it is not
    /// that.
    release: *const fn (address: ?*anyopaque) callconv(.C) i32,
    /// Where an address is in physical memory, for a device. NOT_FOUND: nowhere.
    physical: *const fn (address: ?*const anyopaque, physical: [*c]align(4) u64) callconv(.C) i32,
    /// Where physical memory can be seen without a new window. NOT_FOUND: nowhere.
    address: *const fn (physical: u64, address: [*c]?*anyopaque) callconv(.C) i32,
    /// The kernel's own memory.
    usage: *const fn (usage: [*c]MemoryUsage) callconv(.C) i32,
};

// ---- device: the tree of devices, and the hardware itself ------------------------------------
// A device is a number from 0 on; it does not change until power-off. A claimed device has no
// driver: it is the payload's until it gives it back, or ends.
pub const BUS_NONE: u32 = 0;
pub const BUS_PCI: u32 = 1;
pub const BUS_ISA: u32 = 2;

pub const DeviceInfo = extern struct {
    /// "wd0"; "pcidev0.3.0" for one without a driver
    name: [16]u8,
    /// "ide"; "" without a driver
    driver: [16]u8,
    /// where on its bus: "dev 1 function 1"
    locator: [48]u8,
    /// as its line at boot
    description: [160]u8,
    /// -1: none
    parent: i32,
    /// enum vesper_bus: what it was found on
    bus: u32,
    claimed: u32,
    /// its line, 0: none
    irq: u32,
    /// bus << 16 | device << 8 | function
    pci_address: u32,
    vendor: u16,
    product: u16,
    /// base << 16 | sub << 8 | interface
    class_code: u32,
};
pub const PORTS: u32 = 1;
pub const DEVICE_MEMORY: u32 = 2;

pub const Resource = extern struct {
    /// ports, or physical addresses
    start: u64 align(4),
    /// ports, or physical addresses
    bytes: u64 align(4),
    /// enum vesper_resource_kind
    kind: u32,
    prefetchable: u32,
};

pub const Device = extern struct {
    size: u32,
    /// What the device is. NOT_FOUND: no more.
    info: *const fn (device: i32, info: [*c]DeviceInfo) callconv(.C) i32,
    /// The number of the device with this name. NOT_FOUND.
    find: *const fn (name: [*c]const u8) callconv(.C) i32,
    /// The first PCI device behind `after` (-1: of all) with these IDs; 0xffff fits any. NOT_FOUND.
    find_pci: *const fn (after: i32, vendor: u32, product: u32) callconv(.C) i32,
    /// Ports or memory of the device: base address register `index` (0 ... 5) on PCI; on ISA, 0.
    /// NOT_FOUND: it has none there.
    resource: *const fn (device: i32, index: u32, resource: [*c]Resource) callconv(.C) i32,
    /// PCI configuration space: 1, 2 or 4 bytes at an offset that is a multiple of that. INVALID.
    read_config: *const fn (device: i32, offset: u32, bytes: u32, value: [*c]u32) callconv(.C) i32,
    /// Writes there. BUSY: a driver has the device.
    write_config: *const fn (device: i32, offset: u32, bytes: u32, value: u32) callconv(.C) i32,
    /// Reads a port, 1, 2 or 4 bytes wide. INVALID.
    read_port: *const fn (port: u32, bytes: u32, value: [*c]u32) callconv(.C) i32,
    /// Writes a port. INVALID.
    write_port: *const fn (port: u32, bytes: u32, value: u32) callconv(.C) i32,
    /// Takes the device from its driver, and makes it quiet: no DMA, no interrupts. What the driver
    /// published is GONE. Bus mastering and decoding are the payload's to switch on. BUSY: claimed
    /// already, or it holds a mounted volume. UNSUPPORTED: it is no device of its own on a bus, or
    /// a bridge.
    claim: *const fn (device: i32) callconv(.C) i32,
    /// Gives it back: drivers are offered it anew. INVALID: not claimed.
    release: *const fn (device: i32) callconv(.C) i32,
};

// ---- interrupt: functions of the payload's that the kernel calls -----------------------------
// A hook runs on a stack of the kernel's with 4 KiB left, interrupts off. It may use the FPU only
// if it saves it. A hook is a handle until unhook() or the payload's end.

pub const Frame = extern struct {
    edi: u32,
    esi: u32,
    ebp: u32,
    esp: u32,
    ebx: u32,
    edx: u32,
    ecx: u32,
    eax: u32,
    eip: u32,
    eflags: u32,
    cs: u32,
    ds: u32,
    es: u32,
    fs: u32,
    gs: u32,
    ss: u32,
    /// of the exception, 0 ... 31; VESPER_BREAK
    vector: u32,
    /// as the CPU gave it, else 0
    error_code: u32,
    /// what could not be accessed, for a page fault
    address: u32,
};
pub const BREAK: u32 = 0x100;
pub const ANY_VECTOR: u32 = 0xffffffff;
/// Returns 1 if the interrupt was its device's, else 0. Timers' hooks return anything.
pub const Hook = fn (context: ?*anyopaque) callconv(.C) i32;
/// Returns 1 to go on with the frame as it is now, but for segment registers, 0 to have the next
/// hook asked, at last the kernel's report.
pub const FrameHook = fn (frame: [*c]Frame, context: ?*anyopaque) callconv(.C) i32;

pub const Interrupt = extern struct {
    size: u32,
    /// Has hook(context) called for each interrupt of a line (0 ... 15), beside the drivers'
    /// handlers. Returns a handle. A claimed PCI device is kept off its line, by bit 10 of its
    /// Command register, until device() is called. INVALID, NO_MEMORY.
    line: *const fn (line: u32, hook: *const Hook, context: ?*anyopaque) callconv(.C) i32,
    /// The same for message `index` of a claimed device: MSI-X or MSI if it has them, else its
    /// line. UNSUPPORTED: more messages than it has. INVALID: not claimed.
    device: *const fn (
        device: i32,
        index: u32,
        hook: *const Hook,
        context: ?*anyopaque,
    ) callconv(.C) i32,
    /// Has hook(context) called `first` microseconds from now and then every `period`, 0: once. It
    /// is as fine as 1 ms. INVALID: a period under 1 ms.
    timer: *const fn (
        first: u64,
        period: u64,
        hook: *const Hook,
        context: ?*anyopaque,
    ) callconv(.C) i32,
    /// Has the hook called when an exception with this vector (0 ... 31, or VESPER_ANY_VECTOR)
    /// stops the payload's own code. Breakpoints and steps (1, 3) are the debugger's.
    exception: *const fn (
        vector: u32,
        hook: *const FrameHook,
        context: ?*anyopaque,
    ) callconv(.C) i32,
    /// Has the hook called for Ctrl-C and Ctrl-Break: in the middle of the payload's code, or at
    /// the end of the call that is under way; key and sleep then return INTERRUPTED.
    on_break: *const fn (hook: *const FrameHook, context: ?*anyopaque) callconv(.C) i32,
    /// Ends a hook. NOT_FOUND. May be called from a hook.
    unhook: *const fn (hook: i32) callconv(.C) i32,
};

// ---- audio -----------------------------------------------------------------------------------

pub const AudioInfo = extern struct {
    name: [16]u8,
    model: [48]u8,
    /// a speaker that only beeps: tone()
    tones_only: u32,
    /// frames a second
    lowest_rate: u32,
    /// frames a second
    highest_rate: u32,
};

pub const Audio = extern struct {
    size: u32,
    /// What the device is. NOT_FOUND: no more.
    info: *const fn (device: i32, info: [*c]AudioInfo) callconv(.C) i32,
    /// Starts to play 16-bit signed samples, 1 or 2 channels. UNSUPPORTED: the rate or channels.
    start: *const fn (device: i32, rate: u32, channels: u32) callconv(.C) i32,
    /// Appends frames to what is played. Returns how many fitted.
    write: *const fn (device: i32, samples: [*c]const i16, frames: u32) callconv(.C) i32,
    /// How many frames have been written and are not played yet.
    queued: *const fn (device: i32) callconv(.C) i32,
    /// Ends playing, at once.
    stop: *const fn (device: i32) callconv(.C) i32,
    /// Loudness, 0 ... 255.
    volume: *const fn (device: i32, volume: u32) callconv(.C) i32,
    /// Beeps from now on; 0 Hz: silence.
    tone: *const fn (device: i32, hertz: u32) callconv(.C) i32,
};

// ---- random ----------------------------------------------------------------------------------

pub const Random = extern struct {
    size: u32,
    /// Fills memory with random bytes. Returns how many: at most 2^20 in one call. Cannot run dry.
    fill: *const fn (into: ?*anyopaque, bytes: u32) callconv(.C) i32,
    /// Where they come from: "rdseed", "rdrand", "viornd0" (a device), or "jitter" of the clocks.
    source: *const fn () callconv(.C) [*c]const u8,
};

// ---- power: rest, off, and again -------------------------------------------------------------

pub const Power = extern struct {
    size: u32,
    /// Syncs, and starts the machine anew: ACPI, keyboard controller, triple fault. Does not
    /// return.
    reboot: *const fn () callconv(.C) i32,
    /// Syncs, and switches the machine off (ACPI S5). Returns only on failure: NOT_FOUND, CORRUPT,
    /// TIMED_OUT.
    off: *const fn () callconv(.C) i32,
    /// Rests until an interrupt comes, at most 10 ms. To be called while there is nothing to do.
    idle: *const fn () callconv(.C) i32,
    /// Whether the power button has been pressed since the last question: 1 or 0. NOT_FOUND: the
    /// machine does not tell.
    button: *const fn () callconv(.C) i32,
};

// ---- debug: to see what happens --------------------------------------------------------------
pub const EXECUTE: u32 = 0;
pub const WRITTEN: u32 = 1;
pub const ACCESSED: u32 = 3;

pub const Counter = extern struct {
    /// "interrupts of line 4"
    name: [32]u8,
    value: u64 align(4),
};

pub const Debug = extern struct {
    size: u32,
    /// A few English words for an error, never null.
    error_text: *const fn (@"error": i32) callconv(.C) [*c]const u8,
    /// One line for the kernel's log: shown on the console, and kept for the monitor's `dmesg`.
    log: *const fn (text: [*c]const u8) callconv(.C) i32,
    /// Opens the monitor. Returns when the operator says `go`.
    enter: *const fn () callconv(.C) i32,
    /// Shows memory on the console, 16 bytes a row, as numbers and text. INVALID: over 65536 bytes.
    /// NOT_FOUND: nothing readable is there.
    dump: *const fn (address: ?*const anyopaque, bytes: u32) callconv(.C) i32,
    /// The return addresses above the caller, as far as frame pointers lead. Returns how many.
    backtrace: *const fn (into: [*c]u32, most: u32) callconv(.C) i32,
    /// The name of the function at an address, with an offset: "main+0x12". Returns the length of
    /// the text, without its NUL, cut to fit. NOT_FOUND: neither the kernel's nor a loaded symbol.
    symbol: *const fn (address: u32, into: [*c]u8, bytes: u32) callconv(.C) i32,
    /// Has each access to a device's registers logged, or no longer (0): by the name of a device,
    /// "all". NOT_FOUND.
    trace: *const fn (device: [*c]const u8, on: u32) callconv(.C) i32,
    /// Stops the payload when it executes an address, or writes or accesses 1, 2 or 4 bytes there.
    /// Returns a handle. BUSY: the CPU has four, and all are in use. INVALID: not aligned.
    break_at: *const fn (address: ?*const anyopaque, access: u32, bytes: u32) callconv(.C) i32,
    /// Removes it. NOT_FOUND.
    remove_break: *const fn (breakpoint: i32) callconv(.C) i32,
    /// The index-th thing that the kernel counts. NOT_FOUND: no more.
    counter: *const fn (index: u32, counter: [*c]Counter) callconv(.C) i32,
};

// ---- the struct ------------------------------------------------------------------------------

pub const Vesper = extern struct {
    /// 0x00: Writes one character; only the low 8 bits count. May be called from a hook.
    emit: *const fn (c: i32) callconv(.C) void,
    /// 0x04: Waits for a key, and returns it. INTERRUPTED.
    key: *const fn () callconv(.C) i32,
    /// 0x08: The next key, or -1 at once. May be called from a hook.
    keyq: *const fn () callconv(.C) i32,
    /// 0x0c: VESPER_MAGIC, without a NUL
    magic: [4]u8,
    /// 0x10: VESPER_VERSION
    version: u32,
    /// 0x14: of this struct, in bytes
    size: u32,
    /// 0x18: first byte after the loaded image, and
    arena_start: ?*anyopaque,
    /// 0x1c: behind the last of the payload's memory
    arena_end: ?*anyopaque,
    /// 0x20: words of the command line that the kernel does not know, and all that follows `args=`;
    /// "" if there are none
    args: [*c]const u8,
    /// 0x24
    console: *const Console,
    /// 0x28
    input: *const Input,
    /// 0x2c
    block: *const Block,
    /// 0x30
    file: *const File,
    /// 0x34
    display: *const Display,
    /// 0x38
    net: *const Net,
    /// 0x3c
    time: *const Time,
    /// 0x40
    memory: *const Memory,
    /// 0x44
    device: *const Device,
    /// 0x48
    interrupt: *const Interrupt,
    /// 0x4c
    audio: *const Audio,
    /// 0x50
    random: *const Random,
    /// 0x54
    power: *const Power,
    /// 0x58
    debug: *const Debug,
};
