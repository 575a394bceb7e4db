/* SPDX-License-Identifier: BSD-2-Clause
 * The binary interface of include/vesper.h: offsets, sizes and numbers that no later version may
 * change. The host build compiles this for the i386 as every C and C++ that a payload may be
 * written in. `./vesper bindings` adds lines for what is new; it changes and removes none. */
#include <stddef.h>
#include "vesper.h"

#define NAME2(line) check_##line
#define NAME(line) NAME2(line)
#define IS(value, expected) typedef char NAME(__LINE__)[(value) == (expected) ? 1 : -1]
#define AT(type, member, offset) IS(offsetof(struct type, member), offset)

typedef char text_of_magic[sizeof VESPER_MAGIC == 5 ? 1 : -1];
IS(VESPER_VERSION >> 16, 1);

IS(VESPER_KEXECADDR, 0xc0430000u);

IS(VESPER_NOT_FOUND, -1);
IS(VESPER_TIMED_OUT, -2);
IS(VESPER_DEVICE, -3);
IS(VESPER_GONE, -4);
IS(VESPER_CORRUPT, -5);
IS(VESPER_UNSUPPORTED, -6);
IS(VESPER_INVALID, -7);
IS(VESPER_NO_SPACE, -8);
IS(VESPER_NO_MEMORY, -9);
IS(VESPER_BUSY, -10);
IS(VESPER_READ_ONLY, -11);
IS(VESPER_EXISTS, -12);
IS(VESPER_TOO_LARGE, -13);
IS(VESPER_NOT_DIRECTORY, -14);
IS(VESPER_IS_DIRECTORY, -15);
IS(VESPER_NOT_EMPTY, -16);
IS(VESPER_INTERRUPTED, -17);

IS(VESPER_KEY_UP, 0x101);
IS(VESPER_KEY_DOWN, 0x102);
IS(VESPER_KEY_LEFT, 0x103);
IS(VESPER_KEY_RIGHT, 0x104);
IS(VESPER_KEY_HOME, 0x105);
IS(VESPER_KEY_END, 0x106);
IS(VESPER_KEY_PAGE_UP, 0x107);
IS(VESPER_KEY_PAGE_DOWN, 0x108);
IS(VESPER_KEY_INSERT, 0x109);
IS(VESPER_KEY_DELETE, 0x10a);
IS(VESPER_KEY_PAUSE, 0x10b);
IS(VESPER_KEY_PRINT, 0x10c);
IS(VESPER_KEY_MENU, 0x10d);
IS(VESPER_KEY_CENTER, 0x10e);
IS(VESPER_KEY_F1, 0x111);
IS(VESPER_KEY_F12, 0x11c);
IS(VESPER_KEY_ALT, 0x1000);
IS(VESPER_KEY_SHIFT, 0x2000);
IS(VESPER_KEY_CONTROL, 0x4000);

AT(vesper_console, size, 0);
AT(vesper_console, write, 4);
AT(vesper_console, cells, 8);
AT(vesper_console, put, 12);
AT(vesper_console, move, 16);
AT(vesper_console, color, 20);
AT(vesper_console, clear, 24);
AT(vesper_console, scroll, 28);
AT(vesper_console, region, 32);
AT(vesper_console, cursor, 36);
AT(vesper_console, show_cursor, 40);
AT(vesper_console, fill, 44);
AT(vesper_console, put_row, 48);
AT(vesper_console, resizes, 52);

IS(VESPER_LEFT_CONTROL, 1);
IS(VESPER_LEFT_SHIFT, 2);
IS(VESPER_LEFT_ALT, 4);
IS(VESPER_LEFT_GUI, 8);
IS(VESPER_RIGHT_CONTROL, 16);
IS(VESPER_RIGHT_SHIFT, 32);
IS(VESPER_RIGHT_ALT, 64);
IS(VESPER_RIGHT_GUI, 128);
IS(VESPER_NUM_LOCK, 0x100);
IS(VESPER_CAPS_LOCK, 0x200);
IS(VESPER_SCROLL_LOCK, 0x400);

AT(vesper_key_event, time, 0);
AT(vesper_key_event, usage, 8);
AT(vesper_key_event, modifiers, 12);
AT(vesper_key_event, down, 16);
AT(vesper_key_event, key, 20);
AT(vesper_key_event, device, 24);
IS(sizeof(struct vesper_key_event), 28);

IS(VESPER_BUTTON_LEFT, 1);
IS(VESPER_BUTTON_RIGHT, 2);
IS(VESPER_BUTTON_MIDDLE, 4);
IS(VESPER_BUTTON_BACK, 8);
IS(VESPER_BUTTON_FORWARD, 16);

