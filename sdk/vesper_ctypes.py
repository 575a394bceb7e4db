# SPDX-License-Identifier: BSD-2-Clause
# Made from include/vesper.h by `./vesper bindings`: change that, not this.
"""The structs and constants of include/vesper.h as they lie in the memory of a PC.

For programs that look at it from outside. Pointers are numbers; _pack_ is the i386's alignment."""
from ctypes import (Structure, c_char, c_int16, c_int32, c_int64, c_uint8, c_uint16, c_uint32,
                    c_uint64)

# ---- entry, errors ----------------------------------------------------------------------------
VESPER_KEXECADDR = 0xc0430000
VESPER_MAGIC = b"VSPR"
VESPER_VERSION = 0x10002                # major << 16 | minor
VESPER_NOT_FOUND = -1                   # no such device, file, entry or handle
VESPER_TIMED_OUT = -2                   # a device did not answer before its deadline
VESPER_DEVICE = -3                      # a device reported an error
VESPER_GONE = -4                        # a device has been removed
VESPER_CORRUPT = -5                     # the data on the medium is damaged
VESPER_UNSUPPORTED = -6                 # well-formed, but nothing here can do it
VESPER_INVALID = -7                     # an argument is out of range
VESPER_NO_SPACE = -8                    # the medium is full
VESPER_NO_MEMORY = -9                   # the kernel's memory is used up
VESPER_BUSY = -10                       # in use, or called from where it must not be
VESPER_READ_ONLY = -11                  # the medium or file system cannot be written
VESPER_EXISTS = -12                     # there is one already
VESPER_TOO_LARGE = -13                  # it does not fit; a path has too many links
VESPER_NOT_DIRECTORY = -14
VESPER_IS_DIRECTORY = -15
VESPER_NOT_EMPTY = -16
VESPER_INTERRUPTED = -17                # a break came while the call waited

# ---- keys: what key() and keyq() return -------------------------------------------------------
# Printable keys: their ASCII code, with Shift and Caps Lock applied. Control with a letter: 1...26.
# Enter 13, Backspace 8, Tab 9, Escape 27. The keys below have codes of their own. Alt adds
# VESPER_KEY_ALT to any code; Shift and Control add theirs to the codes >= 256. A serial terminal's
# escape sequences give the same codes.
VESPER_KEY_UP = 0x101
VESPER_KEY_DOWN = 0x102
VESPER_KEY_LEFT = 0x103
VESPER_KEY_RIGHT = 0x104
VESPER_KEY_HOME = 0x105
VESPER_KEY_END = 0x106
VESPER_KEY_PAGE_UP = 0x107
VESPER_KEY_PAGE_DOWN = 0x108
VESPER_KEY_INSERT = 0x109
VESPER_KEY_DELETE = 0x10a
VESPER_KEY_PAUSE = 0x10b
VESPER_KEY_PRINT = 0x10c
VESPER_KEY_MENU = 0x10d
VESPER_KEY_CENTER = 0x10e               # keypad 5 with Num Lock off
VESPER_KEY_F1 = 0x111                   # ... F12 = 0x11c
VESPER_KEY_F12 = 0x11c
VESPER_KEY_ALT = 0x1000
VESPER_KEY_SHIFT = 0x2000
VESPER_KEY_CONTROL = 0x4000

# ---- console: text on all screens and serial lines --------------------------------------------
# Colours are those of VGA text: attribute = background << 4 | foreground; 0 black, 1 blue, 2 green,
# 3 cyan, 4 red, 5 magenta, 6 brown, 7 grey, + 8 bright. 0x07 at first. A serial line shows cells,
# colours and the cursor by ANSI escape sequences.


class vesper_console(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("write", c_uint32),
        ("cells", c_uint32),
        ("put", c_uint32),
        ("move", c_uint32),
        ("color", c_uint32),
        ("clear", c_uint32),
        ("scroll", c_uint32),
        ("region", c_uint32),
        ("cursor", c_uint32),
        ("show_cursor", c_uint32),
        ("fill", c_uint32),
        ("put_row", c_uint32),
        ("resizes", c_uint32),
    ]


