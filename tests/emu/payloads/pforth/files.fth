\ SPDX-License-Identifier: BSD-2-Clause
\ Runs t_file.fth of pForth's tarball in the volume ram:, where files can be made. It loads two
\ helpers from the current directory, so those are copied there first.

create contents 4096 allot
variable copied
: copy-in  ( c-addr u c-addr u -- , from, to )
    2swap r/o open-file abort" cannot be opened"
    dup contents 4096 rot read-file abort" cannot be read" copied !
    close-file drop
    w/o create-file abort" cannot be made"
    dup contents copied @ rot write-file abort" cannot be written"
    close-file abort" cannot be closed"
;
: copy-helpers
    s" /t_required_helper1.fth" s" t_required_helper1.fth" copy-in
    s" /t_required_helper2.fth" s" t_required_helper2.fth" copy-in
;
copy-helpers
include /t_tools.fth
include /t_file.fth
