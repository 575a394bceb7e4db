// SPDX-License-Identifier: BSD-2-Clause
// The first bytes of a payload in C or C++: clears .bss, moves arena_start behind it, runs the
// constructors, and returns what int main(struct vesper *) returns.
    .cfi_sections .debug_frame
    .section .text.start, "ax"
    .globl payload_start
payload_start:
    .cfi_startproc
    .cfi_undefined eip      // a debugger's backtrace ends here
    push %ebx
    push %edi
    mov 12(%esp), %ebx      // struct vesper *
    cld
    xor %eax, %eax
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    rep stosb
    movl $bss_end, 0x18(%ebx)

    mov $constructors_start, %edi
1:  cmp $constructors_end, %edi
    jae 2f
    call *(%edi)
    add $4, %edi
    jmp 1b

2:  push %ebx
    call payload_main
    pop %ebx
    pop %edi
    pop %ebx
    ret
    .cfi_endproc

    .section .note.GNU-stack, "", @progbits
