/* SPDX-License-Identifier: BSD-2-Clause
 * Checks the calling rules of vesper.h in the machine: "PASS what" or "FAIL what" for each, and at
 * the end how many of either. Asks for keys with "press x". */
#include "vesper.h"

#define CARRY 0x001u
#define INTERRUPTS 0x200u
#define DIRECTION 0x400u
#define FLAGS 0xed7u /* all but the trap flag */

typedef unsigned char byte;

static struct vesper* v;
static int passed, failed;

static uint32_t length_of(const char* text)
{
    uint32_t n = 0;
    while (text[n]) ++n;
    return n;
}

static void say(const char* text) { v->console->write(text, length_of(text)); }

static void check(const char* what, int is_so)
{
    say(is_so ? "PASS " : "FAIL ");
    say(what);
    say("\n");
    ++*(is_so ? &passed : &failed);
}

static int same(const void* one, const void* other, uint32_t bytes)
{
    return __builtin_memcmp(one, other, bytes) == 0;
}

/* ---- a call with every register known before and seen after ------------------------------------
 */

struct state {
    uint32_t ebx, esi, edi, ebp, esp, flags, ds, es, fs, gs, ss;
};
struct state after;
uint32_t arguments[6], target, stack, flags, esp_before;
uint64_t marked_call(void);
__asm__(
    ".text\n"
    "marked_call:\n"
    "    pushfl\n"
    "    pushal\n"
    "    movl %esp, saved_esp\n"
    "    movl stack, %eax\n"
    "    testl %eax, %eax\n"
    "    jz 1f\n"
    "    movl %eax, %esp\n"
    "1:  pushl arguments + 16\n"
    "    pushl arguments + 12\n"
    "    pushl arguments + 8\n"
    "    pushl arguments + 4\n"
    "    pushl arguments\n"
    "    movl %esp, esp_before\n"
    "    movl $0x11111111, %ebx\n"
    "    movl $0x22222222, %esi\n"
    "    movl $0x33333333, %edi\n"
    "    movl $0x44444444, %ebp\n"
    "    pushl flags\n"
    "    popfl\n"
    "    call *target\n"
    "    pushfl\n"
    "    popl after + 20\n"
    "    cld\n"
    "    movl %ebx, after\n"
    "    movl %esi, after + 4\n"
    "    movl %edi, after + 8\n"
    "    movl %ebp, after + 12\n"
    "    movl %esp, after + 16\n"
    "    movl %ds, %ecx\n    movl %ecx, after + 24\n"
    "    movl %es, %ecx\n    movl %ecx, after + 28\n"
    "    movl %fs, %ecx\n    movl %ecx, after + 32\n"
    "    movl %gs, %ecx\n    movl %ecx, after + 36\n"
    "    movl %ss, %ecx\n    movl %ecx, after + 40\n"
    "    movl saved_esp, %esp\n"
    "    movl %eax, 28(%esp)\n" /* what popal gives back */
    "    movl %edx, 20(%esp)\n"
    "    popal\n"
    "    popfl\n"
    "    ret\n"
    ".bss\n"
    "saved_esp: .skip 4\n"
    ".text\n");

static uint64_t call(uint32_t with_flags, void* function, uint32_t a, uint32_t b, uint32_t c,
                     uint32_t d, uint32_t e)
{
    uint32_t given[] = {a, b, c, d, e};
    __builtin_memcpy(arguments, given, sizeof given);
    target = (uint32_t)function;
    flags = with_flags | 2;
    return marked_call();
}

static int kept(void)
{
    return after.ebx == 0x11111111 && after.esi == 0x22222222 && after.edi == 0x33333333 &&
           after.ebp == 0x44444444 && after.esp == esp_before &&
           (after.flags & FLAGS) == (flags & FLAGS);
}

static byte big[16384], other[16384];
static int disk;

