; SPDX-License-Identifier: BSD-2-Clause
; Damages the kernel's code behind console->resizes, and calls that: a fault inside a call.
org 0xc0430000
bits 32
    mov edx, [esp + 4]
    mov edx, [edx + 0x24]       ; console
    mov ecx, [edx + 52]         ; its gate begins with: mov eax, the handler
    mov ecx, [ecx + 1]
    mov word [ecx], 0x0b0f      ; ud2
    call [edx + 52]
    ret
