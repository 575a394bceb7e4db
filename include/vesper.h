/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vesper.h - all that the kernel gives to a payload.
 *
 * /kexec is loaded at VESPER_KEXECADDR and called as
 *
 *     int payload(struct vesper *vesper);
 *
 * with the C calling convention of the i386 System V ABI: at entry [esp] is the return address and
 * [esp + 4] the address of this struct. Arguments go on the stack, last first; the caller removes
 * them; the result comes in eax (edx:eax if it is 64 bits wide); ebx, esi, edi, ebp and esp are
 * kept.
 *
 * Every call returns a value >= 0, or one of the negative numbers of enum vesper_error. The text of
 * an error is debug->error_text(error). Calls may be made with interrupts on or off, with any stack
 * that has 64 bytes left, with the direction flag set or clear; they return it, the flags and the
 * segment registers as they were. A call must not be made while another is under way (from an
 * interrupt handler of the payload's own), nor from a hook: that is BUSY. Those that can be made
 * there say so.
 *
 * One order holds everywhere: what is acted on comes first, results last. Text ends with a NUL and
 * is UTF-8, sizes are bytes, times microseconds, handles and device numbers small ints. What is
 * numbered from 0 is walked until NOT_FOUND. INVALID are: a pointer for a result to where nothing
 * can be written (NULL, too) or into the kernel's memory; one to nothing readable; a text longer
 * than 4095 bytes; a function in the kernel.
 *
 * A table begins with its size in bytes. Later versions append calls to it and never move any: a
 * call is there if its offset is below `size`. A service that this kernel or this machine lacks has
 * its table all the same; its calls return UNSUPPORTED, or NOT_FOUND for want of a device.
 *
 * A payload may load an interrupt descriptor table of its own: during calls interrupts are then
 * off, and the drivers poll. One that loads only a global descriptor table keeps flat code at
 * selector 8 and flat data at 16, since the kernel's interrupt handlers use them, or keeps
 * interrupts off.
 */
#ifndef VESPER_H
#define VESPER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VESPER_KEXECADDR 0xc0430000u
#define VESPER_MAGIC "VSPR"
#define VESPER_VERSION 0x00010002u /* major << 16 | minor */

enum vesper_error {
    VESPER_NOT_FOUND = -1,   /* no such device, file, entry or handle */
    VESPER_TIMED_OUT = -2,   /* a device did not answer before its deadline */
    VESPER_DEVICE = -3,      /* a device reported an error */
    VESPER_GONE = -4,        /* a device has been removed */
    VESPER_CORRUPT = -5,     /* the data on the medium is damaged */
    VESPER_UNSUPPORTED = -6, /* well-formed, but nothing here can do it */
    VESPER_INVALID = -7,     /* an argument is out of range */
    VESPER_NO_SPACE = -8,    /* the medium is full */
    VESPER_NO_MEMORY = -9,   /* the kernel's memory is used up */
    VESPER_BUSY = -10,       /* in use, or called from where it must not be */
    VESPER_READ_ONLY = -11,  /* the medium or file system cannot be written */
    VESPER_EXISTS = -12,     /* there is one already */
    VESPER_TOO_LARGE = -13,  /* it does not fit; a path has too many links */
    VESPER_NOT_DIRECTORY = -14,
    VESPER_IS_DIRECTORY = -15,
    VESPER_NOT_EMPTY = -16,
    VESPER_INTERRUPTED = -17 /* a break came while the call waited */
};

/* ---- keys: what key() and keyq() return --------------------------------------------------------
 * Printable keys: their ASCII code, with Shift and Caps Lock applied. Control with a
 * letter: 1...26. Enter 13, Backspace 8, Tab 9, Escape 27. The keys below have codes of their own.
 * Alt adds VESPER_KEY_ALT to any code; Shift and Control add theirs to the codes >= 256. A serial
 * terminal's escape sequences give the same codes. */
enum vesper_key {
    VESPER_KEY_UP = 0x101,
    VESPER_KEY_DOWN = 0x102,
    VESPER_KEY_LEFT = 0x103,
    VESPER_KEY_RIGHT = 0x104,
    VESPER_KEY_HOME = 0x105,
    VESPER_KEY_END = 0x106,
    VESPER_KEY_PAGE_UP = 0x107,
    VESPER_KEY_PAGE_DOWN = 0x108,
    VESPER_KEY_INSERT = 0x109,
    VESPER_KEY_DELETE = 0x10a,
    VESPER_KEY_PAUSE = 0x10b,
    VESPER_KEY_PRINT = 0x10c,
    VESPER_KEY_MENU = 0x10d,
    VESPER_KEY_CENTER = 0x10e, /* keypad 5 with Num Lock off */
    VESPER_KEY_F1 = 0x111,     /* ... F12 = 0x11c */
    VESPER_KEY_F12 = 0x11c,

    VESPER_KEY_ALT = 0x1000,
    VESPER_KEY_SHIFT = 0x2000,
    VESPER_KEY_CONTROL = 0x4000
};

/* ---- console: text on all screens and serial lines ---------------------------------------------
 * Colours are those of VGA text: attribute = background << 4 | foreground; 0 black, 1 blue, 2
 * green, 3 cyan, 4 red, 5 magenta, 6 brown, 7 grey, + 8 bright. 0x07 at first. A serial line shows
 * cells, colours and the cursor by ANSI escape sequences. */
struct vesper_console {
    uint32_t size;
    /* Writes text: printable ASCII, \n (next line, column 0), \r, \b, \t. Returns how many bytes:
     * at most 65536 in one call. */
    int (*write)(const char* text, uint32_t length);
    /* The number of character cells. */
    int (*cells)(uint32_t* columns, uint32_t* rows);
    /* Puts one character (CP437) into a cell; the cursor stays. INVALID: no such cell. */
    int (*put)(uint32_t column, uint32_t row, int c, uint32_t attribute);
    /* Moves the cursor: where write() goes on. INVALID: no such cell. */
    int (*move)(uint32_t column, uint32_t row);
    /* The attribute that write() uses from now on. */
    int (*color)(uint32_t attribute);
    /* Fills all cells with spaces; the cursor goes to 0, 0. */
    int (*clear)(void);
    /* Moves all text up by `lines`, down if negative; the cursor stays. With a region: its text. */
    int (*scroll)(int lines);
    /* From now on only rows top ... bottom - 1 scroll, also for write(). 0, 0: the whole screen.
     * INVALID. */
    int (*region)(uint32_t top, uint32_t bottom);
    /* Where the cursor is. */
    int (*cursor)(uint32_t* column, uint32_t* row);
    /* Shows the cursor, or hides it (0). */
    int (*show_cursor)(uint32_t visible);
    /* Fills a rectangle with one character. INVALID: it leaves the screen. */
    int (*fill)(uint32_t column, uint32_t row, uint32_t columns, uint32_t rows, int c,
                uint32_t attribute);
    /* Puts `count` cells into one row: each is character | attribute << 8. INVALID: they leave it.
     */
    int (*put_row)(uint32_t column, uint32_t row, const uint16_t* cells, uint32_t count);
    /* How often the number of cells has changed since boot: compare it with the last answer. */
    int (*resizes)(void);
};

/* ---- input: keys going down and up, mice -------------------------------------------------------
 * Keys are numbered as on USB (HID Usage Tables, page 7). The queues of key(), of key events and of
 * pointer events are independent, and each keeps the last 256. A key from a serial line is a press
 * and a release. */
enum vesper_modifier {
    VESPER_LEFT_CONTROL = 0x01,
    VESPER_LEFT_SHIFT = 0x02,
    VESPER_LEFT_ALT = 0x04,
    VESPER_LEFT_GUI = 0x08,
    VESPER_RIGHT_CONTROL = 0x10,
    VESPER_RIGHT_SHIFT = 0x20,
    VESPER_RIGHT_ALT = 0x40,
    VESPER_RIGHT_GUI = 0x80,
    VESPER_NUM_LOCK = 0x100,
    VESPER_CAPS_LOCK = 0x200,
    VESPER_SCROLL_LOCK = 0x400
};
struct vesper_key_event {
    uint64_t time;      /* when it came, as ticks() counts */
    uint32_t usage;     /* HID usage: 4 is A, 0x28 Enter, 0xe0 left Control */
    uint32_t modifiers; /* held after it: enum vesper_modifier */
    int32_t down;       /* 1: pressed, 2: repeated by the keyboard, 0: released */
    int32_t key;        /* what key() returns for it, 0 if nothing */
    int32_t device;     /* for info() */
};
enum vesper_button {
    VESPER_BUTTON_LEFT = 1,
    VESPER_BUTTON_RIGHT = 2,
    VESPER_BUTTON_MIDDLE = 4,
    VESPER_BUTTON_BACK = 8,
    VESPER_BUTTON_FORWARD = 16
};
struct vesper_pointer_event {
    uint64_t time;
    int32_t x, y;     /* motion, right and down positive; or a position, 0 ... 65535 */
    int32_t wheel;    /* notches, away from the user positive */
    uint32_t buttons; /* held after it: enum vesper_button */
    uint32_t changed; /* buttons that were pressed or released */
    uint32_t absolute;
    int32_t device;
};
enum vesper_input_kind { VESPER_KEYBOARD = 1, VESPER_POINTER = 2, VESPER_TERMINAL = 3 };
struct vesper_input_info {
    uint32_t kind;  /* enum vesper_input_kind */
    char name[16];  /* "pckbd0" */
    char model[48]; /* "3 buttons, wheel" */
};
struct vesper_input {
    uint32_t size;
    /* The index-th input device. NOT_FOUND: no more. */
    int (*info)(int device, struct vesper_input_info* info);
    /* The oldest key event, taken from the queue. Returns 1, or 0 if there is none. */
    int (*key_event)(struct vesper_key_event* event);
    /* The oldest pointer event, likewise. */
    int (*pointer_event)(struct vesper_pointer_event* event);
    /* Whether the key with this usage is down now: 1 or 0. INVALID: beyond 255. */
    int (*held)(uint32_t usage);
    /* The modifiers as they are now. */
    int (*modifiers)(void);
    /* Empties all three queues. */
    int (*clear)(void);
    /* How many events were lost since boot because nobody took them in time. */
    int (*lost)(void);
};

/* ---- block: disks and partitions, in blocks of their own size ----------------------------------
 * A device is a number, 0 ... count() - 1; it does not change until power-off. */
struct vesper_block_info {
    uint64_t blocks;
    uint64_t first_block; /* of a partition, on its disk */
    uint32_t block_bytes; /* 512 ... 4096 */
    int32_t disk;         /* the disk that a partition is part of, -1 for a disk */
    uint32_t read_only;
    char name[16];  /* "wd0", "wd0a" */
    char model[48]; /* as the disk says; a partition's type */
};
enum vesper_block_flag {
    VESPER_BLOCK_READ_ONLY = 1,
    VESPER_BLOCK_REMOVABLE = 2,
    VESPER_BLOCK_GONE = 4,    /* it has been removed; its calls fail with GONE */
    VESPER_BLOCK_MOUNTED = 8, /* a volume of file */
    VESPER_BLOCK_ROOT = 16    /* the volume that /kexec came from */
};
enum vesper_block_operation {
    VESPER_READ = 0,
    VESPER_WRITE = 1,
    VESPER_FLUSH = 2,
    VESPER_DISCARD = 3
};
struct vesper_block_request {
    uint64_t first;
    uint32_t count;
    uint32_t operation; /* enum vesper_block_operation */
    void* data;         /* count blocks, for READ and WRITE */
    int32_t device;
    int32_t result; /* BUSY while it is under way, then 0 or why it failed */
    void* link;     /* the kernel's, while it is under way */
    void* context;  /* the payload's */
};
struct vesper_block {
    uint32_t size;
    /* How many there are. */
    int (*count)(void);
    /* What it is. NOT_FOUND. */
    int (*info)(int device, struct vesper_block_info* info);
    /* The number of the device with this name. NOT_FOUND. */
    int (*find)(const char* name);
    /* Reads blocks first ... first + count - 1. INVALID: not on the device. DEVICE, TIMED_OUT,
     * GONE. */
    int (*read)(int device, uint64_t first, uint32_t count, void* into);
    /* Writes blocks. A file system mounted on them sees what was written. INVALID, READ_ONLY,
     * DEVICE, TIMED_OUT, GONE. */
    int (*write)(int device, uint64_t first, uint32_t count, const void* from);
    /* Returns when all that was written is on the medium. DEVICE, TIMED_OUT, GONE. */
    int (*flush)(int device);
    /* The contents of these blocks are no longer needed. UNSUPPORTED: the disk cannot be told. */
    int (*discard)(int device, uint64_t first, uint32_t count);
    /* What is true of it: enum vesper_block_flag, or'ed. NOT_FOUND. */
    int (*flags)(int device);
    /* Starts a request and returns at once. It is the kernel's until `result` is no longer BUSY.
     * NOT_FOUND, INVALID: refused, nothing was started. */
    int (*submit)(struct vesper_block_request* request);
    /* Moves requests on without waiting. Returns how many are not done yet. */
    int (*poll)(void);
    /* Waits until the request is done, and returns its result. TIMED_OUT: not within `us`; it goes
     * on. */
    int (*wait)(struct vesper_block_request* request, uint64_t us);
    /* Opens the tray of a drive whose medium can be removed. What was not synced to a volume on it
     * is lost. UNSUPPORTED: it has none. */
    int (*eject)(int device);
    /* Closes it, and looks at the medium: info() shows its size. NOT_FOUND: there is none. */
    int (*load)(int device);
};

/* ---- file: the root file system, and others ----------------------------------------------------
 * Names in paths are separated by '/'. A path begins at the root, with a '/' or without, or names
 * its volume: "wd0a:/x" is /x on wd0a, "ram:/x" in the volume that lies in the kernel's memory. FFS
 * and ext2 tell upper from lower case; FAT does not. Symbolic links are followed. Nothing is
 * written to a disk before sync(), but when the cache is full; power->off, ->reboot and the
 * payload's return sync too. */
enum vesper_file_type {
    VESPER_FILE = 0,
    VESPER_DIRECTORY = 1,
    VESPER_LINK = 2, /* list() shows them; open() and stat() follow them */
    VESPER_OTHER = 3
};
struct vesper_stat {
    uint64_t bytes;
    int64_t modified; /* seconds since 1970-01-01 UTC */
    uint64_t id;      /* inode number, or what stands for one */
    uint32_t type;    /* enum vesper_file_type */
    uint32_t mode;    /* permissions as in Unix */
};
enum vesper_open {
    VESPER_OPEN_READ = 1,
    VESPER_OPEN_WRITE = 2,
    VESPER_OPEN_CREATE = 4,    /* made if it is not there, nor where a link leads */
    VESPER_OPEN_EXCLUSIVE = 8, /* with CREATE: EXISTS if it is there, or a link is */
    VESPER_OPEN_TRUNCATE = 16, /* all that is in it goes; with WRITE */
    VESPER_OPEN_APPEND = 32    /* each write goes to the end; with WRITE */
};
struct vesper_volume {
    uint64_t bytes;      /* room for data, used or not */
    uint64_t free_bytes; /* as far as it is known without a long search, else 0 */
    char name[16];       /* "wd0a", "ram": what stands before the ':' */
    char type[16];       /* "ffs2" */
    char label[32];
    int32_t device; /* of block, -1: none */
    uint32_t read_only;
    uint32_t is_root;
};
struct vesper_entry {
    uint64_t id;
    uint32_t type;
    char name[768]; /* UTF-8 */
};
struct vesper_file {
    uint32_t size;
    /* Opens a file or directory. Returns a handle. NOT_FOUND, NOT_DIRECTORY, NO_MEMORY, CORRUPT ...
     */
    int (*open)(const char* path);
    /* Closes it. What was written is not synced. */
    int (*close)(int file);
    /* Reads at most `bytes` at the file's position, which moves on. Returns how many: 0 at the end.
     * At most 2^31 - 1 in one call. IS_DIRECTORY, CORRUPT, DEVICE ... */
    int (*read)(int file, void* into, uint32_t bytes);
    /* Sets the position; it may lie beyond the end. */
    int (*seek)(int file, uint64_t position);
    /* The length of the file. */
    int (*length)(int file, uint64_t* bytes);
    /* The next entry of an open directory, without "." and "..". Returns 1, or 0 after the last;
     * seek to 0 begins again. NOT_DIRECTORY. */
    int (*list)(int directory, struct vesper_entry* entry);
    /* What is known of a file or directory. NOT_FOUND ... */
    int (*stat)(const char* path, struct vesper_stat* stat);
    /* Opens a file as `how` says: enum vesper_open, or'ed. Returns a handle. INVALID, READ_ONLY,
     * EXISTS, IS_DIRECTORY, NOT_FOUND, NO_SPACE ... */
    int (*open_as)(const char* path, uint32_t how);
    /* Writes at the file's position, which moves on. Returns how many bytes, all but when there is
     * NO_SPACE for the rest. INVALID: not opened to write. */
    int (*write)(int file, const void* from, uint32_t bytes);
    /* The position. */
    int (*position)(int file, uint64_t* position);
    /* Cuts the file, or lengthens it with zeros. INVALID: not opened to write. */
    int (*truncate)(int file, uint64_t bytes);
    /* As stat(), of an open file. */
    int (*stat_file)(int file, struct vesper_stat* stat);
    /* As stat(), of a link itself. */
    int (*stat_link)(const char* path, struct vesper_stat* stat);
    /* Makes a directory. EXISTS, NOT_FOUND, READ_ONLY ... */
    int (*make_directory)(const char* path);
    /* Removes a file, link or empty directory. An open file can be used until it is closed.
     * NOT_FOUND, NOT_EMPTY, READ_ONLY ... */
    int (*remove)(const char* path);
    /* Renames or moves within a volume; a file that is at `to` goes. UNSUPPORTED: they are on
     * different volumes. NOT_FOUND, EXISTS, INVALID (a directory into itself) ... */
    int (*rename)(const char* from, const char* to);
    /* Makes a second name for a file. UNSUPPORTED: not on this volume. */
    int (*link)(const char* path, const char* name);
    /* Makes a symbolic link at `path` that leads to `target`. */
    int (*make_link)(const char* path, const char* target);
    /* Where a symbolic link leads. Returns the length of the text, without its NUL. TOO_LARGE: it
     * is no shorter than `bytes`. INVALID: no link. */
    int (*read_link)(const char* path, char* into, uint32_t bytes);
    /* When it was changed: seconds since 1970-01-01 UTC. */
    int (*set_modified)(const char* path, int64_t modified);
    /* Permissions as in Unix. UNSUPPORTED: the volume has none. */
    int (*set_mode)(const char* path, uint32_t mode);
    /* Mounts what is on a device of block; its volume has the device's name. NOT_FOUND: no file
     * system that is known here. EXISTS: it is mounted. BUSY: another volume has the same blocks.
     */
    int (*mount)(int device);
    /* Syncs and forgets a volume. BUSY: a file on it is open, or it is the root. */
    int (*unmount)(const char* volume);
    /* The index-th volume. NOT_FOUND: no more. */
    int (*volume)(uint32_t index, struct vesper_volume* volume);
    /* Returns when all that was written to files is on its medium. */
    int (*sync)(void);
    /* The same for one open file: its contents, its size and its name. */
    int (*sync_file)(int file);
    /* How much memory the cache of a volume on a disk may have, in bytes; 0: as little as can be.
     * NOT_FOUND: no such volume. UNSUPPORTED: it has no cache. */
    int (*set_cache)(const char* volume, uint32_t bytes);
};

/* ---- display: screens of pixels ----------------------------------------------------------------
 * Pixels lie at address + y * pitch + x * bits_per_pixel / 8. A frame buffer is slow to read. */
struct vesper_mode {
    uint32_t width, height;
    uint32_t pitch; /* bytes from one line to the next */
    uint32_t bits_per_pixel;
    uint32_t red_position, red_bits;
    uint32_t green_position, green_bits;
    uint32_t blue_position, blue_bits;
};
struct vesper_display_info {
    char name[16];
    char model[48];
    uint32_t modes;               /* how many it has */
    uint32_t needs_update;        /* pixels appear only after update() */
    uint32_t width_mm, height_mm; /* 0: not known */
};
struct vesper_display {
    uint32_t size;
    /* What the display is. NOT_FOUND: no more. */
    int (*info)(int display, struct vesper_display_info* info);
    /* The index-th mode that it can show. NOT_FOUND: no more. */
    int (*mode)(int display, uint32_t index, struct vesper_mode* mode);
    /* The mode that it shows. */
    int (*current)(int display, struct vesper_mode* mode);
    /* Shows pixels in this mode; text leaves the display until release(). NOT_FOUND: no such mode.
     */
    int (*set_mode)(int display, uint32_t width, uint32_t height, uint32_t bits_per_pixel);
    /* Where the pixels of the present mode are. */
    int (*pixels)(int display, void** address, uint32_t* bytes);
    /* Makes a rectangle appear that has been drawn. */
    int (*update)(int display, uint32_t x, uint32_t y, uint32_t width, uint32_t height);
    /* Sets colours first ... first + count - 1 of a mode with 8 bits: 0xRRGGBB each. */
    int (*palette)(int display, uint32_t first, uint32_t count, const uint32_t* colors);
    /* Waits until the beam is behind the last line. UNSUPPORTED: it does not tell. */
    int (*wait_blank)(int display, uint64_t us);
    /* Gives the display back to the console. */
    int (*release)(int display);
};

/* ---- net: network cards, and TCP/IP above them -------------------------------------------------
 * Addresses and ports are in the host's byte order: 10.0.2.2 is 0x0a000202. */
struct vesper_net_info {
    char name[16];
    char model[48];
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t link;                                   /* Mbit/s, 0: no link */
    uint32_t address, netmask, gateway, name_server; /* 0: none */
};
enum vesper_socket_kind { VESPER_UDP = 1, VESPER_TCP = 2 };
struct vesper_net {
    uint32_t size;
    /* What the card is. NOT_FOUND: no more. */
    int (*info)(int card, struct vesper_net_info* info);
    /* Sends one Ethernet frame, without its check sum. INVALID: too long. */
    int (*send_frame)(int card, const void* frame, uint32_t bytes);
    /* Takes the next frame that came; TCP/IP no longer gets the card's frames. Returns its length,
     * 0 if there is none. TOO_LARGE: cut off. */
    int (*receive_frame)(int card, void* into, uint32_t bytes);
    /* Asks DHCP for an address. TIMED_OUT. */
    int (*configure)(int card, uint64_t us);
    /* Sets the address by hand. */
    int (*set_address)(int card, uint32_t address, uint32_t netmask, uint32_t gateway,
                       uint32_t name_server);
    /* The address of a name. NOT_FOUND, TIMED_OUT. */
    int (*resolve)(const char* name, uint64_t us, uint32_t* address);
    /* Makes a socket of this kind. Returns a handle. */
    int (*open)(uint32_t kind);
    /* Receives at this port from now on; 0: any that is free. */
    int (*bind)(int socket, uint32_t port);
    /* Connects to a port. TIMED_OUT, DEVICE: refused. */
    int (*connect)(int socket, uint32_t address, uint32_t port, uint64_t us);
    /* Takes connections from now on. */
    int (*listen)(int socket);
    /* The next connection: a new socket. TIMED_OUT. */
    int (*accept)(int socket, uint64_t us);
    /* Sends. Returns how many bytes. */
    int (*send)(int socket, const void* from, uint32_t bytes);
    /* Receives at most so many bytes. Returns how many: 0 if none come within `us`. GONE: the other
     * side has closed. */
    int (*receive)(int socket, void* into, uint32_t bytes, uint64_t us);
    /* The other side's address and port: of the connection, or of what was last received. */
    int (*peer)(int socket, uint32_t* address, uint32_t* port);
    /* Closes it. */
    int (*close)(int socket);
    /* Lets packets move; all other calls do so, too. */
    int (*poll)(void);
};

/* ---- time: since boot, and of day --------------------------------------------------------------
 */
struct vesper_date {
    uint32_t year, month, day; /* month and day from 1 */
    uint32_t hour, minute, second;
    int64_t unix_seconds; /* since 1970-01-01, if the machine's clock runs on UTC */
};
struct vesper_clock {
    char name[16];  /* what ticks() reads: "tsc", "hpet", "pit" */
    uint64_t hertz; /* of that */
};
struct vesper_time {
    uint32_t size;
    /* Microseconds since boot; never goes backwards. Cannot fail. May be called from a hook. */
    uint64_t (*ticks)(void);
    /* Waits for at least so many microseconds. INTERRUPTED. */
    int (*sleep)(uint64_t us);
    /* The battery-backed clock. NOT_FOUND: there is none. TIMED_OUT, CORRUPT: it is not set. */
    int (*date)(struct vesper_date* date);
    /* Waits until ticks() is at least `ticks`. INTERRUPTED. */
    int (*sleep_until)(uint64_t ticks);
    /* Sets the battery-backed clock; unix_seconds is not looked at. INVALID: no such date.
     * NOT_FOUND, TIMED_OUT. */
    int (*set_date)(const struct vesper_date* date);
    /* Fills in a date from seconds since 1970-01-01. INVALID: before 1970, or 2^31 days later. */
    int (*to_date)(int64_t unix_seconds, struct vesper_date* date);
    /* Fills in unix_seconds from the rest. INVALID: no such date. */
    int (*from_date)(struct vesper_date* date);
    /* Which clock ticks() reads, and how fine it is. */
    int (*clock)(struct vesper_clock* clock);
};

/* ---- memory: what there is, and what devices can reach -----------------------------------------
 * The payload's own memory is arena_start ... arena_end; it needs no call. */
enum vesper_memory_type {
    VESPER_RAM = 1,
    VESPER_RESERVED = 2,
    VESPER_ACPI = 3, /* tables; RAM once they have been read */
    VESPER_NVS = 4,
    VESPER_UNUSABLE = 5
};
struct vesper_range {
    uint64_t start, bytes;
    uint32_t type; /* enum vesper_memory_type */
    uint32_t reserved;
};
enum vesper_caching {
    VESPER_UNCACHED = 0,       /* device registers */
    VESPER_CACHED = 1,         /* RAM and ROM */
    VESPER_WRITE_COMBINING = 2 /* frame buffers; uncached where the CPU has no such thing */
};
struct vesper_memory_usage {
    uint32_t heap_bytes; /* the kernel's memory for drivers, caches and allocate() */
    uint32_t heap_used;
    uint32_t heap_most_used; /* since boot */
    uint32_t window_bytes;   /* addresses left for map_physical() */
};
struct vesper_memory {
    uint32_t size;
    /* The index-th range of the map that the firmware gave, in order of addresses. NOT_FOUND: no
     * more. */
    int (*map)(uint32_t index, struct vesper_range* range);
    /* Makes physical memory visible; *address is where. Never undone. UNSUPPORTED: not reachable
     * with 32-bit addresses. NO_MEMORY: the windows (256 MiB) are used up. */
    int (*map_physical)(uint64_t physical, uint32_t bytes, uint32_t caching, void** address);
    /* The index-th file that the boot loader loaded next to the kernel. NOT_FOUND: no more. */
    int (*module)(uint32_t index, void** start, uint32_t* bytes, const char** name);
    /* Memory that a device can read and write: contiguous, zeroed, out of the kernel's, with its
     * last byte not above `highest` (0xffffffff: any). `alignment` is a power of two, or 0 for 16.
     * NO_MEMORY, INVALID. */
    int (*allocate)(uint32_t bytes, uint32_t alignment, uint32_t highest, void** address);
    /* Gives back what allocate() gave. All is given back when the payload ends. INVALID: it is not
     * that. */
    int (*release)(void* address);
    /* Where an address is in physical memory, for a device. NOT_FOUND: nowhere. */
    int (*physical)(const void* address, uint64_t* physical);
    /* Where physical memory can be seen without a new window. NOT_FOUND: nowhere. */
    int (*address)(uint64_t physical, void** address);
    /* The kernel's own memory. */
    int (*usage)(struct vesper_memory_usage* usage);
};

/* ---- device: the tree of devices, and the hardware itself --------------------------------------
 * A device is a number from 0 on; it does not change until power-off. A claimed device has no
 * driver: it is the payload's until it gives it back, or ends. */
enum vesper_bus { VESPER_BUS_NONE = 0, VESPER_BUS_PCI = 1, VESPER_BUS_ISA = 2 };
struct vesper_device_info {
    char name[16];         /* "wd0"; "pcidev0.3.0" for one without a driver */
    char driver[16];       /* "ide"; "" without a driver */
    char locator[48];      /* where on its bus: "dev 1 function 1" */
    char description[160]; /* as its line at boot */
    int32_t parent;        /* -1: none */
    uint32_t bus;          /* enum vesper_bus: what it was found on */
    uint32_t claimed;
    uint32_t irq;         /* its line, 0: none */
    uint32_t pci_address; /* bus << 16 | device << 8 | function */
    uint16_t vendor, product;
    uint32_t class_code; /* base << 16 | sub << 8 | interface */
};
enum vesper_resource_kind { VESPER_PORTS = 1, VESPER_DEVICE_MEMORY = 2 };
struct vesper_resource {
    uint64_t start, bytes; /* ports, or physical addresses */
    uint32_t kind;         /* enum vesper_resource_kind */
    uint32_t prefetchable;
};
struct vesper_device {
    uint32_t size;
    /* What the device is. NOT_FOUND: no more. */
    int (*info)(int device, struct vesper_device_info* info);
    /* The number of the device with this name. NOT_FOUND. */
    int (*find)(const char* name);
    /* The first PCI device behind `after` (-1: of all) with these IDs; 0xffff fits any. NOT_FOUND.
     */
    int (*find_pci)(int after, uint32_t vendor, uint32_t product);
    /* Ports or memory of the device: base address register `index` (0 ... 5) on PCI; on ISA, 0.
     * NOT_FOUND: it has none there. */
    int (*resource)(int device, uint32_t index, struct vesper_resource* resource);
    /* PCI configuration space: 1, 2 or 4 bytes at an offset that is a multiple of that. INVALID. */
    int (*read_config)(int device, uint32_t offset, uint32_t bytes, uint32_t* value);
    /* Writes there. BUSY: a driver has the device. */
    int (*write_config)(int device, uint32_t offset, uint32_t bytes, uint32_t value);
    /* Reads a port, 1, 2 or 4 bytes wide. INVALID. */
    int (*read_port)(uint32_t port, uint32_t bytes, uint32_t* value);
    /* Writes a port. INVALID. */
    int (*write_port)(uint32_t port, uint32_t bytes, uint32_t value);
    /* Takes the device from its driver, and makes it quiet: no DMA, no interrupts. What the driver
     * published is GONE. Bus mastering and decoding are the payload's to switch on. BUSY: claimed
     * already, or it holds a mounted volume. UNSUPPORTED: it is no device of its own on a bus, or a
     * bridge. */
    int (*claim)(int device);
    /* Gives it back: drivers are offered it anew. INVALID: not claimed. */
    int (*release)(int device);
};

/* ---- interrupt: functions of the payload's that the kernel calls -------------------------------
 * A hook runs on a stack of the kernel's with 4 KiB left, interrupts off. It may use the FPU only
 * if it saves it. A hook is a handle until unhook() or the payload's end. */
struct vesper_frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
    uint32_t eip, eflags;
    uint32_t cs, ds, es, fs, gs, ss;
    uint32_t vector;     /* of the exception, 0 ... 31; VESPER_BREAK */
    uint32_t error_code; /* as the CPU gave it, else 0 */
    uint32_t address;    /* what could not be accessed, for a page fault */
};
#define VESPER_BREAK 256
#define VESPER_ANY_VECTOR 0xffffffffu
/* Returns 1 if the interrupt was its device's, else 0. Timers' hooks return anything. */
typedef int (*vesper_hook)(void* context);
/* Returns 1 to go on with the frame as it is now, but for segment registers, 0 to have the next
 * hook asked, at last the kernel's report. */
