\ SPDX-License-Identifier: BSD-2-Clause
\ echo - prints X, waits for a key, prints it, and leaves its code on the stack.
\
\   pForth, with sdk/vesper.fs included before.

: echo ( -- key )
    [char] X vesper.emit
    vesper.key dup vesper.emit ;
echo