/* Makes a call of each kind; true if each kept everything and did its work. */
static int all_calls(uint32_t with_flags)
{
    static const char text[] = "~\n";
    struct vesper_block_info info;
    int good = 1;
    call(with_flags, v->emit, '~', 0, 0, 0, 0);
    good &= kept();
    good &= (int)call(with_flags, v->keyq, 0, 0, 0, 0, 0) == -1 && kept();
    good &= (int)call(with_flags, v->console->write, (uint32_t)text, 2, 0, 0, 0) == 2 && kept();
    good &= call(with_flags, v->time->ticks, 0, 0, 0, 0, 0) != 0 && kept();
    good &= (int)call(with_flags, v->time->sleep, 1000, 0, 0, 0, 0) == 0 && kept();
    info.block_bytes = 0;
    good &= (int)call(with_flags, v->block->info, disk, (uint32_t)&info, 0, 0, 0) == 0 && kept();
    good &= info.block_bytes == 512;
    __builtin_memset(other, 0, sizeof other);
    good &= (int)call(with_flags, v->block->read, disk, 0, 0, 16, (uint32_t)other) == 0 && kept();
    good &= same(big, other, 8192);
    int file = (int)call(with_flags, v->file->open, (uint32_t) "/kexec", 0, 0, 0, 0);
    good &= file >= 0 && kept();
    good &= (int)call(with_flags, v->file->read, file, (uint32_t)other, 64, 0, 0) == 64 && kept();
    good &= same(other, (void*)VESPER_KEXECADDR, 64);
    good &= (int)call(with_flags, v->file->close, file, 0, 0, 0, 0) == 0 && kept();
    good &= (int)call(with_flags, v->file->close, file, 0, 0, 0, 0) == VESPER_NOT_FOUND && kept();
    return good;
}

static void check_calls(void)
{
    uint32_t arithmetic = CARRY | 0x8d4;
    check("registers and flags, interrupts on", all_calls(INTERRUPTS));
    check("registers and flags, interrupts off", all_calls(0));
    check("direction flag set, interrupts on", all_calls(INTERRUPTS | DIRECTION));
    check("direction flag set, interrupts off", all_calls(DIRECTION | arithmetic));
    uint16_t fs = 16, gs = 0;
    __asm__ volatile("movw %0, %%fs\n\tmovw %1, %%gs" : : "r"(fs), "r"(gs));
    int good = all_calls(INTERRUPTS) && after.fs == 16 && after.gs == 0;
    check("segment registers", good && after.ds == 16 && after.es == 16 && after.ss == 16);
}

/* ---- 64 bytes of stack -------------------------------------------------------------------------
 */

static void check_stack(void)
{
    static uint32_t small[1024 + 16]; /* only the last 64 bytes may change */
    int good;
    for (uint32_t i = 0; i < 1024; ++i) small[i] = 0xa5a5a5a5;
    stack = (uint32_t)(small + 1024 + 16);
    good = all_calls(INTERRUPTS) && all_calls(0);
    uint64_t end = v->time->ticks() + 100000; /* interrupts come between and within these */
    while ((call(INTERRUPTS, v->time->ticks, 0, 0, 0, 0, 0)) < end) good &= kept();
    stack = 0;
    check("calls work with 64 bytes of stack", good);
    good = 1;
    for (uint32_t i = 0; i < 1024; ++i) good &= small[i] == 0xa5a5a5a5;
    check("nothing is written below 64 bytes of stack", good);
}

/* ---- keys and time -----------------------------------------------------------------------------
 */

static int press(uint32_t with_flags, int key)
{
    char text[] = "press ?\n";
    text[6] = (char)key;
    say(text);
    uint64_t end = v->time->ticks() + 10000000;
    int got;
    do got = (int)call(with_flags, v->keyq, 0, 0, 0, 0, 0);
    while (got < 0 && (call(with_flags, v->time->ticks, 0, 0, 0, 0, 0)) < end);
    return got == key;
}

static int sleeps(uint32_t with_flags)
{
    uint64_t begin = v->time->ticks();
    call(with_flags, v->time->sleep, 30000, 0, 0, 0, 0);
    uint64_t passed_us = v->time->ticks() - begin;
    return kept() && passed_us >= 30000 && passed_us < 2000000;
}

