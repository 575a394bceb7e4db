/* SPDX-License-Identifier: BSD-2-Clause
 * The binary interface of include/vesper.h: offsets and sizes that no later version may change. The
 * host build compiles this for the i386 as every C and C++ that a payload may be written in. */
#include <stddef.h>
#include "vesper.h"

#define NAME2(line) check_##line
#define NAME(line) NAME2(line)
#define IS(value, expected) typedef char NAME(__LINE__)[(value) == (expected) ? 1 : -1]
#define AT(type, member, offset) IS(offsetof(struct type, member), offset)

typedef char text_of_magic[sizeof VESPER_MAGIC == 5 ? 1 : -1];
IS(VESPER_KEXECADDR, 0xc0430000u);
IS(VESPER_VERSION >> 16, 1);

AT(vesper, emit, 0x00);
AT(vesper, key, 0x04);
AT(vesper, keyq, 0x08);
AT(vesper, magic, 0x0c);
AT(vesper, version, 0x10);
AT(vesper, size, 0x14);
AT(vesper, arena_start, 0x18);
AT(vesper, arena_end, 0x1c);
AT(vesper, args, 0x20);
AT(vesper, console, 0x24);
AT(vesper, input, 0x28);
AT(vesper, block, 0x2c);
AT(vesper, file, 0x30);
AT(vesper, display, 0x34);
AT(vesper, net, 0x38);
AT(vesper, time, 0x3c);
AT(vesper, memory, 0x40);
AT(vesper, device, 0x44);
AT(vesper, interrupt, 0x48);
AT(vesper, audio, 0x4c);
AT(vesper, random, 0x50);
AT(vesper, power, 0x54);
AT(vesper, debug, 0x58);
IS(sizeof(struct vesper), 0x5c);

AT(vesper_console, size, 0);
AT(vesper_console, write, 4);
AT(vesper_console, cells, 8);
AT(vesper_console, put, 12);
AT(vesper_console, move, 16);
AT(vesper_console, color, 20);
AT(vesper_console, clear, 24);
AT(vesper_console, scroll, 28);
IS(sizeof(struct vesper_console), 32);

AT(vesper_block, size, 0);
AT(vesper_block, count, 4);
AT(vesper_block, info, 8);
AT(vesper_block, find, 12);
AT(vesper_block, read, 16);
IS(sizeof(struct vesper_block), 20);
AT(vesper_block_info, blocks, 0);
AT(vesper_block_info, first_block, 8);
AT(vesper_block_info, block_bytes, 16);
AT(vesper_block_info, disk, 20);
AT(vesper_block_info, read_only, 24);
AT(vesper_block_info, name, 28);
AT(vesper_block_info, model, 44);
IS(sizeof(struct vesper_block_info), 92);

AT(vesper_file, size, 0);
AT(vesper_file, open, 4);
AT(vesper_file, close, 8);
AT(vesper_file, read, 12);
AT(vesper_file, seek, 16);
AT(vesper_file, length, 20);
AT(vesper_file, list, 24);
AT(vesper_file, stat, 28);
IS(sizeof(struct vesper_file), 32);
AT(vesper_stat, bytes, 0);
AT(vesper_stat, modified, 8);
AT(vesper_stat, id, 16);
AT(vesper_stat, type, 24);
AT(vesper_stat, mode, 28);
IS(sizeof(struct vesper_stat), 32);
AT(vesper_entry, id, 0);
AT(vesper_entry, type, 8);
AT(vesper_entry, name, 12);
IS(sizeof(struct vesper_entry), 780);

AT(vesper_time, size, 0);
AT(vesper_time, ticks, 4);
AT(vesper_time, sleep, 8);
AT(vesper_time, date, 12);
IS(sizeof(struct vesper_time), 16);
AT(vesper_date, year, 0);
AT(vesper_date, month, 4);
AT(vesper_date, day, 8);
AT(vesper_date, hour, 12);
AT(vesper_date, minute, 16);
AT(vesper_date, second, 20);
AT(vesper_date, unix_seconds, 24);
IS(sizeof(struct vesper_date), 32);

AT(vesper_memory, size, 0);
AT(vesper_memory, map, 4);
AT(vesper_memory, map_physical, 8);
AT(vesper_memory, module, 12);
IS(sizeof(struct vesper_memory), 16);
AT(vesper_range, start, 0);
AT(vesper_range, bytes, 8);
AT(vesper_range, type, 16);
AT(vesper_range, reserved, 20);
IS(sizeof(struct vesper_range), 24);

AT(vesper_power, size, 0);
AT(vesper_power, reboot, 4);
AT(vesper_power, off, 8);
IS(sizeof(struct vesper_power), 12);

AT(vesper_debug, size, 0);
AT(vesper_debug, error_text, 4);
AT(vesper_debug, log, 8);
IS(sizeof(struct vesper_debug), 12);

IS(sizeof(struct vesper_service), 4);
