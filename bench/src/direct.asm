; SPDX-License-Identifier: BSD-2-Clause
; The payload as a Multiboot kernel: no kernel at all between the loader and it.
bits 32
%include "marker.inc"
section .text
align 4
    dd 0x1badb002, 0, -0x1badb002
global _start
_start:
    MARKER
    ANNOUNCE
    FILL