typedef int (*vesper_frame_hook)(struct vesper_frame* frame, void* context);
struct vesper_interrupt {
    uint32_t size;
    /* Has hook(context) called for each interrupt of a line (0 ... 15), beside the drivers'
     * handlers. Returns a handle. A claimed PCI device is kept off its line, by bit 10 of its
     * Command register, until device() is called. INVALID, NO_MEMORY. */
    int (*line)(uint32_t line, vesper_hook hook, void* context);
    /* The same for message `index` of a claimed device: MSI-X or MSI if it has them, else its line.
     * UNSUPPORTED: more messages than it has. INVALID: not claimed. */
    int (*device)(int device, uint32_t index, vesper_hook hook, void* context);
    /* Has hook(context) called `first` microseconds from now and then every `period`, 0: once. It
     * is as fine as 1 ms. INVALID: a period under 1 ms. */
    int (*timer)(uint64_t first, uint64_t period, vesper_hook hook, void* context);
    /* Has the hook called when an exception with this vector (0 ... 31, or VESPER_ANY_VECTOR) stops
     * the payload's own code. Breakpoints and steps (1, 3) are the debugger's. */
    int (*exception)(uint32_t vector, vesper_frame_hook hook, void* context);
    /* Has the hook called for Ctrl-C and Ctrl-Break: in the middle of the payload's code, or at the
     * end of the call that is under way; key and sleep then return INTERRUPTED. */
    int (*on_break)(vesper_frame_hook hook, void* context);
    /* Ends a hook. NOT_FOUND. May be called from a hook. */
    int (*unhook)(int hook);
};

