; SPDX-License-Identifier: BSD-2-Clause
; Prints X, waits for a key, prints it, and stops there.
        bits 32
        org 0xc0430000

        mov     ebp, [esp + 4]          ; struct vesper
        push    dword 'X'
        call    [ebp]                   ; emit
        call    [ebp + 4]               ; key
        mov     [esp], eax
        call    [ebp]
        jmp     $
