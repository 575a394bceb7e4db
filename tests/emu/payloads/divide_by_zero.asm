; SPDX-License-Identifier: BSD-2-Clause
; A divide error at offset 4.
org 0xc0430000
bits 32
    xor ecx, ecx
    xor edx, edx
    div ecx
