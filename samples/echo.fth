\ SPDX-License-Identifier: BSD-2-Clause
\ echo - prints X, waits for a key, prints it, and returns its code to the monitor.
\
\   ./vesper run samples/echo.fth

: echo ( -- key )
    [char] X vesper.emit
    vesper.key dup vesper.emit ;

echo bye-code !    \ pForth returns it
