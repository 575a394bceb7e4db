; SPDX-License-Identifier: BSD-2-Clause
; Reads what the pointer at 0xc0430004 leads to: nothing, unless somebody changes it.
org 0xc0430000
bits 32
    jmp short start
    align 4
pointer: dd 0xe8000000
start:
    mov eax, [pointer]
    mov eax, [eax]
    ret
