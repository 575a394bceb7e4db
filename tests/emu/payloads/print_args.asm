; SPDX-License-Identifier: BSD-2-Clause
; Prints its arguments in brackets, and returns how often it has been called: 1 each time, as it is
; loaded anew.
org 0xc0430000
bits 32
    push ebx
    push esi
    mov ebx, [esp + 12]
    push '['
    call [ebx]                  ; emit
    mov esi, [ebx + 0x20]       ; args
next:
    movzx eax, byte [esi]
    test eax, eax
    jz done
    mov [esp], eax
    call [ebx]
    inc esi
    jmp next
done:
    mov dword [esp], ']'
    call [ebx]
    add esp, 4
    inc dword [calls]
    mov eax, [calls]
    pop esi
    pop ebx
    ret
calls: dd 0