/* ---- audio -------------------------------------------------------------------------------------
 */
struct vesper_audio_info {
    char name[16];
    char model[48];
    uint32_t tones_only;                /* a speaker that only beeps: tone() */
    uint32_t lowest_rate, highest_rate; /* frames a second */
};
struct vesper_audio {
    uint32_t size;
    /* What the device is. NOT_FOUND: no more. */
    int (*info)(int device, struct vesper_audio_info* info);
    /* Starts to play 16-bit signed samples, 1 or 2 channels. UNSUPPORTED: the rate or channels. */
    int (*start)(int device, uint32_t rate, uint32_t channels);
    /* Appends frames to what is played. Returns how many fitted. */
    int (*write)(int device, const int16_t* samples, uint32_t frames);
    /* How many frames have been written and are not played yet. */
    int (*queued)(int device);
    /* Ends playing, at once. */
    int (*stop)(int device);
    /* Loudness, 0 ... 255. */
    int (*volume)(int device, uint32_t volume);
    /* Beeps from now on; 0 Hz: silence. */
    int (*tone)(int device, uint32_t hertz);
};

/* ---- random ------------------------------------------------------------------------------------
 */
struct vesper_random {
    uint32_t size;
    /* Fills memory with random bytes. Returns how many: at most 2^20 in one call. Cannot run dry.
     */
    int (*fill)(void* into, uint32_t bytes);
    /* Where they come from: "rdseed", "rdrand", "viornd0" (a device), or "jitter" of the clocks. */
    const char* (*source)(void);
};

