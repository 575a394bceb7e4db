// SPDX-License-Identifier: BSD-2-Clause
// The first bytes of a payload with the C library: clears .bss, changes to a stack of its own and
// goes on in C. _exit() comes back here, from whatever stack, and returns to the kernel.
    .section .text.start, "ax"
    .globl payload_start
payload_start:
    push %ebp
    push %ebx
    push %esi
    push %edi
    mov 20(%esp), %ebx      // struct vesper *
    cld
    xor %eax, %eax
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    rep stosb
    movl $bss_end, 0x18(%ebx)   // arena_start
    mov %ebx, vesper
    mov %esp, kernels_stack
    call libc_stack_top
    mov %eax, %esp
    xor %ebp, %ebp          // where a backtrace ends
    call libc_start         // does not return

    .text
    .globl libc_leave
libc_leave:                 // void libc_leave(int result)
    mov 4(%esp), %eax
    mov kernels_stack, %esp
    cld
    fninit
    pop %edi
    pop %esi
    pop %ebx
    pop %ebp
    ret

    .bss
    .balign 4
    .globl vesper
vesper: .skip 4
kernels_stack: .skip 4

    .section .note.GNU-stack, "", @progbits
