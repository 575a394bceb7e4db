; SPDX-License-Identifier: BSD-2-Clause
; Has the kernel write 5 bytes from where no memory is.
org 0xc0430000
bits 32
    mov edx, [esp + 4]
    mov edx, [edx + 0x24]       ; console
    push 5
    push 0xe8000000
    call [edx + 4]              ; write
    add esp, 8
    ret
