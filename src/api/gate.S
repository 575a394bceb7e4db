// SPDX-License-Identifier: BSD-2-Clause
// The way of a payload's call into the kernel and back.
//
// Each call of include/vesper.h has a gate here. It leaves the payload's stack after 16 bytes,
// keeps the flags, works with the direction flag set, and turns interrupts off if the payload has
// loaded descriptor tables of its own: the drivers then poll. One call at a time: a second one,
// from an interrupt handler of the payload's, gets BUSY, but for emit, keyq and ticks.

#define BUSY -10
#define ARGUMENT_WORDS 6            // the largest call has 5

.text
.macro gate name
.globl gate_\name
gate_\name:
    movl $api_\name, %eax
    jmp enter
.endm

enter:
    pushl %ebp
    movl %esp, %ebp
    pushfl
    cld
    cmpl $0, api_depth
    jne nested
    movl kernel_stack, %esp
enter_on_stack:
    incl api_depth
    subl $8, %esp
    sidt (%esp)
    movl 2(%esp), %edx
    sgdt (%esp)
    cmpl own_idt, %edx
    jne foreign_tables
    movl 2(%esp), %edx
    cmpl $gdt, %edx
    jne foreign_tables
call_it:
    pushl 28(%ebp)
    pushl 24(%ebp)
    pushl 20(%ebp)
    pushl 16(%ebp)
    pushl 12(%ebp)
    pushl 8(%ebp)
    call *%eax
    decl api_depth
    leal -4(%ebp), %esp
    popfl
    popl %ebp
    ret
foreign_tables:
    cli
    jmp call_it
nested:
    cmpl $api_emit, %eax
    je enter_on_stack               // on the stack of the handler that calls
    cmpl $api_keyq, %eax
    je enter_on_stack
    cmpl $api_time_ticks, %eax
    je enter_on_stack
    movl $BUSY, %eax
    popfl
    popl %ebp
    ret

gate emit
gate key
gate keyq
gate console_write
gate console_cells
gate console_put
gate console_move
gate console_color
gate console_clear
gate console_scroll
gate block_count
gate block_info
gate block_find
gate block_read
gate file_open
gate file_close
gate file_read
gate file_seek
gate file_length
gate file_list
gate file_stat
gate time_ticks
gate time_sleep
gate time_date
gate memory_map
gate memory_map_physical
gate memory_module
gate power_reboot
gate power_off
gate debug_error_text
gate debug_log

.bss
.balign 4
.globl api_depth, kernel_stack
api_depth:    .skip 4
kernel_stack: .skip 4

.section .note.GNU-stack, "", @progbits