AT(vesper_pointer_event, time, 0);
AT(vesper_pointer_event, x, 8);
AT(vesper_pointer_event, y, 12);
AT(vesper_pointer_event, wheel, 16);
AT(vesper_pointer_event, buttons, 20);
AT(vesper_pointer_event, changed, 24);
AT(vesper_pointer_event, absolute, 28);
AT(vesper_pointer_event, device, 32);
IS(sizeof(struct vesper_pointer_event), 36);

IS(VESPER_KEYBOARD, 1);
IS(VESPER_POINTER, 2);
IS(VESPER_TERMINAL, 3);

AT(vesper_input_info, kind, 0);
AT(vesper_input_info, name, 4);
AT(vesper_input_info, model, 20);
IS(sizeof(struct vesper_input_info), 68);

AT(vesper_input, size, 0);
AT(vesper_input, info, 4);
AT(vesper_input, key_event, 8);
AT(vesper_input, pointer_event, 12);
AT(vesper_input, held, 16);
AT(vesper_input, modifiers, 20);
AT(vesper_input, clear, 24);
AT(vesper_input, lost, 28);

AT(vesper_block_info, blocks, 0);
AT(vesper_block_info, first_block, 8);
AT(vesper_block_info, block_bytes, 16);
AT(vesper_block_info, disk, 20);
AT(vesper_block_info, read_only, 24);
AT(vesper_block_info, name, 28);
AT(vesper_block_info, model, 44);
IS(sizeof(struct vesper_block_info), 92);

IS(VESPER_BLOCK_READ_ONLY, 1);
IS(VESPER_BLOCK_REMOVABLE, 2);
IS(VESPER_BLOCK_GONE, 4);
IS(VESPER_BLOCK_MOUNTED, 8);
IS(VESPER_BLOCK_ROOT, 16);

IS(VESPER_READ, 0);
IS(VESPER_WRITE, 1);
IS(VESPER_FLUSH, 2);
IS(VESPER_DISCARD, 3);

AT(vesper_block_request, first, 0);
AT(vesper_block_request, count, 8);
AT(vesper_block_request, operation, 12);
AT(vesper_block_request, data, 16);
AT(vesper_block_request, device, 20);
AT(vesper_block_request, result, 24);
AT(vesper_block_request, link, 28);
AT(vesper_block_request, context, 32);
IS(sizeof(struct vesper_block_request), 36);

AT(vesper_block, size, 0);
AT(vesper_block, count, 4);
AT(vesper_block, info, 8);
AT(vesper_block, find, 12);
AT(vesper_block, read, 16);
AT(vesper_block, write, 20);
AT(vesper_block, flush, 24);
AT(vesper_block, discard, 28);
AT(vesper_block, flags, 32);
AT(vesper_block, submit, 36);
AT(vesper_block, poll, 40);
AT(vesper_block, wait, 44);
AT(vesper_block, eject, 48);
AT(vesper_block, load, 52);

IS(VESPER_FILE, 0);
IS(VESPER_DIRECTORY, 1);
IS(VESPER_LINK, 2);
IS(VESPER_OTHER, 3);

AT(vesper_stat, bytes, 0);
AT(vesper_stat, modified, 8);
AT(vesper_stat, id, 16);
AT(vesper_stat, type, 24);
AT(vesper_stat, mode, 28);
IS(sizeof(struct vesper_stat), 32);

IS(VESPER_OPEN_READ, 1);
IS(VESPER_OPEN_WRITE, 2);
IS(VESPER_OPEN_CREATE, 4);
IS(VESPER_OPEN_EXCLUSIVE, 8);
IS(VESPER_OPEN_TRUNCATE, 16);
IS(VESPER_OPEN_APPEND, 32);

AT(vesper_volume, bytes, 0);
AT(vesper_volume, free_bytes, 8);
AT(vesper_volume, name, 16);
AT(vesper_volume, type, 32);
AT(vesper_volume, label, 48);
AT(vesper_volume, device, 80);
AT(vesper_volume, read_only, 84);
AT(vesper_volume, is_root, 88);
IS(sizeof(struct vesper_volume), 92);

AT(vesper_entry, id, 0);
AT(vesper_entry, type, 8);
AT(vesper_entry, name, 12);
IS(sizeof(struct vesper_entry), 780);

AT(vesper_file, size, 0);
AT(vesper_file, open, 4);
AT(vesper_file, close, 8);
AT(vesper_file, read, 12);
AT(vesper_file, seek, 16);
AT(vesper_file, length, 20);
AT(vesper_file, list, 24);
AT(vesper_file, stat, 28);
AT(vesper_file, open_as, 32);
AT(vesper_file, write, 36);
AT(vesper_file, position, 40);
AT(vesper_file, truncate, 44);
AT(vesper_file, stat_file, 48);
AT(vesper_file, stat_link, 52);
AT(vesper_file, make_directory, 56);
AT(vesper_file, remove, 60);
AT(vesper_file, rename, 64);
AT(vesper_file, link, 68);
AT(vesper_file, make_link, 72);
AT(vesper_file, read_link, 76);
AT(vesper_file, set_modified, 80);
AT(vesper_file, set_mode, 84);
AT(vesper_file, mount, 88);
AT(vesper_file, unmount, 92);
AT(vesper_file, volume, 96);
AT(vesper_file, sync, 100);
AT(vesper_file, sync_file, 104);
AT(vesper_file, set_cache, 108);

