/* SPDX-License-Identifier: BSD-2-Clause
 * Calls every function of the API, as fuzz_calls.h lists them, with random and edge values, and in
 * every situation that vesper.h allows. Arguments: SEED CALLS.
 *
 * Errors are what it expects; a fault of its own code it catches. It does not write to the root's
 * disk, nor to ports or configuration registers on which a PC hangs by itself, and has no memory
 * executed that holds no code. */
#include <stddef.h>
#include "vesper.h"
#include "vesper_text.h"

struct call {
    const char* name;
    int table, offset;
    const char* kinds;
};
static const struct call calls[] = {
#include "fuzz_calls.h"
};
enum { call_count = sizeof calls / sizeof *calls };
static uint32_t made[call_count];

static struct vesper* v;
static uint32_t seed, faults, errors, in_hooks, broken, total;
static int root_disk, root_part;

/* What the calls may write to, with a page behind that is text without an end. */
static uint8_t scratch[524288], endless[8192];
static struct vesper_block_request requests[8];
static void* allocated[8];
static int watched[2048] __attribute__((aligned(4096))); /* nobody writes there */
const char* volatile latest; /* call, for whoever looks into a machine that stands still */

static uint32_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}
static uint32_t below(uint32_t limit) { return next_random() % limit; }
static int one_in(uint32_t n) { return below(n) == 0; }
#define PICK(array) ((array)[below(sizeof(array) / sizeof *(array))])

/* ---- values ------------------------------------------------------------------------------------
 */
static uint32_t word(void)
{
    static const uint32_t edges[] = {0,          1,          2,          3,          4,
                                     7,          8,          16,         25,         80,
                                     255,        256,        0x1000,     0xffff,     0x10000,
                                     0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x3fffffff};
    switch (below(4)) {
    case 0: return next_random();
    case 1: return below(32);
    default: return PICK(edges);
    }
}

static uint32_t size(void)
{
    static const uint32_t edges[] = {0,          1,          2,          4,          512,
                                     4095,       4096,       0x7fffffff, 0x80000000, 0xffffffff,
                                     0x10000000, 0x40000000, 0xfffff000};
    return one_in(3) ? PICK(edges) : below(one_in(8) ? 65536 : 600);
}

static uint32_t wild(void)
{
    const uint32_t edges[] = {0,
                              1,
                              0xfff,
                              0x1000,
                              0xa0000,
                              0xb8000,
                              0xf0000,
                              0x100000,
                              0xc0100000,
                              0xc0101234,
                              0xc0180000,
                              0xc01ffffe,
                              0xc0300000,
                              0xc042ffff,
                              0xe0000000,
                              0xefffffff,
                              0xfffffff0,
                              0xffffffff,
                              0x50000000,
                              0xbfffffff,
                              0xdfffffff,
                              (uint32_t)v->arena_end,
                              (uint32_t)v->arena_end - 1,
                              (uint32_t)v->arena_end + 64,
                              (uint32_t)v->arena_end - 0xc0000000u + 4096,
                              (uint32_t)v,
                              (uint32_t)v->console,
                              (uint32_t)endless};
    return PICK(edges);
}

/* What nobody could call; endless[] could be, and would run through all memory. */
static uint32_t no_code(void)
{
    uint32_t to = wild();
    if (to == 0x1000 || to >> 28 == 0xe) return 0; /* free RAM, and what may be a window on it */
    return to == (uint32_t)endless || (to >= (uint32_t)v->arena_end - 1 && to < 0xc8000000)
               ? (uint32_t)v
               : to;
}

static uint32_t memory(void)
{
    return one_in(4) ? wild() : (uint32_t)scratch + below(sizeof scratch / 2);
}

static const char* const readable[] = {
    "/kexec",   "/",          "",         "hello.txt", "/none/such", "wd0p1:/", "ram:/f",
    "wd1p1:/f", "wd1p1:/d/g", "nobody:/", "wd0",       "wd1",        "wd1p1",   "ram",
    ":",        "com0",       "../../..", "//",        "wd1p1:/l"};
