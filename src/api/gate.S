// SPDX-License-Identifier: BSD-2-Clause
// The way of a payload's call into the kernel and back.
//
// Each call of include/vesper.h has a gate here. It leaves the payload's stack after 16 bytes,
// keeps the flags, works with the direction flag set, and turns interrupts off if the payload has
// loaded descriptor tables of its own: the drivers then poll. One call at a time: a second one,
// from a hook or an interrupt handler of the payload's, gets BUSY, but for those made for that.
// Pointers are looked at before the handler gets them.

#define NOT_FOUND -1
#define INVALID -7
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

.macro checked_gate name, kinds:vararg
.section .rodata
.balign 4
1:  .long api_\name
    .byte \kinds, 0                // as arguments.cpp reads them
.text
.globl gate_\name
gate_\name:
    movl $1b, %ecx
    movl $check_and_call, %eax
    jmp enter
.endm

// What the payload has loaded. In a fixed place, since a hook that interrupts stores the same.
.macro look_at_tables other
    sidt tables
    movl tables + 2, %edx
    cmpl own_idt, %edx
    jne \other
    sgdt tables
    movl tables + 2, %edx
    cmpl $gdt, %edx
    jne \other
.endm

enter:
    .cfi_startproc
    enter_frame
    cld
    cmpl $0, api_depth
    jne busy
    movl kernel_stack, %esp
    incl api_depth
    look_at_tables 1f
call_it:
    pushl 28(%ebp)
    pushl 24(%ebp)
    pushl 20(%ebp)
    pushl 16(%ebp)
    pushl 12(%ebp)
    pushl 8(%ebp)
    call *%eax
    jmp called
1:  cli
    jmp call_it

enter_in_hooks:                     // these have one argument at most
    enter_frame
    cld
    cmpl $0, api_depth
    jne 1f                          // on the stack of the hook or handler that calls
    movl kernel_stack, %esp
1:  incl api_depth
    look_at_tables 3f
2:  pushl 8(%ebp)
    call *%eax
called:
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
3:  cli
    jmp 2b
check_and_call:                     // on the stack: where to return to, 6 words of arguments
    pushl %ecx
    leal 8(%esp), %edx
    addl $4, %ecx
    pushl %ecx
    pushl %edx
    call arguments_are_valid
    addl $8, %esp
    popl %ecx
    testb %al, %al
    jz 1f
    jmp *(%ecx)
1:  movl $INVALID, %eax
    ret
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
tables:       .skip 8
api_depth:    .skip 4
kernel_stack: .skip 4

.section .note.GNU-stack, "", @progbits
