// SPDX-License-Identifier: BSD-2-Clause
// Entries of exceptions and interrupts. Both leave the interrupted stack after 24 bytes at most: a
// payload may have as little as 64 bytes left on it.

#define REQUEST 256                 // request_vector of trap.h

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
    call handle_exception           // returns if execution goes on, as the frame has it
    addl $4, %esp
    movl 64(%esp), %edx             // esp: what `iret` takes, and eax, go below it
    movl 40(%esp), %eax
    movl %eax, -16(%edx)
    movl 52(%esp), %eax             // eip
    movl %eax, -12(%edx)
    movl 56(%esp), %eax             // cs
    movl %eax, -8(%edx)
    movl 60(%esp), %eax             // eflags
    movl %eax, -4(%edx)
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
    movl 24(%esp), %esp
    subl $16, %esp
    popl %eax
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
    pushl %ss:interrupt_stack_top - 4
    pushl %eax
    movl %ss, %eax
    movl %eax, %ds
    movl %eax, %es
    call handle_interrupt
    addl $8, %esp
    testl %eax, %eax                // shall what was interrupted stop?
    popl %es
    popl %ds
    popl %edx
    popl %ecx
    popl %esp
    popl %eax
    jnz request
    iretl

// An exception of what was interrupted: on its stack are eip, cs, eflags.
request:
    pushl $0
    pushl $REQUEST
    jmp exception_common

// A return to the payload, which stops at where it would go on. On its stack: the return address.
.globl break_at_return
break_at_return:
    pushl (%esp)
    pushl (%esp)
    pushfl
    popl 8(%esp)
    pushl %cs
    popl 4(%esp)
    jmp request

.globl break_here
break_here:
    pushfl
    pushl %cs
    pushl $1f
    jmp request
1:  ret

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
fault_stack:                        // the monitor may run here
    .skip 32768
fault_stack_top:
interrupt_stack:
    .skip 8192
interrupt_stack_top:

.section .note.GNU-stack, "", @progbits
