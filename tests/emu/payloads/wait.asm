; SPDX-License-Identifier: BSD-2-Clause
; args "k": returns the key that it waits for. Else: sleeps for 3 s, and returns the milliseconds.
; Returns 1 if ebx, esi, edi or ebp is not what it was.
org 0xc0430000
bits 32
    pushad
    mov ebx, [esp + 36]
    mov edi, 0x66666666
    mov ebp, 0x77777777
    mov ecx, [ebx + 0x20]       ; args
    mov esi, [ebx + 0x3c]       ; time
    cmp byte [ecx], 'k'
    jne sleep
    call [ebx + 4]              ; key
    jmp end
sleep:
    call [esi + 4]              ; ticks
    mov [began], eax
    push 0
    push 3000000
    call [esi + 8]              ; sleep
    add esp, 8
    call [esi + 4]
    sub eax, [began]
    xor edx, edx
    mov ecx, 1000
    div ecx
end:
    mov [result], eax
    cmp edi, 0x66666666
    jne wrong
    cmp ebp, 0x77777777
    jne wrong
    cmp esi, [ebx + 0x3c]
    je right
wrong:
    mov dword [result], 1
right:
    popad
    mov eax, [result]
    ret
began: dd 0
result: dd 0