/* None is on the root. */
static const char* const writable[] = {"ram:/f",     "ram:/d",   "ram:/d/g",   "ram:/l",
                                       "ram:/",      "ram:",     "wd1p1:/f",   "wd1p1:/d",
                                       "wd1p1:/d/g", "wd1p1:/l", "nobody:/x",  "ram:/d/../f",
                                       "ram:/l/x",   "ram:/d/",  "wd1p1:/d/h", "wd1p1:/e"};
static const char* text(int to_write)
{
    static char longer[5000];
    if (one_in(10)) {
        uint32_t to = wild(); /* the kernel's text, or zeros: no path of the root's */
        /* Calls write there, too: what they left would be a name that is made on the root. */
        if (to_write) __builtin_memset(endless, 'x', sizeof endless);
        return to == (uint32_t)v || to_write ? (const char*)endless : (const char*)to;
    }
    if (one_in(20)) {
        uint32_t n = below(2) ? 4999 : below(4999), i = 4;
        __builtin_memcpy(longer, "ram:", 4);
        for (; i < n; ++i) longer[i] = i % 9 ? 'x' : '/';
        longer[n] = 0;
        return longer;
    }
    return to_write ? PICK(writable) : PICK(readable);
}

static int may_write_disk(int device) { return device != root_disk && device != root_part; }

/* ---- hooks -------------------------------------------------------------------------------------
 */
static void make_call(int from_hook);
static int hook(void* context)
{
    (void)context;
    if (in_hooks++ % 16 == 0) make_call(1);
    return below(2);
}
static int decline(struct vesper_frame* frame, void* context)
{
    (void)frame, (void)context;
    return 0;
}
void recovered(void);
static int recover(struct vesper_frame* frame, void* context)
{
    (void)context;
    ++faults;
    frame->eip = (uint32_t)recovered;
    return 1;
}
static void never_called(void) { ++broken; }

/* ---- a call ------------------------------------------------------------------------------------
 */
#define INTERRUPTS 0x200u
#define DIRECTION 0x400u
uint32_t arguments[6], target, stack, flags, kept_esp;
int invoke(void);
__asm__(
    ".text\n"
    "invoke:\n"
    "    pushfl\n"
    "    pushal\n"
    "    movl %esp, kept_esp\n"
    "    movl stack, %eax\n"
    "    testl %eax, %eax\n"
    "    jz 1f\n"
    "    movl %eax, %esp\n"
    "1:  pushl arguments + 20\n"
    "    pushl arguments + 16\n"
    "    pushl arguments + 12\n"
    "    pushl arguments + 8\n"
    "    pushl arguments + 4\n"
    "    pushl arguments\n"
    "    pushl flags\n"
    "    popfl\n"
    "    call *target\n"
    "    jmp 2f\n"
    "recovered:\n"
    "    movl $-100, %eax\n"
    "2:  cld\n"
    "    movl kept_esp, %esp\n"
    "    movl %eax, 28(%esp)\n"
    "    popal\n"
    "    popfl\n"
    "    ret\n");

/* Bends the arguments of calls with which a PC could be hung or the root written. */
static int is(const struct call* call, const char* name)
{
    const char* a = call->name;
    while (*a && *a == *name) ++a, ++name;
    return *a == *name;
}