# ---- input: keys going down and up, mice ------------------------------------------------------
# Keys are numbered as on USB (HID Usage Tables, page 7). The queues of key(), of key events and of
# pointer events are independent, and each keeps the last 256. A key from a serial line is a press
# and a release.
VESPER_LEFT_CONTROL = 1
VESPER_LEFT_SHIFT = 2
VESPER_LEFT_ALT = 4
VESPER_LEFT_GUI = 8
VESPER_RIGHT_CONTROL = 16
VESPER_RIGHT_SHIFT = 32
VESPER_RIGHT_ALT = 64
VESPER_RIGHT_GUI = 128
VESPER_NUM_LOCK = 0x100
VESPER_CAPS_LOCK = 0x200
VESPER_SCROLL_LOCK = 0x400


class vesper_key_event(Structure):
    _pack_ = 4
    _fields_ = [
        ("time", c_uint64),
        ("usage", c_uint32),
        ("modifiers", c_uint32),
        ("down", c_int32),
        ("key", c_int32),
        ("device", c_int32),
    ]

VESPER_BUTTON_LEFT = 1
VESPER_BUTTON_RIGHT = 2
VESPER_BUTTON_MIDDLE = 4
VESPER_BUTTON_BACK = 8
VESPER_BUTTON_FORWARD = 16


class vesper_pointer_event(Structure):
    _pack_ = 4
    _fields_ = [
        ("time", c_uint64),
        ("x", c_int32),
        ("y", c_int32),
        ("wheel", c_int32),
        ("buttons", c_uint32),
        ("changed", c_uint32),
        ("absolute", c_uint32),
        ("device", c_int32),
    ]

VESPER_KEYBOARD = 1
VESPER_POINTER = 2
VESPER_TERMINAL = 3


class vesper_input_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("kind", c_uint32),
        ("name", c_char * 16),
        ("model", c_char * 48),
    ]


class vesper_input(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("info", c_uint32),
        ("key_event", c_uint32),
        ("pointer_event", c_uint32),
        ("held", c_uint32),
        ("modifiers", c_uint32),
        ("clear", c_uint32),
        ("lost", c_uint32),
    ]


# ---- block: disks and partitions, in blocks of their own size ---------------------------------
# A device is a number, 0 ... count() - 1; it does not change until power-off.


class vesper_block_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("blocks", c_uint64),
        ("first_block", c_uint64),
        ("block_bytes", c_uint32),
        ("disk", c_int32),
        ("read_only", c_uint32),
        ("name", c_char * 16),
        ("model", c_char * 48),
    ]

VESPER_BLOCK_READ_ONLY = 1
VESPER_BLOCK_REMOVABLE = 2
VESPER_BLOCK_GONE = 4                   # it has been removed; its calls fail with GONE
VESPER_BLOCK_MOUNTED = 8                # a volume of file
VESPER_BLOCK_ROOT = 16                  # the volume that /kexec came from
VESPER_READ = 0
VESPER_WRITE = 1
VESPER_FLUSH = 2
VESPER_DISCARD = 3


class vesper_block_request(Structure):
    _pack_ = 4
    _fields_ = [
        ("first", c_uint64),
        ("count", c_uint32),
        ("operation", c_uint32),
        ("data", c_uint32),
        ("device", c_int32),
        ("result", c_int32),
        ("link", c_uint32),
        ("context", c_uint32),
    ]


class vesper_block(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("count", c_uint32),
        ("info", c_uint32),
        ("find", c_uint32),
        ("read", c_uint32),
        ("write", c_uint32),
        ("flush", c_uint32),
        ("discard", c_uint32),
        ("flags", c_uint32),
        ("submit", c_uint32),
        ("poll", c_uint32),
        ("wait", c_uint32),
        ("eject", c_uint32),
        ("load", c_uint32),
    ]


