// SPDX-License-Identifier: BSD-2-Clause
// The way of a payload's call into the kernel and back.
//
// Each call of include/vesper.h has a gate here. It leaves the payload's stack after 16 bytes,
// keeps the flags, works with the direction flag set, and turns interrupts off if the payload has
// loaded descriptor tables of its own: the drivers then poll. One call at a time: a second one,
// from a hook or an interrupt handler of the payload's, gets BUSY, but for those made for that.

#define NOT_FOUND -1
#define UNSUPPORTED -6
#define BUSY -10

.text
.cfi_sections .debug_frame          // for debuggers: a backtrace goes on in the payload
.macro enter_frame
    .cfi_def_cfa esp, 4
    .cfi_restore ebp
    pushl %ebp
    .cfi_def_cfa_offset 8
    .cfi_offset ebp, -8
    movl %esp, %ebp
    .cfi_def_cfa_register ebp
    pushfl
.endm
.macro leave_frame how:vararg
    .cfi_remember_state
    popfl
    popl %ebp
    .cfi_def_cfa esp, 4
    .cfi_restore ebp
    \how
    .cfi_restore_state
.endm

.macro gate name                    // the largest call has 6 words of arguments
.globl gate_\name
gate_\name:
    movl $api_\name, %eax
    jmp enter
.endm
.macro gate_in_hooks name
.globl gate_\name
gate_\name:
    movl $api_\name, %eax
    jmp enter_in_hooks
.endm

enter_in_hooks:
    .cfi_startproc
    enter_frame
    cld
    cmpl $0, api_depth
    jne on_stack                    // on the stack of the hook or handler that calls
    movl kernel_stack, %esp
    jmp on_stack
enter:
    enter_frame
    cld
    cmpl $0, api_depth
    jne busy
    movl kernel_stack, %esp
on_stack:
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
    cmpl $0, break_wanted
    jne stop_if_outermost
back:
    leave_frame ret
stop_if_outermost:
    movl api_depth, %ecx            // eax and edx are the result
    orl interrupt_depth, %ecx
    jnz back
    leave_frame jmp break_at_return
foreign_tables:
    cli
    jmp call_it
busy:
    movl $BUSY, %eax
    leave_frame ret
    .cfi_endproc

// What the configuration leaves out.
no_device:
    movl $NOT_FOUND, %eax
    ret
unsupported:
    movl $UNSUPPORTED, %eax
    ret
.macro absent name, answer
.globl gate_\name
.set gate_\name, \answer
.endm

#include "api_gates.inc"

.bss
.balign 4
.globl api_depth, kernel_stack
api_depth:    .skip 4
kernel_stack: .skip 4

.section .note.GNU-stack, "", @progbits