/* ---- power: rest, off, and again ---------------------------------------------------------------
 */
struct vesper_power {
    uint32_t size;
    /* Syncs, and starts the machine anew: ACPI, keyboard controller, triple fault. Does not return.
     */
    int (*reboot)(void);
    /* Syncs, and switches the machine off (ACPI S5). Returns only on failure: NOT_FOUND, CORRUPT,
     * TIMED_OUT. */
    int (*off)(void);
    /* Rests until an interrupt comes, at most 10 ms. To be called while there is nothing to do. */
    int (*idle)(void);
    /* Whether the power button has been pressed since the last question: 1 or 0. NOT_FOUND: the
     * machine does not tell. */
    int (*button)(void);
};

/* ---- debug: to see what happens ----------------------------------------------------------------
 */
enum vesper_access { VESPER_EXECUTE = 0, VESPER_WRITTEN = 1, VESPER_ACCESSED = 3 };
struct vesper_counter {
    char name[32]; /* "interrupts of line 4" */
    uint64_t value;
};
struct vesper_debug {
    uint32_t size;
    /* A few English words for an error, never null. */
    const char* (*error_text)(int error);
    /* One line for the kernel's log: shown on the console, and kept for the monitor's `dmesg`. */
    int (*log)(const char* text);
    /* Opens the monitor. Returns when the operator says `go`. */
    int (*enter)(void);
    /* Shows memory on the console, 16 bytes a row, as numbers and text. INVALID: over 65536 bytes.
     * NOT_FOUND: nothing readable is there. */
    int (*dump)(const void* address, uint32_t bytes);
    /* The return addresses above the caller, as far as frame pointers lead. Returns how many. */
    int (*backtrace)(uint32_t* into, uint32_t most);
    /* The name of the function at an address, with an offset: "main+0x12". Returns the length of
     * the text, without its NUL, cut to fit. NOT_FOUND: neither the kernel's nor a loaded symbol.
     */
    int (*symbol)(uint32_t address, char* into, uint32_t bytes);
    /* Has each access to a device's registers logged, or no longer (0): by the name of a device,
     * "all". NOT_FOUND. */
    int (*trace)(const char* device, uint32_t on);
    /* Stops the payload when it executes an address, or writes or accesses 1, 2 or 4 bytes there.
     * Returns a handle. BUSY: the CPU has four, and all are in use. INVALID: not aligned. */
    int (*break_at)(const void* address, uint32_t access, uint32_t bytes);
    /* Removes it. NOT_FOUND. */
    int (*remove_break)(int breakpoint);
    /* The index-th thing that the kernel counts. NOT_FOUND: no more. */
    int (*counter)(uint32_t index, struct vesper_counter* counter);
};