static void check_keys_and_time(void)
{
    check("keyq, interrupts on", press(INTERRUPTS, 'a'));
    check("keyq, interrupts off", press(0, 'b'));
    say("press c\n");
    check("key, interrupts off", (int)call(0, v->key, 0, 0, 0, 0, 0) == 'c' && kept());
    check("sleep, interrupts on", sleeps(INTERRUPTS));
    check("sleep, interrupts off", sleeps(0));
    /* The clock changes from timer to time stamp counter within the first 2 s. */
    uint64_t last = v->time->ticks(), end = last + 200000;
    int good = 1;
    while (last < end || last < 2300000) {
        uint64_t now = v->time->ticks();
        good &= now >= last;
        last = now;
    }
    check("ticks never go backwards", good);
    struct vesper_date date;
    good = v->time->date(&date) == 0;
    check("date", good && date.year >= 2020 && date.month - 1 < 12 && date.day - 1 < 31);
}

/* ---- nested calls ------------------------------------------------------------------------------
 */

struct __attribute__((packed)) table {
    uint16_t limit;
    uint32_t base;
};
struct gate {
    uint16_t low, selector, type, high;
};
static volatile int hook_busy, hook_written, hook_key, hook_calls;
static volatile uint64_t hook_ticks;
uint32_t old_timer;
void timer_hook(void);
__asm__(
    "timer_hook:\n"
    "    pushal\n"
    "    cld\n"
    "    call on_timer\n"
    "    popal\n"
    "    jmp *old_timer\n");

__attribute__((used)) static void on_timer(void)
{
    ++hook_calls;
    hook_busy += v->time->sleep(1) == VESPER_BUSY;
    hook_written += v->console->write("", 0) == VESPER_BUSY;
    hook_ticks = v->time->ticks();
    hook_key = v->keyq();
    v->emit('.');
}

static void check_nesting(void)
{
    struct table idt;
    __asm__ volatile("sidt %0" : "=m"(idt));
    struct gate *timer = (struct gate*)idt.base + 32, saved = *timer;
    old_timer = saved.low | (uint32_t)saved.high << 16;
    uint32_t hook = (uint32_t)timer_hook;
    uint64_t begin = v->time->ticks();
    __asm__ volatile("cli");
    timer->low = (uint16_t)hook;
    timer->high = (uint16_t)(hook >> 16);
    int slept = v->time->sleep(100000); /* the flag of the caller holds: no interrupt */
    int calls = hook_calls;
    slept |= (int)call(INTERRUPTS, v->time->sleep, 100000, 0, 0, 0, 0);
    __asm__ volatile("cli");
    *timer = saved;
    __asm__ volatile("sti");
    say("\n");
    check("no interrupt in a call with interrupts off", calls == 0);
    check("a call with interrupts on lets them in", slept == 0 && hook_calls >= 2);
    check("a nested call is refused", hook_busy >= 2 && hook_written >= 2);
    check("ticks and keyq may nest", hook_ticks > begin && hook_key == -1);
}

/* ---- the payload's own tables ------------------------------------------------------------------
 */

static uint64_t own_gdt[6] = {0, 0, 0, 0, 0x00cf9a000000ffff, 0x00cf92000000ffff};
static struct gate own_idt[256];
uint32_t own_interrupts;
void own_fault(void);
void own_interrupt(void);
void load_tables(const struct table* gdt, const struct table* idt, uint32_t code, uint32_t data);
__asm__(
    "own_interrupt:\n"
    "    pushl %eax\n"
    "    incl %ss:own_interrupts\n"
    "    movb $0x20, %al\n"
    "    outb %al, $0xa0\n"
    "    outb %al, $0x20\n"
    "    popl %eax\n"
    "    iret\n"
    "own_fault:\n"
    "    call fault_in_own_tables\n"
    "load_tables:\n"
    "    movl 4(%esp), %eax\n"
    "    lgdt (%eax)\n"
    "    movl 8(%esp), %eax\n"
    "    lidt (%eax)\n"
    "    movl 16(%esp), %eax\n"
    "    movl 12(%esp), %ecx\n"
    "    movl %eax, %ds\n"
    "    movl %eax, %es\n"
    "    movl %eax, %fs\n"
    "    movl %eax, %gs\n"
    "    movl %eax, %ss\n"
    "    popl %eax\n"
    "    pushl %ecx\n"
    "    pushl %eax\n"
    "    lret\n");

