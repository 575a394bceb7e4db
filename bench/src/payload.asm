; SPDX-License-Identifier: BSD-2-Clause
; The payload that Vesper loads as /kexec, and U-Boot for its command `go`.
bits 32
%include "marker.inc"
    MARKER
    ANNOUNCE
    FILL
