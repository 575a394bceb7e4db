; SPDX-License-Identifier: BSD-2-Clause
; Calls itself until there is no stack left.
org 0xc0430000
bits 32
again:
    call again