# ---- file: the root file system, and others ---------------------------------------------------
# Names in paths are separated by '/'. A path begins at the root, with a '/' or without, or names
# its volume: "wd0a:/x" is /x on wd0a, "ram:/x" in the volume that lies in the kernel's memory. FFS
# and ext2 tell upper from lower case; FAT does not. Symbolic links are followed. Nothing is written
# to a disk before sync(), but when the cache is full; power->off, ->reboot and the payload's return
# sync too.
VESPER_FILE = 0
VESPER_DIRECTORY = 1
VESPER_LINK = 2                         # list() shows them; open() and stat() follow them
VESPER_OTHER = 3


class vesper_stat(Structure):
    _pack_ = 4
    _fields_ = [
        ("bytes", c_uint64),
        ("modified", c_int64),
        ("id", c_uint64),
        ("type", c_uint32),
        ("mode", c_uint32),
    ]

VESPER_OPEN_READ = 1
VESPER_OPEN_WRITE = 2
VESPER_OPEN_CREATE = 4                  # made if it is not there, nor where a link leads
VESPER_OPEN_EXCLUSIVE = 8               # with CREATE: EXISTS if it is there, or a link is
VESPER_OPEN_TRUNCATE = 16               # all that is in it goes; with WRITE
VESPER_OPEN_APPEND = 32                 # each write goes to the end; with WRITE


class vesper_volume(Structure):
    _pack_ = 4
    _fields_ = [
        ("bytes", c_uint64),
        ("free_bytes", c_uint64),
        ("name", c_char * 16),
        ("type", c_char * 16),
        ("label", c_char * 32),
        ("device", c_int32),
        ("read_only", c_uint32),
        ("is_root", c_uint32),
    ]


class vesper_entry(Structure):
    _pack_ = 4
    _fields_ = [
        ("id", c_uint64),
        ("type", c_uint32),
        ("name", c_char * 768),
    ]


class vesper_file(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("open", c_uint32),
        ("close", c_uint32),
        ("read", c_uint32),
        ("seek", c_uint32),
        ("length", c_uint32),
        ("list", c_uint32),
        ("stat", c_uint32),
        ("open_as", c_uint32),
        ("write", c_uint32),
        ("position", c_uint32),
        ("truncate", c_uint32),
        ("stat_file", c_uint32),
        ("stat_link", c_uint32),
        ("make_directory", c_uint32),
        ("remove", c_uint32),
        ("rename", c_uint32),
        ("link", c_uint32),
        ("make_link", c_uint32),
        ("read_link", c_uint32),
        ("set_modified", c_uint32),
        ("set_mode", c_uint32),
        ("mount", c_uint32),
        ("unmount", c_uint32),
        ("volume", c_uint32),
        ("sync", c_uint32),
        ("sync_file", c_uint32),
        ("set_cache", c_uint32),
    ]


# ---- display: screens of pixels ---------------------------------------------------------------
# Pixels lie at address + y * pitch + x * bits_per_pixel / 8. A frame buffer is slow to read.


class vesper_mode(Structure):
    _pack_ = 4
    _fields_ = [
        ("width", c_uint32),
        ("height", c_uint32),
        ("pitch", c_uint32),
        ("bits_per_pixel", c_uint32),
        ("red_position", c_uint32),
        ("red_bits", c_uint32),
        ("green_position", c_uint32),
        ("green_bits", c_uint32),
        ("blue_position", c_uint32),
        ("blue_bits", c_uint32),
    ]


class vesper_display_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 16),
        ("model", c_char * 48),
        ("modes", c_uint32),
        ("needs_update", c_uint32),
        ("width_mm", c_uint32),
        ("height_mm", c_uint32),
    ]


class vesper_display(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("info", c_uint32),
        ("mode", c_uint32),
        ("current", c_uint32),
        ("set_mode", c_uint32),
        ("pixels", c_uint32),
        ("update", c_uint32),
        ("palette", c_uint32),
        ("wait_blank", c_uint32),
        ("release", c_uint32),
    ]


# ---- net: network cards, and TCP/IP above them ------------------------------------------------
# Addresses and ports are in the host's byte order: 10.0.2.2 is 0x0a000202.