static void keep_off_disks(const struct call* call, uint32_t* a)
{
    if (is(call, "block_read") && a[3] < 0x100000) a[3] &= 255; /* scratch has no more room */
    if (is(call, "block_write") || is(call, "block_discard")) {
        if (!may_write_disk((int)a[0])) a[2] = 0x7fffffff; /* far beyond its end */
    } else if (is(call, "block_submit")) {
        struct vesper_block_request* r = (struct vesper_block_request*)a[0];
        int ours = r >= requests && r < requests + 8;
        if (!ours) a[0] = 0;
        if (ours && r->result != VESPER_BUSY) {
            r->first = one_in(2) ? below(2000) : word();
            r->count = one_in(2) ? below(16) : word();
            if (r->count < 0x100000) r->count &= 255;
            r->operation = below(5);
            r->data = (void*)memory();
            r->device = (int)below(5) - 1;
            if (!may_write_disk(r->device)) r->operation = below(2) ? VESPER_READ : VESPER_FLUSH;
        }
    } else if (is(call, "file_open_as")) {
        const char* path = (const char*)a[0];
        int safe = 0;
        for (uint32_t i = 0; i < sizeof writable / sizeof *writable; ++i) {
            safe |= path == writable[i];
        }
        if (!safe)
            a[1] &= ~(uint32_t)(VESPER_OPEN_WRITE | VESPER_OPEN_CREATE | VESPER_OPEN_TRUNCATE |
                                VESPER_OPEN_APPEND);
    }
}

static void keep_off_hardware(const struct call* call, uint32_t* a)
{
    if (is(call, "device_write_port")) {
        if (a[0] < 0x10000) a[0] = 0x80;
    } else if (is(call, "device_claim")) {
        if ((int)a[0] == v->device->find("com0")) a[0] = 99; /* somebody is there and watches */
    } else if (is(call, "device_write_config")) {
        struct vesper_device_info info;
        if (v->device->info((int)a[0], &info) == 0 && !info.driver[0]) a[1] = 0x101;
    } else if (is(call, "memory_map_physical")) {
        if (a[2] < 0x10000000) a[2] &= 0x3fff;
    } else if (is(call, "debug_dump")) {
        if (a[1] <= 65536) a[1] &= 63;
    } else if (is(call, "debug_trace")) {
        a[0] = (uint32_t) "nobody";
    } else if (is(call, "debug_break_at")) {
        if (one_in(2))
            a[0] = (uint32_t)never_called, a[1] = VESPER_EXECUTE;
        else if (one_in(2))
            a[0] = (uint32_t)(watched + 1024) + below(3), a[1] = VESPER_WRITTEN;
        else
            a[1] = 2;
    } else if (is(call, "interrupt_timer")) {
        if (!a[3] && a[2] < 2000) a[2] += 2000;
    } else if (is(call, "console_write") || is(call, "debug_log")) {
        if (a[1] < 0x10000000) a[1] &= 127;
    } else if (is(call, "memory_release") && one_in(2)) {
        a[0] = (uint32_t)PICK(allocated);
    } else if (is(call, "random_fill")) {
        if (a[1] < 0x100000) a[1] &= 4095;
    }
}

static void choose_arguments(const struct call* call, uint32_t* a)
{
    int n = 0;
    int to_write = 0;
    static const char* const writers[] = {
        "file_make_directory", "file_remove",       "file_rename",  "file_link",
        "file_make_link",      "file_set_modified", "file_set_mode"};
    for (uint32_t i = 0; i < sizeof writers / sizeof *writers; ++i)
        to_write |= is(call, writers[i]);
    for (const char* kind = call->kinds; *kind; ++kind) {
        uint64_t now;
        switch (*kind) {
        case 'd':
        case 'i':
        case 'f':
        case 'h': a[n++] = one_in(5) ? word() : below(12) - one_in(8); break;
        case 'n': a[n++] = size(); break;
        case 't': a[n++] = below(1000), a[n++] = 0; break;
        case 'T':
            now = v->time->ticks() + below(1000);
            a[n++] = (uint32_t)now, a[n++] = one_in(4) ? 0 : (uint32_t)(now >> 32);
            break;
        case 'q':
            a[n++] = one_in(2) ? below(4096) : word();
            a[n++] = one_in(4) ? word() : 0;
            break;
        case 'p': a[n++] = (uint32_t)text(to_write); break;
        case 'r': a[n++] = one_in(5) ? wild() : (uint32_t)&PICK(requests); break;
        case 'H': a[n++] = one_in(4) ? no_code() : (uint32_t)hook; break;
        case 'F': a[n++] = one_in(4) ? no_code() : (uint32_t)(one_in(2) ? decline : recover); break;
        case 'm': a[n++] = memory(); break;
        case 'a': a[n++] = memory(); break;
        default: a[n++] = word();
        }
    }
    keep_off_disks(call, a);
    keep_off_hardware(call, a);
}