AT(vesper_mode, width, 0);
AT(vesper_mode, height, 4);
AT(vesper_mode, pitch, 8);
AT(vesper_mode, bits_per_pixel, 12);
AT(vesper_mode, red_position, 16);
AT(vesper_mode, red_bits, 20);
AT(vesper_mode, green_position, 24);
AT(vesper_mode, green_bits, 28);
AT(vesper_mode, blue_position, 32);
AT(vesper_mode, blue_bits, 36);
IS(sizeof(struct vesper_mode), 40);

AT(vesper_display_info, name, 0);
AT(vesper_display_info, model, 16);
AT(vesper_display_info, modes, 64);
AT(vesper_display_info, needs_update, 68);
AT(vesper_display_info, width_mm, 72);
AT(vesper_display_info, height_mm, 76);
IS(sizeof(struct vesper_display_info), 80);

AT(vesper_display, size, 0);
AT(vesper_display, info, 4);
AT(vesper_display, mode, 8);
AT(vesper_display, current, 12);
AT(vesper_display, set_mode, 16);
AT(vesper_display, pixels, 20);
AT(vesper_display, update, 24);
AT(vesper_display, palette, 28);
AT(vesper_display, wait_blank, 32);
AT(vesper_display, release, 36);

AT(vesper_net_info, name, 0);
AT(vesper_net_info, model, 16);
AT(vesper_net_info, mac, 64);
AT(vesper_net_info, mtu, 70);
AT(vesper_net_info, link, 72);
AT(vesper_net_info, address, 76);
AT(vesper_net_info, netmask, 80);
AT(vesper_net_info, gateway, 84);
AT(vesper_net_info, name_server, 88);
IS(sizeof(struct vesper_net_info), 92);

IS(VESPER_UDP, 1);
IS(VESPER_TCP, 2);

AT(vesper_net, size, 0);
AT(vesper_net, info, 4);
AT(vesper_net, send_frame, 8);
AT(vesper_net, receive_frame, 12);
AT(vesper_net, configure, 16);
AT(vesper_net, set_address, 20);
AT(vesper_net, resolve, 24);
AT(vesper_net, open, 28);
AT(vesper_net, bind, 32);
AT(vesper_net, connect, 36);
AT(vesper_net, listen, 40);
AT(vesper_net, accept, 44);
AT(vesper_net, send, 48);
AT(vesper_net, receive, 52);
AT(vesper_net, peer, 56);
AT(vesper_net, close, 60);
AT(vesper_net, poll, 64);

AT(vesper_date, year, 0);
AT(vesper_date, month, 4);
AT(vesper_date, day, 8);
AT(vesper_date, hour, 12);
AT(vesper_date, minute, 16);
AT(vesper_date, second, 20);
AT(vesper_date, unix_seconds, 24);
IS(sizeof(struct vesper_date), 32);

AT(vesper_clock, name, 0);
AT(vesper_clock, hertz, 16);
IS(sizeof(struct vesper_clock), 24);

AT(vesper_time, size, 0);
AT(vesper_time, ticks, 4);
AT(vesper_time, sleep, 8);
AT(vesper_time, date, 12);
AT(vesper_time, sleep_until, 16);
AT(vesper_time, set_date, 20);
AT(vesper_time, to_date, 24);
AT(vesper_time, from_date, 28);
AT(vesper_time, clock, 32);

IS(VESPER_RAM, 1);
IS(VESPER_RESERVED, 2);
IS(VESPER_ACPI, 3);
IS(VESPER_NVS, 4);
IS(VESPER_UNUSABLE, 5);

AT(vesper_range, start, 0);
AT(vesper_range, bytes, 8);
AT(vesper_range, type, 16);
AT(vesper_range, reserved, 20);
IS(sizeof(struct vesper_range), 24);

IS(VESPER_UNCACHED, 0);
IS(VESPER_CACHED, 1);
IS(VESPER_WRITE_COMBINING, 2);

AT(vesper_memory_usage, heap_bytes, 0);
AT(vesper_memory_usage, heap_used, 4);
AT(vesper_memory_usage, heap_most_used, 8);
AT(vesper_memory_usage, window_bytes, 12);
IS(sizeof(struct vesper_memory_usage), 16);

