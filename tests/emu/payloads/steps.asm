; SPDX-License-Identifier: BSD-2-Clause
; Some instructions for a debugger, each at a known place; the result is 105 if nobody interferes.
org 0xc0430000
bits 32
    mov eax, 100                ; + 0
    inc eax                     ; + 5
    inc eax                     ; + 6
    mov [word_of_memory], eax   ; + 7
    nop                         ; + 12
    pushfd                      ; + 13
    pop ecx                     ; + 14
    mov edx, [esp + 4]          ; + 15
    push eax                    ; + 19
    push 'e'                    ; + 20
    call [edx]                  ; + 22 (0x16): emit
    pop ecx                     ; + 24 (0x18)
    pop eax                     ; + 25
    add eax, 3                  ; + 26 (0x1a)
    ret                         ; + 29
    align 32
word_of_memory: dd 0            ; + 0x20
