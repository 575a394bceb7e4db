; SPDX-License-Identifier: BSD-2-Clause
; Sleeps for 50 ms, and returns by how many microseconds its clock went on.
org 0xc0430000
bits 32
    push ebx
    push esi
    mov ebx, [esp + 12]
    mov ebx, [ebx + 0x3c]       ; time
    call [ebx + 4]              ; ticks
    mov esi, eax
    push 0
    push 50000
    call [ebx + 8]              ; sleep
    add esp, 8
    call [ebx + 4]
    sub eax, esi
    pop esi
    pop ebx
    ret