class vesper_net_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 16),
        ("model", c_char * 48),
        ("mac", c_uint8 * 6),
        ("mtu", c_uint16),
        ("link", c_uint32),
        ("address", c_uint32),
        ("netmask", c_uint32),
        ("gateway", c_uint32),
        ("name_server", c_uint32),
    ]

VESPER_UDP = 1
VESPER_TCP = 2


class vesper_net(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("info", c_uint32),
        ("send_frame", c_uint32),
        ("receive_frame", c_uint32),
        ("configure", c_uint32),
        ("set_address", c_uint32),
        ("resolve", c_uint32),
        ("open", c_uint32),
        ("bind", c_uint32),
        ("connect", c_uint32),
        ("listen", c_uint32),
        ("accept", c_uint32),
        ("send", c_uint32),
        ("receive", c_uint32),
        ("peer", c_uint32),
        ("close", c_uint32),
        ("poll", c_uint32),
    ]


# ---- time: since boot, and of day -------------------------------------------------------------


class vesper_date(Structure):
    _pack_ = 4
    _fields_ = [
        ("year", c_uint32),
        ("month", c_uint32),
        ("day", c_uint32),
        ("hour", c_uint32),
        ("minute", c_uint32),
        ("second", c_uint32),
        ("unix_seconds", c_int64),
    ]


class vesper_clock(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 16),
        ("hertz", c_uint64),
    ]


class vesper_time(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("ticks", c_uint32),
        ("sleep", c_uint32),
        ("date", c_uint32),
        ("sleep_until", c_uint32),
        ("set_date", c_uint32),
        ("to_date", c_uint32),
        ("from_date", c_uint32),
        ("clock", c_uint32),
    ]


# ---- memory: what there is, and what devices can reach ----------------------------------------
# The payload's own memory is arena_start ... arena_end; it needs no call.
VESPER_RAM = 1
VESPER_RESERVED = 2
VESPER_ACPI = 3                         # tables; RAM once they have been read
VESPER_NVS = 4
VESPER_UNUSABLE = 5


class vesper_range(Structure):
    _pack_ = 4
    _fields_ = [
        ("start", c_uint64),
        ("bytes", c_uint64),
        ("type", c_uint32),
        ("reserved", c_uint32),
    ]

VESPER_UNCACHED = 0                     # device registers
VESPER_CACHED = 1                       # RAM and ROM
VESPER_WRITE_COMBINING = 2              # frame buffers; uncached where the CPU has no such thing


class vesper_memory_usage(Structure):
    _pack_ = 4
    _fields_ = [
        ("heap_bytes", c_uint32),
        ("heap_used", c_uint32),
        ("heap_most_used", c_uint32),
        ("window_bytes", c_uint32),
    ]


class vesper_memory(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("map", c_uint32),
        ("map_physical", c_uint32),
        ("module", c_uint32),
        ("allocate", c_uint32),
        ("release", c_uint32),
        ("physical", c_uint32),
        ("address", c_uint32),
        ("usage", c_uint32),
    ]


# ---- device: the tree of devices, and the hardware itself -------------------------------------
# A device is a number from 0 on; it does not change until power-off. A claimed device has no
# driver: it is the payload's until it gives it back, or ends.
VESPER_BUS_NONE = 0
VESPER_BUS_PCI = 1
VESPER_BUS_ISA = 2


class vesper_device_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 16),
        ("driver", c_char * 16),
        ("locator", c_char * 48),
        ("description", c_char * 160),
        ("parent", c_int32),
        ("bus", c_uint32),
        ("claimed", c_uint32),
        ("irq", c_uint32),
        ("pci_address", c_uint32),
        ("vendor", c_uint16),
        ("product", c_uint16),
        ("class_code", c_uint32),
    ]

VESPER_PORTS = 1
VESPER_DEVICE_MEMORY = 2


class vesper_resource(Structure):
    _pack_ = 4
    _fields_ = [
        ("start", c_uint64),
        ("bytes", c_uint64),
        ("kind", c_uint32),
        ("prefetchable", c_uint32),
    ]


class vesper_device(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("info", c_uint32),
        ("find", c_uint32),
        ("find_pci", c_uint32),
        ("resource", c_uint32),
        ("read_config", c_uint32),
        ("write_config", c_uint32),
        ("read_port", c_uint32),
        ("write_port", c_uint32),
        ("claim", c_uint32),
        ("release", c_uint32),
    ]


# ---- interrupt: functions of the payload's that the kernel calls ------------------------------
# A hook runs on a stack of the kernel's with 4 KiB left, interrupts off. It may use the FPU only if
# it saves it. A hook is a handle until unhook() or the payload's end.


class vesper_frame(Structure):
    _pack_ = 4
    _fields_ = [
        ("edi", c_uint32),
        ("esi", c_uint32),
        ("ebp", c_uint32),
        ("esp", c_uint32),
        ("ebx", c_uint32),
        ("edx", c_uint32),
        ("ecx", c_uint32),
        ("eax", c_uint32),
        ("eip", c_uint32),
        ("eflags", c_uint32),
        ("cs", c_uint32),
        ("ds", c_uint32),
        ("es", c_uint32),
        ("fs", c_uint32),
        ("gs", c_uint32),
        ("ss", c_uint32),
        ("vector", c_uint32),
        ("error_code", c_uint32),
        ("address", c_uint32),
    ]

VESPER_BREAK = 0x100
VESPER_ANY_VECTOR = 0xffffffff


class vesper_interrupt(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("line", c_uint32),
        ("device", c_uint32),
        ("timer", c_uint32),
        ("exception", c_uint32),
        ("on_break", c_uint32),
        ("unhook", c_uint32),
    ]


# ---- audio ------------------------------------------------------------------------------------


class vesper_audio_info(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 16),
        ("model", c_char * 48),
        ("tones_only", c_uint32),
        ("lowest_rate", c_uint32),
        ("highest_rate", c_uint32),
    ]


class vesper_audio(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("info", c_uint32),
        ("start", c_uint32),
        ("write", c_uint32),
        ("queued", c_uint32),
        ("stop", c_uint32),
        ("volume", c_uint32),
        ("tone", c_uint32),
    ]


# ---- random -----------------------------------------------------------------------------------


class vesper_random(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("fill", c_uint32),
        ("source", c_uint32),
    ]


# ---- power: rest, off, and again --------------------------------------------------------------


class vesper_power(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("reboot", c_uint32),
        ("off", c_uint32),
        ("idle", c_uint32),
        ("button", c_uint32),
    ]


# ---- debug: to see what happens ---------------------------------------------------------------
VESPER_EXECUTE = 0
VESPER_WRITTEN = 1
VESPER_ACCESSED = 3


class vesper_counter(Structure):
    _pack_ = 4
    _fields_ = [
        ("name", c_char * 32),
        ("value", c_uint64),
    ]


class vesper_debug(Structure):
    _pack_ = 4
    _fields_ = [
        ("size", c_uint32),
        ("error_text", c_uint32),
        ("log", c_uint32),
        ("enter", c_uint32),
        ("dump", c_uint32),
        ("backtrace", c_uint32),
        ("symbol", c_uint32),
        ("trace", c_uint32),
        ("break_at", c_uint32),
        ("remove_break", c_uint32),
        ("counter", c_uint32),
    ]


# ---- the struct -------------------------------------------------------------------------------


class vesper(Structure):
    _pack_ = 4
    _fields_ = [
        ("emit", c_uint32),
        ("key", c_uint32),
        ("keyq", c_uint32),
        ("magic", c_char * 4),
        ("version", c_uint32),
        ("size", c_uint32),
        ("arena_start", c_uint32),
        ("arena_end", c_uint32),
        ("args", c_uint32),
        ("console", c_uint32),
        ("input", c_uint32),
        ("block", c_uint32),
        ("file", c_uint32),
        ("display", c_uint32),
        ("net", c_uint32),
        ("time", c_uint32),
        ("memory", c_uint32),
        ("device", c_uint32),
        ("interrupt", c_uint32),
        ("audio", c_uint32),
        ("random", c_uint32),
        ("power", c_uint32),
        ("debug", c_uint32),
    ]