AT(vesper_memory, size, 0);
AT(vesper_memory, map, 4);
AT(vesper_memory, map_physical, 8);
AT(vesper_memory, module, 12);
AT(vesper_memory, allocate, 16);
AT(vesper_memory, release, 20);
AT(vesper_memory, physical, 24);
AT(vesper_memory, address, 28);
AT(vesper_memory, usage, 32);

IS(VESPER_BUS_NONE, 0);
IS(VESPER_BUS_PCI, 1);
IS(VESPER_BUS_ISA, 2);

AT(vesper_device_info, name, 0);
AT(vesper_device_info, driver, 16);
AT(vesper_device_info, locator, 32);
AT(vesper_device_info, description, 80);
AT(vesper_device_info, parent, 240);
AT(vesper_device_info, bus, 244);
AT(vesper_device_info, claimed, 248);
AT(vesper_device_info, irq, 252);
AT(vesper_device_info, pci_address, 256);
AT(vesper_device_info, vendor, 260);
AT(vesper_device_info, product, 262);
AT(vesper_device_info, class_code, 264);
IS(sizeof(struct vesper_device_info), 268);

IS(VESPER_PORTS, 1);
IS(VESPER_DEVICE_MEMORY, 2);

AT(vesper_resource, start, 0);
AT(vesper_resource, bytes, 8);
AT(vesper_resource, kind, 16);
AT(vesper_resource, prefetchable, 20);
IS(sizeof(struct vesper_resource), 24);

AT(vesper_device, size, 0);
AT(vesper_device, info, 4);
AT(vesper_device, find, 8);
AT(vesper_device, find_pci, 12);
AT(vesper_device, resource, 16);
AT(vesper_device, read_config, 20);
AT(vesper_device, write_config, 24);
AT(vesper_device, read_port, 28);
AT(vesper_device, write_port, 32);
AT(vesper_device, claim, 36);
AT(vesper_device, release, 40);

AT(vesper_frame, edi, 0);
AT(vesper_frame, esi, 4);
AT(vesper_frame, ebp, 8);
AT(vesper_frame, esp, 12);
AT(vesper_frame, ebx, 16);
AT(vesper_frame, edx, 20);
AT(vesper_frame, ecx, 24);
AT(vesper_frame, eax, 28);
AT(vesper_frame, eip, 32);
AT(vesper_frame, eflags, 36);
AT(vesper_frame, cs, 40);
AT(vesper_frame, ds, 44);
AT(vesper_frame, es, 48);
AT(vesper_frame, fs, 52);
AT(vesper_frame, gs, 56);
AT(vesper_frame, ss, 60);
AT(vesper_frame, vector, 64);
AT(vesper_frame, error_code, 68);
AT(vesper_frame, address, 72);
IS(sizeof(struct vesper_frame), 76);

IS(VESPER_BREAK, 0x100);

IS(VESPER_ANY_VECTOR, 0xffffffffu);

AT(vesper_interrupt, size, 0);
AT(vesper_interrupt, line, 4);
AT(vesper_interrupt, device, 8);
AT(vesper_interrupt, timer, 12);
AT(vesper_interrupt, exception, 16);
AT(vesper_interrupt, on_break, 20);
AT(vesper_interrupt, unhook, 24);

AT(vesper_audio_info, name, 0);
AT(vesper_audio_info, model, 16);
AT(vesper_audio_info, tones_only, 64);
AT(vesper_audio_info, lowest_rate, 68);
AT(vesper_audio_info, highest_rate, 72);
IS(sizeof(struct vesper_audio_info), 76);

AT(vesper_audio, size, 0);
AT(vesper_audio, info, 4);
AT(vesper_audio, start, 8);
AT(vesper_audio, write, 12);
AT(vesper_audio, queued, 16);
AT(vesper_audio, stop, 20);
AT(vesper_audio, volume, 24);
AT(vesper_audio, tone, 28);

AT(vesper_random, size, 0);
AT(vesper_random, fill, 4);
AT(vesper_random, source, 8);

AT(vesper_power, size, 0);
AT(vesper_power, reboot, 4);
AT(vesper_power, off, 8);
AT(vesper_power, idle, 12);
AT(vesper_power, button, 16);

IS(VESPER_EXECUTE, 0);
IS(VESPER_WRITTEN, 1);
IS(VESPER_ACCESSED, 3);

AT(vesper_counter, name, 0);
AT(vesper_counter, value, 32);
IS(sizeof(struct vesper_counter), 40);

AT(vesper_debug, size, 0);
AT(vesper_debug, error_text, 4);
AT(vesper_debug, log, 8);
AT(vesper_debug, enter, 12);
AT(vesper_debug, dump, 16);
AT(vesper_debug, backtrace, 20);
AT(vesper_debug, symbol, 24);
AT(vesper_debug, trace, 28);
AT(vesper_debug, break_at, 32);
AT(vesper_debug, remove_break, 36);
AT(vesper_debug, counter, 40);

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