static void* address_of(const struct call* call)
{
    void** at = (void**)((char*)v + call->table);
    return call->offset < 0 ? *at : *(void**)((char*)*at + call->offset);
}

struct table {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed));
static uint8_t own_idt[2048], own_gdt[2048];

/* The kernel's own, but at other addresses. */
static void use_tables(uint32_t which, struct table* idt, struct table* gdt)
{
    __asm__ volatile("sidt %0\n\tsgdt %1" : "=m"(*idt), "=m"(*gdt));
    struct table other_idt = {idt->limit, (uint32_t)own_idt};
    struct table other_gdt = {gdt->limit, (uint32_t)own_gdt};
    __builtin_memcpy(own_idt, (void*)idt->base, idt->limit + 1u);
    __builtin_memcpy(own_gdt, (void*)gdt->base, gdt->limit + 1u);
    if (which & 1) __asm__ volatile("lidt %0" : : "m"(other_idt));
    if (which & 2) __asm__ volatile("lgdt %0" : : "m"(other_gdt));
}

static void make_call(int from_hook)
{
    uint32_t a[8] = {0};
    uint32_t index = below(call_count);
    const struct call* call = &calls[index];
    choose_arguments(call, a);
    ++made[index];
    if (!from_hook) latest = call->name;
    if (from_hook) { /* BUSY, but for four */
        if (is(call, "interrupt_unhook")) return;
        ((int (*)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t))address_of(call))(
            a[0], a[1], a[2], a[3], a[4], a[5]);
        return;
    }
    uint32_t which = one_in(6) ? below(4) : 0;
    struct table idt, gdt;
    __builtin_memcpy(arguments, a, sizeof arguments);
    target = (uint32_t)address_of(call);
    flags = 2 | (one_in(4) ? 0 : INTERRUPTS) | (one_in(4) ? DIRECTION : 0);
    stack = one_in(4) ? (uint32_t)v->arena_end - 4 * below(3) : 0;
    if (which & 1) flags &= ~INTERRUPTS;
    use_tables(which, &idt, &gdt);
    int result = invoke();
    __asm__ volatile("lidt %0\n\tlgdt %1" : : "m"(idt), "m"(gdt));
    if (is(call, "memory_allocate") && result == 0 && a[3] >= (uint32_t)scratch &&
        a[3] <= (uint32_t)scratch + sizeof scratch - 4)
        PICK(allocated) = *(void**)a[3];
    errors += result < 0;
    ++total;
}

static uint32_t number(const char** text)
{
    uint32_t n = 0;
    while (**text == ' ') ++*text;
    for (; **text >= '0' && **text <= '9'; ++*text) n = n * 10 + (uint32_t)(**text - '0');
    return n;
}

int main(struct vesper* vesper)
{
    const char* args = vesper->args;
    uint32_t first = number(&args), count = number(&args);
    v = vesper;
    seed = first * 2654435761u | 1;
    __builtin_memset(endless, 'x', sizeof endless);
    root_disk = v->block->find("wd0");
    root_part = v->block->find("wd0p1");
    v->interrupt->exception(VESPER_ANY_VECTOR, recover, 0);
    while (total < count) make_call(0);
    uint32_t missed = 0;
    for (uint32_t i = 0; i < call_count; ++i) missed += !made[i];
    vesper_print(v, "\nfuzz %u: %u calls of %u functions, %u errors, %u faults, %u hooks, %u\n",
                 first, total, call_count - missed, errors, faults, in_hooks, broken);
    return 0;
}
