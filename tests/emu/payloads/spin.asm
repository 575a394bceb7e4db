; SPDX-License-Identifier: BSD-2-Clause
; Spins with interrupts on, on a stack with 64 bytes left and with a value of its own in every
; register, until the word at 0xc0430004 is not 0. Returns 0 if all is then as it was, else which
; check failed.
org 0xc0430000
bits 32
    jmp short start
    align 4
flag: dd 0
start:
    pushad
    mov [stack], esp
    mov esp, small_stack
    mov eax, 0x11111111
    mov ebx, 0x22222222
    mov edx, 0x44444444
    mov esi, 0x55555555
    mov edi, 0x66666666
    mov ebp, 0x77777777
    std
    stc
spin:
    mov ecx, [flag]             ; neither changes the flags
    jecxz spin
    jnc wrong_flags
    pushfd
    test dword [esp], 0x400     ; the direction flag
    pop dword [flags]
    jz wrong_flags
    cld
%macro check 3
    mov dword [failed], %3
    cmp %1, %2
    jne end
%endmacro
    check eax, 0x11111111, 1
    check ebx, 0x22222222, 2
    check edx, 0x44444444, 3
    check esi, 0x55555555, 4
    check edi, 0x66666666, 5
    check ebp, 0x77777777, 6
    check esp, small_stack, 7
    mov ecx, 16
    mov edi, guard
    mov eax, 0x12345678
    repe scasd
    mov dword [failed], 8
    jne end
    mov dword [failed], 0
    jmp end
wrong_flags:
    mov dword [failed], 9
end:
    cld
    mov esp, [stack]
    popad
    mov eax, [failed]
    ret
stack: dd 0
flags: dd 0
failed: dd 0
guard: times 16 dd 0x12345678
    times 16 dd 0
small_stack:
