; SPDX-License-Identifier: BSD-2-Clause
; Never ends, with interrupts off.
org 0xc0430000
bits 32
    cli
    jmp $
