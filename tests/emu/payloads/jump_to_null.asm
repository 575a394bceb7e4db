; SPDX-License-Identifier: BSD-2-Clause
; Calls address 0.
org 0xc0430000
bits 32
    xor eax, eax
    call eax
    ret