/* ---- the struct --------------------------------------------------------------------------------
 */
struct vesper {
    /* 0x00: Writes one character; only the low 8 bits count. May be called from a hook. */
    void (*emit)(int c);
    /* 0x04: Waits for a key, and returns it. INTERRUPTED. */
    int (*key)(void);
    /* 0x08: The next key, or -1 at once. May be called from a hook. */
    int (*keyq)(void);
    char magic[4];     /* 0x0c: VESPER_MAGIC, without a NUL */
    uint32_t version;  /* 0x10: VESPER_VERSION */
    uint32_t size;     /* 0x14: of this struct, in bytes */
    void* arena_start; /* 0x18: first byte after the loaded image, and */
    void* arena_end;   /* 0x1c: behind the last of the payload's memory */
    const char* args;  /* 0x20: words of the command line that the kernel does not know, and all
                        * that follows `args=`; "" if there are none */
    const struct vesper_console* console;     /* 0x24 */
    const struct vesper_input* input;         /* 0x28 */
    const struct vesper_block* block;         /* 0x2c */
    const struct vesper_file* file;           /* 0x30 */
    const struct vesper_display* display;     /* 0x34 */
    const struct vesper_net* net;             /* 0x38 */
    const struct vesper_time* time;           /* 0x3c */
    const struct vesper_memory* memory;       /* 0x40 */
    const struct vesper_device* device;       /* 0x44 */
    const struct vesper_interrupt* interrupt; /* 0x48 */
    const struct vesper_audio* audio;         /* 0x4c */
    const struct vesper_random* random;       /* 0x50 */
    const struct vesper_power* power;         /* 0x54 */
    const struct vesper_debug* debug;         /* 0x58 */
};

#ifdef __cplusplus
}
#endif

#endif
