; SPDX-License-Identifier: BSD-2-Clause
; Writes to address 0, at offset 2.
org 0xc0430000
bits 32
    xor eax, eax
    mov [eax], eax
