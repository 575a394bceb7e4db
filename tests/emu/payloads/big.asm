; SPDX-License-Identifier: BSD-2-Clause
; 100 KiB: prints its arguments, and returns the sum of the bytes behind its code.
        bits 32
        org 0xc0430000

        push    esi
        push    ebx
        mov     ebx, [esp + 12]         ; struct vesper
        mov     esi, [ebx + 0x20]       ; args
.next:  movzx   eax, byte [esi]
        inc     esi
        test    eax, eax
        jz      .printed
        push    eax
        call    [ebx]                   ; emit
        pop     eax
        jmp     .next
.printed:
        mov     esi, data
        mov     ecx, data_end - data
        xor     edx, edx
.add:   movzx   eax, byte [esi]
        add     edx, eax
        inc     esi
        loop    .add
        mov     eax, edx
        pop     ebx
        pop     esi
        ret

data:
%assign i 0
%rep 1024
        times 96 db (i * 7) & 255
        db      3, 0x11, 0x13, 0xff
%assign i i + 1
%endrep
data_end:
