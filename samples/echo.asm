; SPDX-License-Identifier: BSD-2-Clause
; echo - prints X, waits for a key, prints it, and returns its code to the monitor.
;
;   ./vesper run samples/echo.asm
;
; Or by hand: nasm -f bin samples/echo.asm -o kexec

VESPER_KEXECADDR equ 0xc0430000

struc vesper                    ; the head of struct vesper, include/vesper.h
.emit   resd 1                  ; void emit(int c)
.key    resd 1                  ; int key(void)
.keyq   resd 1                  ; int keyq(void)
endstruc

        org VESPER_KEXECADDR    ; a raw binary: nobody relocates it
        bits 32

start:                          ; int start(struct vesper *)
        push ebx                ; the caller's, as esi, edi and ebp are
        mov ebx, [esp + 8]      ; the struct: behind ebx and the return address

        push 'X'
        call [ebx + vesper.emit]
        add esp, 4              ; the caller removes the arguments

        call [ebx + vesper.key]
        push eax                ; its code: our result. A call may change eax, ecx, edx
        push eax                ; and its arguments, so emit gets another copy
        call [ebx + vesper.emit]
        add esp, 4
        pop eax

        pop ebx
        ret
