; SPDX-License-Identifier: BSD-2-Clause
; Points its stack to where no memory is mapped.
org 0xc0430000
bits 32
    mov esp, 0xe8000000
    push eax
