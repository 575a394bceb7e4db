/* SPDX-License-Identifier: BSD-2-Clause
 * insnmark - a TCG plugin for QEMU 7.2 (plugin API version 1), for one CPU. It writes a line
 *
 *     reset|entry|marker INSTRUCTIONS NANOSECONDS
 *
 * when the guest begins, and each time it is about to execute the instruction at `entry=ADDRESS` or
 * a marker (see marker.inc): instructions since reset, and the host's clock.
 *
 *     -plugin file=insnmark.so,out=FILE[,entry=HEX][,uncounted=on][,hot=FILE][,marker=N]
 *
 * uncounted: for taking the time, since counting slows the guest down. hot: at each marker, how
 * often each address was executed since `entry`, or at the N-th marker only, since the one before
 * it: lines ADDRESS COUNT. Addresses are taken modulo
 * 256 MiB, which makes one of Vesper's two views of the low memory, and only the first 8 MiB are
 * there.
 *
 * Debian has no qemu-plugin.h; these are the few declarations of it that are needed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tb;
struct insn;
typedef uint64_t plugin_id;
enum { NO_REGISTERS = 0, ADD = 0 };
size_t qemu_plugin_tb_n_insns(const struct tb*);
struct insn* qemu_plugin_tb_get_insn(const struct tb*, size_t);
const void* qemu_plugin_insn_data(const struct insn*);
size_t qemu_plugin_insn_size(const struct insn*);
uint64_t qemu_plugin_insn_vaddr(const struct insn*);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb*));
void qemu_plugin_register_vcpu_insn_exec_inline(struct insn*, int, void*, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn*, void (*)(unsigned, void*), int, void*);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static const unsigned char marker[] = {0x0f, 0x1f, 0x80, 0x01, 'M', 'B', 'K'};
static FILE* out;
static const char* hot_file;
static int counted = 1, wanted;
static uint64_t entry = UINT64_MAX, instructions, executed[8 << 20];

static void report(const char* what)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(out, "%s %llu %llu\n", what, (unsigned long long)instructions,
            now.tv_sec * 1000000000ull + now.tv_nsec);
    fflush(out);
}

static void on_entry(unsigned cpu, void* data)
{
    (void)cpu, (void)data;
    report("entry");
    if (hot_file) memset(executed, 0, sizeof executed);
}

static void on_marker(unsigned cpu, void* data)
{
    static int number;
    (void)cpu, (void)data;
    ++number;
    if (hot_file && number + 1 == wanted) memset(executed, 0, sizeof executed);
    FILE* hot = hot_file && (!wanted || number == wanted) ? fopen(hot_file, "w") : NULL;
    if (hot) {
        for (size_t at = 0; at < sizeof executed / sizeof *executed; ++at) {
            if (executed[at]) fprintf(hot, "%zx %llu\n", at, (unsigned long long)executed[at]);
        }
        fclose(hot);
    }
    report("marker");
}

static void on_translation(plugin_id id, struct tb* block)
{
    static int begun;
    (void)id;
    if (!begun++) report("reset");
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); ++i) {
        struct insn* insn = qemu_plugin_tb_get_insn(block, i);
        uint64_t address = qemu_plugin_insn_vaddr(insn), low = address & 0xfffffff;
        if (counted) qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD, &instructions, 1);
        if (hot_file && low < sizeof executed / sizeof *executed)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD, &executed[low], 1);
        if (address == entry)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_entry, NO_REGISTERS, NULL);
        if (qemu_plugin_insn_size(insn) == sizeof marker &&
            !memcmp(qemu_plugin_insn_data(insn), marker, sizeof marker))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, NO_REGISTERS, NULL);
    }
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void* info,
                                                               int argc, char** argv)
{
    (void)info;
    for (int i = 0; i < argc; ++i) {
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w");
        else if (!strncmp(argv[i], "entry=", 6))
            entry = strtoull(argv[i] + 6, NULL, 16);
        else if (!strncmp(argv[i], "hot=", 4))
            hot_file = argv[i] + 4;
        else if (!strncmp(argv[i], "uncounted=", 10))
            counted = 0;
        else if (!strncmp(argv[i], "marker=", 7))
            wanted = atoi(argv[i] + 7);
    }
    if (!out) return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    return 0;
}
