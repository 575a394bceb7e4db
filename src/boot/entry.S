// SPDX-License-Identifier: BSD-2-Clause
// The first instructions: from whatever a boot loader left (32-bit protected mode, paging off, flat
// segments) to kernel_main() with paging on, on our own stack and descriptors.
//
// Multiboot 0.6.96 (section 3.1), Multiboot 2.0 (3.1), Xen's PVH (a note with the physical entry),
// and NetBSD's i386 protocol (arguments on the stack) come together here; the magic in eax tells
// them apart.

#define PHYSICAL(symbol) ((symbol) - 0xC0000000)
#define PVH_MAGIC 0x336ec578

.section .boot_headers, "a"
.balign 8
multiboot1:
    .long 0x1BADB002
    .long 3                         // modules on page boundaries, memory map wanted
    .long -(0x1BADB002 + 3)
.balign 8
multiboot2:
    .long 0xE85250D6, 0, multiboot2_end - multiboot2
    .long -(0xE85250D6 + (multiboot2_end - multiboot2))
    .word 4, 1                      // console: EGA text is fine, optional
    .long 12, 2
    .balign 8
    .word 5, 1                      // frame buffer: any, optional
    .long 20, 0, 0, 0
    .balign 8
    .word 6, 1                      // modules on page boundaries
    .long 8
    .word 0, 0
    .long 8
multiboot2_end:

.section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18                  // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long PHYSICAL(pvh_entry)

.text
.code32
.globl entry
pvh_entry:
    movl $PVH_MAGIC, %eax
    jmp start
entry:
    cmpl $0x2BADB002, %eax
    je start
    cmpl $0x36D76289, %eax
    je start
    xorl %eax, %eax                 // NetBSD: its arguments begin behind the return address
    leal 4(%esp), %ebx
start:
    cli
    cld
    movl %eax, %esi                 // the magic; ebx: where the loader's information is
    movl $PHYSICAL(boot_stack_top), %esp

    // Loaders clear this; but QEMU, which starts a kernel by PVH anew after a reset, does not.
    movl $PHYSICAL(kernel_bss), %edi
    movl $PHYSICAL(kernel_end), %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    // Does the CPU have CPUID (EFLAGS.ID can be changed), and 4 MiB pages?
    xorl %ebp, %ebp
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $0x200000, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    xorl %ecx, %eax
    testl $0x200000, %eax
    jz 1f
    pushl %ebx
    movl $1, %eax
    cpuid
    popl %ebx
    movl %edx, %ebp
    andl $8, %ebp                   // CPUID.1:EDX.PSE
1:
    movl $PHYSICAL(page_directory), %edi
    testl %ebp, %ebp
    jz small_pages

    // 4 MiB pages, writable, present: the map of docs/memory-map.md.
    movl $0x83, %eax
    movl $768, %ecx                 // 0...0xBFFFFFFF: physical as it is
2:  stosl
    addl $0x400000, %eax
    loop 2b
    movl $0x83, %eax
    movl $128, %ecx                 // 0xC0000000: the first 512 MiB again
3:  stosl
    addl $0x400000, %eax
    loop 3b
    addl $64 * 4, %edi              // 0xE0000000: windows, empty
    movl $0xF0000083, %eax
    movl $64, %ecx                  // 0xF0000000: physical as it is
4:  stosl
    addl $0x400000, %eax
    loop 4b
    movl %cr4, %eax
    orl $0x10, %eax                 // CR4.PSE
    movl %eax, %cr4
    jmp paging_on

small_pages:                        // 4 KiB pages for the first 16 MiB, the rest on first touch
    movl $PHYSICAL(boot_page_tables), %edi
    movl $3, %eax
    movl $4096, %ecx
5:  stosl
    addl $0x1000, %eax
    loop 5b
    movl $PHYSICAL(page_directory), %edi
    movl $(PHYSICAL(boot_page_tables) + 3), %eax
    movl $4, %ecx
6:  movl %eax, 768 * 4(%edi)
    stosl
    addl $0x1000, %eax
    loop 6b

paging_on:
    movl $PHYSICAL(page_directory), %eax
    movl %eax, %cr3
    movl %cr0, %eax
    andl $0x9FFFFFFB, %eax          // caches on, no FPU emulation
    orl $0x80010022, %eax           // PG, WP (a read-only page is so for us too), NE, MP
    movl %eax, %cr0
    movl $high, %eax
    jmp *%eax
high:
    lgdt gdt_pointer
    ljmp $8, $7f
7:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl $boot_stack_top, %esp
    xorl %ecx, %ecx
    movl %ecx, 0(%esp)
    lidt no_idt                     // until there is one: a fault here resets
    xorl %edi, %edi
    pushl %ebp                      // has_large_pages
    pushl %ebx
    pushl %esi
    xorl %ebp, %ebp                 // the end of every backtrace
    pushl $0
    jmp kernel_main

.section .rodata
no_idt:
    .word 0
    .long 0
.section .bss.pages, "aw", @nobits
.balign 4096
.globl page_directory, boot_stack_guard, boot_stack_top, payload_stack_guard, payload_stack_top
page_directory:
    .skip 4096
boot_page_tables:
    .skip 4 * 4096
boot_stack_guard:
    .skip 4096
boot_stack:
    .skip 32768 - 16
boot_stack_top:
    .skip 16
.balign 4096
payload_stack_guard:
    .skip 4096
payload_stack:
    .skip 65536 - 16
payload_stack_top:
    .skip 16

.section .note.GNU-stack, "", @progbits