__attribute__((used)) static void fault_in_own_tables(void)
{
    check("no exception with own tables", 0);
    for (;;) __asm__ volatile("cli\n\thlt");
}

static int own_loaded(void)
{
    struct table gdt, idt;
    __asm__ volatile("sgdt %0\n\tsidt %1" : "=m"(gdt), "=m"(idt));
    return gdt.base == (uint32_t)own_gdt && idt.base == (uint32_t)own_idt &&
           gdt.limit == sizeof own_gdt - 1 && idt.limit == sizeof own_idt - 1 && after.ds == 40 &&
           after.es == 40 && after.ss == 40 && after.fs == 40 && after.gs == 40;
}

static void check_own_tables(void)
{
    struct table old_gdt, old_idt;
    struct table gdt = {sizeof own_gdt - 1, (uint32_t)own_gdt};
    struct table idt = {sizeof own_idt - 1, (uint32_t)own_idt};
    for (int i = 0; i < 256; ++i) {
        uint32_t entry = i < 32 ? (uint32_t)own_fault : (uint32_t)own_interrupt;
        struct gate gate = {(uint16_t)entry, 32, 0x8e00, (uint16_t)(entry >> 16)};
        own_idt[i] = gate;
    }
    __asm__ volatile("cli\n\tsgdt %0\n\tsidt %1" : "=m"(old_gdt), "=m"(old_idt));
    load_tables(&gdt, &idt, 32, 40);
    check("own tables, interrupts off", all_calls(0) && own_loaded());
    check("own tables, interrupts on", all_calls(INTERRUPTS | DIRECTION) && own_loaded());
    check("own tables: keyq", press(INTERRUPTS, 'd'));
    check("own tables: sleep", sleeps(INTERRUPTS));
    uint64_t end = v->time->ticks() + 100000;
    __asm__ volatile("sti");
    while (v->time->ticks() < end) {}
    __asm__ volatile("cli");
    check("own tables: the interrupts are the payload's", own_interrupts > 0);
    /* And a GDT of its own with the kernel's IDT, which calls for code at 8 and data at 16. */
    own_gdt[1] = own_gdt[4];
    own_gdt[2] = own_gdt[5];
    load_tables(&gdt, &old_idt, 8, 16);
    check("own GDT alone", all_calls(INTERRUPTS) && sleeps(0));
    __asm__ volatile("cli");
    load_tables(&old_gdt, &old_idt, 8, 16);
    __asm__ volatile("sti");
    check("the kernel's tables again", all_calls(INTERRUPTS) && sleeps(INTERRUPTS));
}

/* ---- misuse ------------------------------------------------------------------------------------
 */

static void check_block(void)
{
    struct vesper_block_info info;
    int count = v->block->count(), good = count >= 2;
    for (int i = 0; i < count; ++i) {
        good &= v->block->info(i, &info) == 0 && v->block->find(info.name) == i;
        good &= info.blocks > 0 && info.disk < count;
    }
    check("every device is found by its name", good);
    check("no such name",
          v->block->find("wd9z") == VESPER_NOT_FOUND && v->block->find("") == VESPER_NOT_FOUND);
    const int numbers[] = {-1, count, 0x7fffffff, (int)0x80000000};
    good = 1;
    for (int i = 0; i < 4; ++i) {
        good &= v->block->info(numbers[i], &info) == VESPER_NOT_FOUND;
        good &= v->block->read(numbers[i], 0, 1, big) == VESPER_NOT_FOUND;
    }
    check("no such device", good);
    struct vesper_block_request request = {0, 1, VESPER_READ, big, disk, 0, 0, 0};
    good = v->block->submit(&request) == 0 && v->block->wait(&request, ~0ull) == 0;
    check("a wait for ever is no short one", good && request.result == 0);
    v->block->info(disk, &info);
    check("blocks that are not there",
          v->block->read(disk, info.blocks, 1, big) == VESPER_INVALID &&
              v->block->read(disk, info.blocks - 1, 2, big) == VESPER_INVALID &&
              v->block->read(disk, ~0ull, 2, big) == VESPER_INVALID &&
              v->block->read(disk, 1ull << 32, 1, big) == VESPER_INVALID &&
              v->block->read(disk, 0, 0xffffffff, big) == VESPER_INVALID);
    check("the last block", v->block->read(disk, info.blocks - 1, 1, other) == 0);
    good = 1;
    for (int odd = 1; odd < 8; ++odd) {
        __builtin_memset(other, 0xee, sizeof other);
        good &= v->block->read(disk, 0, 5, other + odd) == 0 && same(other + odd, big, 2560);
        for (int i = 0; i < odd; ++i) good &= other[i] == 0xee;
        good &= other[odd + 2560] == 0xee && other[odd + 2561] == 0xee;
    }
    check("blocks to any address", good);
}

static void check_file(void)
{
    const int numbers[] = {-1, 32, 0x7fffffff, (int)0x80000000, 5};
    struct vesper_entry entry;
    struct vesper_stat stat;
    uint64_t bytes;
    int good = 1;
    for (int i = 0; i < 5; ++i) {
        good &= v->file->read(numbers[i], big, 1) == VESPER_NOT_FOUND;
        good &= v->file->close(numbers[i]) == VESPER_NOT_FOUND;
        good &= v->file->seek(numbers[i], 0) == VESPER_NOT_FOUND;
        good &= v->file->length(numbers[i], &bytes) == VESPER_NOT_FOUND;
        good &= v->file->list(numbers[i], &entry) == VESPER_NOT_FOUND;
    }
    check("no such file handle", good);
    check("no such file", v->file->open("/nothing") == VESPER_NOT_FOUND &&
                              v->file->stat("nothing", &stat) == VESPER_NOT_FOUND);
    check("a file is no directory", v->file->open("/kexec/x") == VESPER_NOT_DIRECTORY);
    int file = v->file->open("kexec"), root = v->file->open("/");
    good = v->file->list(file, &entry) == VESPER_NOT_DIRECTORY;
    check("a directory is no file", good && v->file->read(root, other, 1) == VESPER_IS_DIRECTORY);
    good = v->file->stat("/kexec", &stat) == 0 && v->file->length(file, &bytes) == 0;
    check("stat and length agree", good && bytes == stat.bytes && stat.type == VESPER_FILE);
    void* room = (byte*)v->arena_start + 1;
    check("a read ends with the file", v->file->read(file, room, 0xffffffff) == (int)bytes &&
                                           v->file->read(file, room, 1) == 0 &&
                                           same(room, (void*)VESPER_KEXECADDR, 512));
    v->file->seek(file, ~0ull);
    check("a read behind the end", v->file->read(file, other, 0xffffffff) == 0);
    v->file->close(file);
    v->file->close(root);
    int opened = 0, last;
    while ((last = v->file->open("/kexec")) >= 0) ++opened;
    check("64 files can be open", opened == 64 && last == VESPER_NO_MEMORY);
    while (opened) v->file->close(--opened);
}

