; SPDX-License-Identifier: BSD-2-Clause
; echo - prints X, waits for a key, prints it, and returns its code to the monitor.
;
;   ./vesper run samples/echo.asm
;
; Or by hand: nasm -f bin -I sdk/ samples/echo.asm -o kexec

%include "vesper.inc"

        org VESPER_KEXECADDR    ; a raw binary: nobody relocates it
        bits 32

start:                          ; int start(struct vesper *)
        push ebx                ; the caller's, as esi, edi and ebp are
        mov ebx, [esp + 8]      ; the struct: behind ebx and the return address

        push 'X'                ; by hand:
        call [ebx + vesper.emit]
        add esp, 4              ; the caller removes the arguments

        call [ebx + vesper.key]
        push eax                ; its code: our result. A call may change eax, ecx, edx
        vesper_call emit, eax   ; the same with the macro
        pop eax

        pop ebx
        ret
