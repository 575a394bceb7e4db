\ SPDX-License-Identifier: BSD-2-Clause
\ Uses sdk/vesper.fs: text, fields, numbers of 64 bits, errors. PASS or FAIL for each.

variable failed
: check ( flag c-addr u -- )  rot if ." PASS " else ." FAIL " 1 failed +! then type cr ;

create a-stat /stat allot
create a-number 2 cells allot
create a-buffer 64 allot
create an-info /block_info allot

: z= ( text c-addr u -- flag )  rot vesper-count compare 0= ;

s" /hello.txt" >vesper a-stat file.stat 0= s" stat" check
a-stat stat.bytes vesper-d@ 13 0 d= s" a field of 64 bits" check
a-stat stat.type @ VESPER_FILE = s" a constant" check
s" /no/such" >vesper file.open VESPER_NOT_FOUND = s" an error" check
VESPER_NOT_FOUND debug.error_text s" not found" z= s" text from a call" check

: a-file ( -- file )  s" /hello.txt" >vesper file.open ;
a-file value file
file 7 0 file.seek 0= s" an argument of 64 bits" check
file a-buffer 64 file.read 6 = s" read" check
a-buffer 5 s" world" compare 0= s" what was read" check
file file.close 0= s" close" check

time.ticks 20000 0 time.sleep drop time.ticks 2swap d- 20000 0 d< 0= s" a result of 64 bits" check
0 an-info block.info 0= an-info block_info.name s" wd0" z= and s" a name" check
depth 0= s" nothing left over" check
vesper vesper.magic @ VESPER_MAGIC = s" the struct" check
failed @ bye-code !