static void check_memory(void)
{
    struct vesper_range range;
    uint64_t end = 0;
    uint32_t index = 0;
    int good = 1;
    for (; v->memory->map(index, &range) == 0; ++index) {
        good &= range.start >= end && range.bytes > 0 && range.type >= 1 && range.type <= 5;
        end = range.start + range.bytes;
    }
    check("the memory map is in order",
          good && index >= 2 && v->memory->map(~0u, &range) == VESPER_NOT_FOUND);
    void* at = 0;
    const char* name;
    uint32_t bytes;
    check("no module", v->memory->module(0, &at, &bytes, &name) == VESPER_NOT_FOUND);
    int (*map)(uint64_t, uint32_t, uint32_t, void**) = v->memory->map_physical;
    check("windows that cannot be",
          map(0x100000, 0, VESPER_CACHED, &at) == VESPER_INVALID &&
              map(0x100000, 4096, 3, &at) == VESPER_INVALID &&
              map(1ull << 32, 1, VESPER_CACHED, &at) == VESPER_UNSUPPORTED &&
              map(~0ull, 2, VESPER_CACHED, &at) == VESPER_UNSUPPORTED &&
              map(0xfffff000, 0x1001, VESPER_UNCACHED, &at) == VESPER_UNSUPPORTED && !at);
    check("windows that are too large",
          map(1, 0xffffffff, VESPER_UNCACHED, &at) == VESPER_NO_MEMORY &&
              map(0x100000, 0x10000001, VESPER_WRITE_COMBINING, &at) == VESPER_NO_MEMORY && !at);
    static volatile uint32_t word = 0x12345678;
    uint32_t physical = (uint32_t)&word - 0xc0000000;
    good = map(physical, 4, VESPER_WRITE_COMBINING, &at) == 0;
    check("a window shows its memory", good && at != &word && *(volatile uint32_t*)at == word);
}

static void check_console(void)
{
    uint32_t columns = 0, rows = 0;
    int good = v->console->cells(&columns, &rows) == 0 && columns >= 80 && rows >= 24;
    check("cells", good);
    check("no such cell", v->console->put(columns, 0, 'x', 7) == VESPER_INVALID &&
                              v->console->put(0, rows, 'x', 7) == VESPER_INVALID &&
                              v->console->move(~0u, ~0u) == VESPER_INVALID);
    check("no text", v->console->write("", 0) == 0);
}

/* ---- the struct, memory, the FPU ---------------------------------------------------------------
 */

/* A table of `bytes`, all of whose calls are there. */
static int is_table(const void* table, uint32_t bytes)
{
    const uint32_t* words = table;
    if (!words || words[0] != bytes) return 0;
    for (uint32_t i = 1; i < bytes / 4; ++i) {
        if (!words[i]) return 0;
    }
    return 1;
}

/* Where nothing can be written, or only the kernel may. */
static void check_pointers(void)
{
    const uint32_t bad[] = {0,
                            4,
                            0xc0100000,
                            0x100000,
                            (uint32_t)v,
                            (uint32_t)v->console,
                            (uint32_t)v->arena_end,
                            0xe8000000,
                            0xfffffffc};
    static char endless[8192];
    int good = 1, file = v->file->open("/kexec");
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        void* to = (void*)bad[i];
        good &= v->memory->usage(to) == VESPER_INVALID;
        good &= v->file->read(file, to, 64) == VESPER_INVALID;
        good &= v->block->read(disk, 0, 1, to) == VESPER_INVALID;
        good &= v->interrupt->timer(1000, 0, (vesper_hook)to, 0) == VESPER_INVALID;
    }
    check("results to wild places", good);
    __builtin_memset(endless, 'x', sizeof endless);
    good = v->file->open(endless) == VESPER_INVALID && v->file->open((char*)0xe8000000) < 0;
    good &= v->random->fill(other, 0xffffffff) == VESPER_INVALID;
    check("texts and buffers without an end", good);
    void* given = 0;
    good = v->memory->allocate(4096, 0, 0xffffffff, &given) == 0;
    good &= v->file->read(file, given, 4096) > 0;
    good &= v->file->read(file, (char*)given + 1, 4096) == VESPER_INVALID;
    good &= v->memory->release(given) == 0;
    good &= v->file->read(file, (char*)other - 0xc0000000, 64) == 64;
    check("memory that was given, and the arena in its other place", good);
    v->file->close(file);
}

