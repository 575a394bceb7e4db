; SPDX-License-Identifier: BSD-2-Clause
; Returns 42.
org 0xc0430000
bits 32
    mov eax, 42
    ret
