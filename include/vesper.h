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
 * interrupt handler of the payload's own), except emit, keyq and time->ticks.
 *
 * A table begins with its size in bytes. Later versions append calls to it and never move any: a
 * call is there if its offset is below `size`. A table of 4 bytes has no calls: this kernel has no
 * such service.
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
#define VESPER_VERSION 0x00010000u /* major << 16 | minor */

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
    VESPER_NOT_EMPTY = -16
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
    /* Writes text: printable ASCII, \n (next line, column 0), \r, \b, \t. Returns length. */
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
    /* Moves all text up by `lines`, down if negative; the cursor stays. */
    int (*scroll)(int lines);
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
struct vesper_block {
    uint32_t size;
    int (*count)(void);
    int (*info)(int device, struct vesper_block_info* info);
    /* The number of the device with this name. NOT_FOUND. */
    int (*find)(const char* name);
    /* Reads blocks first ... first + count - 1. INVALID: not on the device. DEVICE, TIMED_OUT,
     * GONE. */
    int (*read)(int device, uint64_t first, uint32_t count, void* into);
};

/* ---- file: the root file system ----------------------------------------------------------------
 * Paths are separated by '/', and start at the root whether or not they begin with one. FFS and
 * ext2 tell upper from lower case; FAT does not. Symbolic links are followed. */
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
    int (*close)(int file);
    /* Reads at most `bytes` at the file's position, which moves on. Returns how many: 0 at the end.
     * At most 2^31 - 1 in one call. IS_DIRECTORY, CORRUPT, DEVICE ... */
    int (*read)(int file, void* into, uint32_t bytes);
    /* Sets the position; it may lie beyond the end. */
    int (*seek)(int file, uint64_t position);
    int (*length)(int file, uint64_t* bytes);
    /* The next entry of an open directory, without "." and "..". Returns 1, or 0 after the last;
     * seek to 0 begins again. NOT_DIRECTORY. */
    int (*list)(int directory, struct vesper_entry* entry);
    int (*stat)(const char* path, struct vesper_stat* stat);
};

/* ---- time --------------------------------------------------------------------------------------
 */
struct vesper_date {
    uint32_t year, month, day; /* month and day from 1 */
    uint32_t hour, minute, second;
    int64_t unix_seconds; /* since 1970-01-01, if the machine's clock runs on UTC */
};
struct vesper_time {
    uint32_t size;
    /* Microseconds since boot; never goes backwards. Cannot fail. */
    uint64_t (*ticks)(void);
    /* Waits for at least so many microseconds. */
    int (*sleep)(uint64_t us);
    /* The battery-backed clock. NOT_FOUND: there is none. TIMED_OUT, CORRUPT: it is not set. */
    int (*date)(struct vesper_date* date);
};

/* ---- memory ------------------------------------------------------------------------------------
 */
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
};

/* ---- power -------------------------------------------------------------------------------------
 */
struct vesper_power {
    uint32_t size;
    /* Starts the machine anew. Does not return. */
    int (*reboot)(void);
    /* Switches the machine off (ACPI S5). Returns only on failure: NOT_FOUND, CORRUPT, TIMED_OUT.
     */
    int (*off)(void);
};

/* ---- debug -------------------------------------------------------------------------------------
 */
struct vesper_debug {
    uint32_t size;
    /* A few English words for an error, never null. */
    const char* (*error_text)(int error);
    /* One line for the kernel's log: shown on the console, and kept for the monitor's `dmesg`. */
    int (*log)(const char* text);
};

/* A service that this version does not have yet. */
struct vesper_service {
    uint32_t size;
};

/* ---- the struct --------------------------------------------------------------------------------
 */
struct vesper {
    void (*emit)(int c); /* 0x00: writes one character; only the low 8 bits count */
    int (*key)(void);    /* 0x04: waits for a key, and returns it */
    int (*keyq)(void);   /* 0x08: the next key, or -1 at once */
    char magic[4];       /* 0x0c: VESPER_MAGIC, without a NUL */
    uint32_t version;    /* 0x10: VESPER_VERSION */
    uint32_t size;       /* 0x14: of this struct, in bytes */
    void* arena_start;   /* 0x18: first byte after the loaded image, and */
    void* arena_end;     /* 0x1c: behind the last of the payload's memory */
    const char* args;    /* 0x20: words of the command line that the kernel does not know, and all
                          * that follows `args=`; "" if there are none */
    const struct vesper_console* console;   /* 0x24 */
    const struct vesper_service* input;     /* 0x28 */
    const struct vesper_block* block;       /* 0x2c */
    const struct vesper_file* file;         /* 0x30 */
    const struct vesper_service* display;   /* 0x34 */
    const struct vesper_service* net;       /* 0x38 */
    const struct vesper_time* time;         /* 0x3c */
    const struct vesper_memory* memory;     /* 0x40 */
    const struct vesper_service* device;    /* 0x44 */
    const struct vesper_service* interrupt; /* 0x48 */
    const struct vesper_service* audio;     /* 0x4c */
    const struct vesper_service* random;    /* 0x50 */
    const struct vesper_power* power;       /* 0x54 */
    const struct vesper_debug* debug;       /* 0x58 */
};

#ifdef __cplusplus
}
#endif

#endif