static void check_struct(void)
{
    check("magic, version, size",
          same(v->magic, VESPER_MAGIC, 4) && v->version >= VESPER_VERSION && v->size >= sizeof *v);
    const uint32_t* const* services = (const uint32_t* const*)&v->console;
    int good = 1;
    for (int i = 0; i < 14; ++i)
        good &= services[i] && is_table(services[i], services[i][0]) && services[i][0] % 4 == 0;
    check("every service is there", good);
    check("tables have their sizes",
          v->console->size >= sizeof *v->console && v->block->size >= sizeof *v->block &&
              v->file->size >= sizeof *v->file && v->time->size >= sizeof *v->time &&
              v->memory->size >= sizeof *v->memory && v->power->size >= sizeof *v->power &&
              v->debug->size >= sizeof *v->debug);
    check("args", same(v->args, "one  two", 9));
    const int errors[] = {0, 1, -1, -16, -17, -1000, (int)0x80000000, 0x7fffffff};
    good = 1;
    for (int i = 0; i < 8; ++i) {
        const char* text = v->debug->error_text(errors[i]);
        good &= text && length_of(text) > 0;
    }
    check("every error has a text", good);
}

static void check_arena(void)
{
    uint32_t start = (uint32_t)v->arena_start, end = (uint32_t)v->arena_end;
    int good = start > VESPER_KEXECADDR && start < VESPER_KEXECADDR + 0x100000;
    check("arena_start is behind the image", good);
    check("arena_end", end % 4096 == 0 && end >= 0xc0000000 + 0x600000 && end <= 0xe0000000);
    for (uint32_t a = (start + 4095) & ~4095u; a < end; a += 4096) *(uint32_t*)a = a ^ 0x5a5a5a5a;
    *(uint32_t*)(end - 4) = 0xfeedface;
    good = *(uint32_t*)(end - 4) == 0xfeedface;
    for (uint32_t a = (start + 4095) & ~4095u; a < end; a += 4096) {
        good &= *(uint32_t*)a == (a ^ 0x5a5a5a5a);
        good &= *(volatile uint32_t*)(a - 0xc0000000) == (a ^ 0x5a5a5a5a);
    }
    check("the arena is memory, and contiguous", good);
}

static int has_sse(void)
{
    uint32_t changed, a = 1, b, c, d;
    __asm__ volatile(
        "pushfl\n\tpopl %0\n\tmovl %0, %1\n\txorl $0x200000, %1\n\tpushl %1\n\tpopfl\n\tpushfl\n\t"
        "popl %1\n\txorl %1, %0"
        : "=&r"(changed), "=&r"(b));
    if (!(changed & 0x200000)) return 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return d >> 25 & 1;
}

static void check_fpu(void)
{
    uint16_t control = 0, status = 0xffff;
    uint32_t mxcsr = 0;
    __asm__ volatile("fnstcw %0\n\tfnstsw %1" : "=m"(control), "=m"(status));
    check("the FPU is initialised", control == 0x37f && status == 0);
    volatile double two = 2, root;
    __asm__ volatile("fldl %0\n\tfsqrt" : : "m"(two));
    all_calls(INTERRUPTS); /* leaves it alone */
    __asm__ volatile("fstpl %0" : "=m"(root));
    check("the FPU works across calls", root * root - 2 < 1e-12 && 2 - root * root < 1e-12);
    if (!has_sse()) return;
    static float ones[4] = {1, 2, 3, 4}, sums[4];
    __asm__ volatile("stmxcsr %1\n\tmovups %2, %%xmm0\n\tmovups %%xmm0, %%xmm7"
                     : "=m"(sums), "=m"(mxcsr)
                     : "m"(ones));
    all_calls(INTERRUPTS);
    __asm__ volatile("addps %%xmm7, %%xmm0\n\tmovups %%xmm0, %0" : "=m"(sums));
    check("SSE works across calls", mxcsr == 0x1f80 && sums[0] == 2 && sums[3] == 8);
}

int main(struct vesper* vesper)
{
    v = vesper;
    disk = v->block->find("wd0");
    check("the first disk", disk >= 0 && v->block->read(disk, 0, 16, big) == 0 &&
                                big[510] == 0x55 && big[511] == 0xaa);
    check_struct();
    check_pointers();
    check_fpu();
    check_calls();
    check_stack();
    check_keys_and_time();
    check_nesting();
    check_own_tables();
    check_block();
    check_file();
    check_memory();
    check_console();
    check_arena();
    say(failed ? "DONE: some failed\n" : "DONE: all passed\n");
    return passed;
}
