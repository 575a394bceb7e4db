// SPDX-License-Identifier: BSD-2-Clause
// Entries of exceptions and interrupts. Both leave the interrupted stack after 24 bytes at most: a
// payload may have as little as 64 bytes left on it.

.text
.macro exception vector, has_code
exception_\vector:
    .if \has_code == 0
    pushl $0
    .endif
    pushl $\vector
    jmp exception_common
.endm
.macro interrupt vector
interrupt_\vector:
    pushl %eax
    movl $(\vector - 32), %eax
    jmp interrupt_common
.endm

.altmacro
.macro exceptions from, to
    .set i, \from
    .rept \to - \from + 1
    exception %i, 0
    .set i, i + 1
    .endr
.endm
.macro exceptions_with_code from, to
    .set i, \from
    .rept \to - \from + 1
    exception %i, 1
    .set i, i + 1
    .endr
.endm
exceptions 0, 7
exceptions_with_code 8, 8
exceptions 9, 9
exceptions_with_code 10, 14
exceptions 15, 16
exceptions_with_code 17, 17
exceptions 18, 20
exceptions_with_code 21, 21
exceptions 22, 28
exceptions_with_code 29, 30
exceptions 31, 31
    .set i, 32
    .rept 32
    interrupt %i
    .set i, i + 1
    .endr

// On the interrupted stack: vector, error code, eip, cs, eflags.
exception_common:
    pushl %eax
    movl %esp, %eax
    cmpl $fault_stack, %eax         // a fault while one is reported stays on the stack of reports
    jb 1f
    cmpl $fault_stack_top, %eax
    jb 2f
1:  movl $fault_stack_top, %esp
2:  cld
    pushl $0                        // cr2, filled in by the handler
    pushl %ss
    addl $24, %eax
    pushl %eax                      // esp before the exception
    pushl -4(%eax)                  // eflags
    pushl -8(%eax)                  // cs
    pushl -12(%eax)                 // eip
    pushl -16(%eax)                 // error code
    pushl -20(%eax)                 // vector
    pushl -24(%eax)                 // eax
    pushl %ecx
    pushl %edx
    pushl %ebx
    pushl %ebp
    pushl %esi
    pushl %edi
    pushl %ds
    pushl %es
    pushl %fs
    pushl %gs
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    pushl %esp
    call handle_exception           // returns if the instruction can be run again
    addl $4, %esp
    popl %gs
    popl %fs
    popl %es
    popl %ds
    popl %edi
    popl %esi
    popl %ebp
    popl %ebx
    popl %edx
    popl %ecx
    movl 24(%esp), %eax             // back to the interrupted stack, where the CPU's frame still is
    leal -24(%eax), %esp
    popl %eax
    addl $8, %esp
    iretl

// On the interrupted stack: eax, eip, cs, eflags. In eax: the line.
interrupt_common:
    movl %esp, %ss:interrupt_stack_top - 4
    movl $(interrupt_stack_top - 4), %esp
    cld
    pushl %ecx
    pushl %edx
    pushl %ds
    pushl %es
    pushl %eax
    movl %ss, %eax
    movl %eax, %ds
    movl %eax, %es
    call handle_interrupt
    addl $4, %esp
    popl %es
    popl %ds
    popl %edx
    popl %ecx
    popl %esp
    popl %eax
    iretl

.globl double_fault_entry
double_fault_entry:                 // a task of its own, entered through a task gate
    cld
    call handle_double_fault
    hlt

// uint32_t call_on_stack(uint32_t stack_top, function, argument, uint32_t* result): 1, or 0 after
// leave_call(). stack_top 0: the present stack. *current_call is where the stack was: what is
// called may return with any registers.
.globl call_on_stack
call_on_stack:
    pushl %ebp
    movl %esp, %ebp
    pushl %ebx
    pushl %esi
    pushl %edi
    movl current_call, %eax
    movl %esp, (%eax)
    movl 8(%ebp), %edx
    movl 12(%ebp), %ecx
    movl 16(%ebp), %eax
    testl %edx, %edx
    jz 1f
    movl %esp, kernel_stack         // where gate.S goes on
    movl %edx, %esp
1:  pushl %eax
    testl %edx, %edx
    jz 2f
    xorl %ebp, %ebp                 // a payload's backtrace ends here
2:  call *%ecx
    movl %eax, %edx
    movl current_call, %ecx
    movl (%ecx), %esp
    leal 12(%esp), %ebp
    movl 20(%ebp), %ecx
    movl %edx, (%ecx)
    movl $1, %eax
    jmp 3f
.globl leave_call
leave_call:
    movl current_call, %ecx
    movl (%ecx), %esp
    leal 12(%esp), %ebp
    xorl %eax, %eax
3:  cld
    popl %edi
    popl %esi
    popl %ebx
    popl %ebp
    ret

.section .rodata
.macro entry_of kind, vector
    .long \kind\()_\vector
.endm
.balign 4
.globl trap_entries
trap_entries:
    .set i, 0
    .rept 32
    entry_of exception, %i
    .set i, i + 1
    .endr
    .rept 32
    entry_of interrupt, %i
    .set i, i + 1
    .endr

.section .bss.pages, "aw", @nobits
.balign 16
fault_stack:
    .skip 16384
fault_stack_top:
interrupt_stack:
    .skip 8192
interrupt_stack_top:

.section .note.GNU-stack, "", @progbits
