\ SPDX-License-Identifier: BSD-2-Clause
\ Made from include/vesper.h by `./vesper bindings`: change that, not this.
\ For any Forth with 32-bit cells that has CORE and CORE EXT. It supplies, before this is loaded:
\
\   vesper ( -- address )         the struct, as the payload was given it
\   vesper-ccall ( words n function result -- )
\                                 calls a C function with n words: words @ is the first argument;
\                                 stores eax at result, and edx a cell after it
\
\ A call is console.write, one of the head's vesper.emit. Its result is below 0 for an error.
\ Numbers of 64 bits are doubles, in memory the lower cell first: VESPER-D@. Text that calls take
\ ends with a NUL: >VESPER makes it, for one call. A field's word adds its offset: stat.bytes; the
\ size of a struct is /stat. Hooks are addresses of machine code; Forth words cannot be hooks.

decimal

create vesper-words 16 cells allot
create vesper-result 2 cells allot
create vesper-text 1024 allot

: vesper-function ( table-offset call-offset -- function )
    swap vesper + @ + @ ;
: vesper-call2 ( x1 ... xn n function -- low high )
    >r dup >r
    begin dup while 1- tuck cells vesper-words + ! repeat drop
    vesper-words r> r> vesper-result vesper-ccall
    vesper-result @ vesper-result cell+ @ ;
: vesper-call ( x1 ... xn n function -- result )
    vesper-call2 drop ;
: vesper-d@ ( address -- d )
    dup @ swap cell+ @ ;
: >vesper ( address length -- text )
    1023 min dup >r vesper-text swap move 0 vesper-text r> + c! vesper-text ;
: vesper-count ( text -- address length )
    dup begin dup c@ while 1+ repeat over - ;

\ ---- entry, errors ----------------------------------------------------------------------------
3225616384 constant VESPER_KEXECADDR
1380995926 constant VESPER_MAGIC        \ "VSPR" in memory
65538 constant VESPER_VERSION           \ major << 16 | minor
-1 constant VESPER_NOT_FOUND            \ no such device, file, entry or handle
-2 constant VESPER_TIMED_OUT            \ a device did not answer before its deadline
-3 constant VESPER_DEVICE               \ a device reported an error
-4 constant VESPER_GONE                 \ a device has been removed
-5 constant VESPER_CORRUPT              \ the data on the medium is damaged
-6 constant VESPER_UNSUPPORTED          \ well-formed, but nothing here can do it
-7 constant VESPER_INVALID              \ an argument is out of range
-8 constant VESPER_NO_SPACE             \ the medium is full
-9 constant VESPER_NO_MEMORY            \ the kernel's memory is used up
-10 constant VESPER_BUSY                \ in use, or called from where it must not be
-11 constant VESPER_READ_ONLY           \ the medium or file system cannot be written
-12 constant VESPER_EXISTS              \ there is one already
-13 constant VESPER_TOO_LARGE           \ it does not fit; a path has too many links
-14 constant VESPER_NOT_DIRECTORY
-15 constant VESPER_IS_DIRECTORY
-16 constant VESPER_NOT_EMPTY
-17 constant VESPER_INTERRUPTED         \ a break came while the call waited

\ ---- keys: what key() and keyq() return -------------------------------------------------------
\ Printable keys: their ASCII code, with Shift and Caps Lock applied. Control with a letter: 1...26.
\ Enter 13, Backspace 8, Tab 9, Escape 27. The keys below have codes of their own. Alt adds
\ VESPER_KEY_ALT to any code; Shift and Control add theirs to the codes >= 256. A serial terminal's
\ escape sequences give the same codes.
257 constant VESPER_KEY_UP
258 constant VESPER_KEY_DOWN
259 constant VESPER_KEY_LEFT
260 constant VESPER_KEY_RIGHT
261 constant VESPER_KEY_HOME
262 constant VESPER_KEY_END
263 constant VESPER_KEY_PAGE_UP
264 constant VESPER_KEY_PAGE_DOWN
265 constant VESPER_KEY_INSERT
266 constant VESPER_KEY_DELETE
267 constant VESPER_KEY_PAUSE
268 constant VESPER_KEY_PRINT
269 constant VESPER_KEY_MENU
270 constant VESPER_KEY_CENTER          \ keypad 5 with Num Lock off
273 constant VESPER_KEY_F1              \ ... F12 = 0x11c
284 constant VESPER_KEY_F12
4096 constant VESPER_KEY_ALT
8192 constant VESPER_KEY_SHIFT
16384 constant VESPER_KEY_CONTROL

\ ---- console: text on all screens and serial lines --------------------------------------------
\ Colours are those of VGA text: attribute = background << 4 | foreground; 0 black, 1 blue, 2 green,
\ 3 cyan, 4 red, 5 magenta, 6 brown, 7 grey, + 8 bright. 0x07 at first. A serial line shows cells,
\ colours and the cursor by ANSI escape sequences.
\ Writes text: printable ASCII, \n (next line, column 0), \r, \b, \t. Returns how many bytes: at
\ most 65536 in one call.
: console.write ( text length -- result )
    2 36 4 vesper-function vesper-call ;
\ The number of character cells.
: console.cells ( columns rows -- result )
    2 36 8 vesper-function vesper-call ;
\ Puts one character (CP437) into a cell; the cursor stays. INVALID: no such cell.
: console.put ( column row c attribute -- result )
    4 36 12 vesper-function vesper-call ;
\ Moves the cursor: where write() goes on. INVALID: no such cell.
: console.move ( column row -- result )
    2 36 16 vesper-function vesper-call ;
\ The attribute that write() uses from now on.
: console.color ( attribute -- result )
    1 36 20 vesper-function vesper-call ;
\ Fills all cells with spaces; the cursor goes to 0, 0.
: console.clear ( -- result )
    0 36 24 vesper-function vesper-call ;
\ Moves all text up by `lines`, down if negative; the cursor stays. With a region: its text.
: console.scroll ( lines -- result )
    1 36 28 vesper-function vesper-call ;
\ From now on only rows top ... bottom - 1 scroll, also for write(). 0, 0: the whole screen.
\ INVALID.
: console.region ( top bottom -- result )
    2 36 32 vesper-function vesper-call ;
\ Where the cursor is.
: console.cursor ( column row -- result )
    2 36 36 vesper-function vesper-call ;
\ Shows the cursor, or hides it (0).
: console.show_cursor ( visible -- result )
    1 36 40 vesper-function vesper-call ;
\ Fills a rectangle with one character. INVALID: it leaves the screen.
: console.fill ( column row columns rows c attribute -- result )
    6 36 44 vesper-function vesper-call ;
\ Puts `count` cells into one row: each is character | attribute << 8. INVALID: they leave it.
: console.put_row ( column row cells count -- result )
    4 36 48 vesper-function vesper-call ;
\ How often the number of cells has changed since boot: compare it with the last answer.
: console.resizes ( -- result )
    0 36 52 vesper-function vesper-call ;

\ ---- input: keys going down and up, mice ------------------------------------------------------
\ Keys are numbered as on USB (HID Usage Tables, page 7). The queues of key(), of key events and of
\ pointer events are independent, and each keeps the last 256. A key from a serial line is a press
\ and a release.
1 constant VESPER_LEFT_CONTROL
2 constant VESPER_LEFT_SHIFT
4 constant VESPER_LEFT_ALT
8 constant VESPER_LEFT_GUI
16 constant VESPER_RIGHT_CONTROL
32 constant VESPER_RIGHT_SHIFT
64 constant VESPER_RIGHT_ALT
128 constant VESPER_RIGHT_GUI
256 constant VESPER_NUM_LOCK
512 constant VESPER_CAPS_LOCK
1024 constant VESPER_SCROLL_LOCK
\ when it came, as ticks() counts
: key_event.time ( address -- address ) 0 + ;
\ HID usage: 4 is A, 0x28 Enter, 0xe0 left Control
: key_event.usage ( address -- address ) 8 + ;
\ held after it: enum vesper_modifier
: key_event.modifiers ( address -- address ) 12 + ;
\ 1: pressed, 2: repeated by the keyboard, 0: released
: key_event.down ( address -- address ) 16 + ;
\ what key() returns for it, 0 if nothing
: key_event.key ( address -- address ) 20 + ;
\ for info()
: key_event.device ( address -- address ) 24 + ;
28 constant /key_event
1 constant VESPER_BUTTON_LEFT
2 constant VESPER_BUTTON_RIGHT
4 constant VESPER_BUTTON_MIDDLE
8 constant VESPER_BUTTON_BACK
16 constant VESPER_BUTTON_FORWARD
: pointer_event.time ( address -- address ) 0 + ;
\ motion, right and down positive; or a position, 0 ... 65535
: pointer_event.x ( address -- address ) 8 + ;
\ motion, right and down positive; or a position, 0 ... 65535
: pointer_event.y ( address -- address ) 12 + ;
\ notches, away from the user positive
: pointer_event.wheel ( address -- address ) 16 + ;
\ held after it: enum vesper_button
: pointer_event.buttons ( address -- address ) 20 + ;
\ buttons that were pressed or released
: pointer_event.changed ( address -- address ) 24 + ;
: pointer_event.absolute ( address -- address ) 28 + ;
: pointer_event.device ( address -- address ) 32 + ;
36 constant /pointer_event
1 constant VESPER_KEYBOARD
2 constant VESPER_POINTER
3 constant VESPER_TERMINAL
\ enum vesper_input_kind
: input_info.kind ( address -- address ) 0 + ;
\ "pckbd0"
: input_info.name ( address -- address ) 4 + ;
\ "3 buttons, wheel"
: input_info.model ( address -- address ) 20 + ;
68 constant /input_info
\ The index-th input device. NOT_FOUND: no more.
: input.info ( device info -- result )
    2 40 4 vesper-function vesper-call ;
\ The oldest key event, taken from the queue. Returns 1, or 0 if there is none.
: input.key_event ( event -- result )
    1 40 8 vesper-function vesper-call ;
\ The oldest pointer event, likewise.
: input.pointer_event ( event -- result )
    1 40 12 vesper-function vesper-call ;
\ Whether the key with this usage is down now: 1 or 0. INVALID: beyond 255.
: input.held ( usage -- result )
    1 40 16 vesper-function vesper-call ;
\ The modifiers as they are now.
: input.modifiers ( -- result )
    0 40 20 vesper-function vesper-call ;
\ Empties all three queues.
: input.clear ( -- result )
    0 40 24 vesper-function vesper-call ;
\ How many events were lost since boot because nobody took them in time.
: input.lost ( -- result )
    0 40 28 vesper-function vesper-call ;

\ ---- block: disks and partitions, in blocks of their own size ---------------------------------
\ A device is a number, 0 ... count() - 1; it does not change until power-off.
: block_info.blocks ( address -- address ) 0 + ;
\ of a partition, on its disk
: block_info.first_block ( address -- address ) 8 + ;
\ 512 ... 4096
: block_info.block_bytes ( address -- address ) 16 + ;
\ the disk that a partition is part of, -1 for a disk
: block_info.disk ( address -- address ) 20 + ;
: block_info.read_only ( address -- address ) 24 + ;
\ "wd0", "wd0a"
: block_info.name ( address -- address ) 28 + ;
\ as the disk says; a partition's type
: block_info.model ( address -- address ) 44 + ;
92 constant /block_info
1 constant VESPER_BLOCK_READ_ONLY
2 constant VESPER_BLOCK_REMOVABLE
4 constant VESPER_BLOCK_GONE            \ it has been removed; its calls fail with GONE
8 constant VESPER_BLOCK_MOUNTED         \ a volume of file
16 constant VESPER_BLOCK_ROOT           \ the volume that /kexec came from
0 constant VESPER_READ
1 constant VESPER_WRITE
2 constant VESPER_FLUSH
3 constant VESPER_DISCARD
: block_request.first ( address -- address ) 0 + ;
: block_request.count ( address -- address ) 8 + ;
\ enum vesper_block_operation
: block_request.operation ( address -- address ) 12 + ;
\ count blocks, for READ and WRITE
: block_request.data ( address -- address ) 16 + ;
: block_request.device ( address -- address ) 20 + ;
\ BUSY while it is under way, then 0 or why it failed
: block_request.result ( address -- address ) 24 + ;
\ the kernel's, while it is under way
: block_request.link ( address -- address ) 28 + ;
\ the payload's
: block_request.context ( address -- address ) 32 + ;
36 constant /block_request
\ How many there are.
: block.count ( -- result )
    0 44 4 vesper-function vesper-call ;
\ What it is. NOT_FOUND.
: block.info ( device info -- result )
    2 44 8 vesper-function vesper-call ;
\ The number of the device with this name. NOT_FOUND.
: block.find ( name -- result )
    1 44 12 vesper-function vesper-call ;
\ Reads blocks first ... first + count - 1. INVALID: not on the device. DEVICE, TIMED_OUT, GONE.
: block.read ( device d:first count into -- result )
    5 44 16 vesper-function vesper-call ;
\ Writes blocks. A file system mounted on them sees what was written. INVALID, READ_ONLY, DEVICE,
\ TIMED_OUT, GONE.
: block.write ( device d:first count from -- result )
    5 44 20 vesper-function vesper-call ;
\ Returns when all that was written is on the medium. DEVICE, TIMED_OUT, GONE.
: block.flush ( device -- result )
    1 44 24 vesper-function vesper-call ;
\ The contents of these blocks are no longer needed. UNSUPPORTED: the disk cannot be told.
: block.discard ( device d:first count -- result )
    4 44 28 vesper-function vesper-call ;
\ What is true of it: enum vesper_block_flag, or'ed. NOT_FOUND.
: block.flags ( device -- result )
    1 44 32 vesper-function vesper-call ;
\ Starts a request and returns at once. It is the kernel's until `result` is no longer BUSY.
\ NOT_FOUND, INVALID: refused, nothing was started.
: block.submit ( request -- result )
    1 44 36 vesper-function vesper-call ;
\ Moves requests on without waiting. Returns how many are not done yet.
: block.poll ( -- result )
    0 44 40 vesper-function vesper-call ;
\ Waits until the request is done, and returns its result. TIMED_OUT: not within `us`; it goes on.
: block.wait ( request d:us -- result )
    3 44 44 vesper-function vesper-call ;
\ Opens the tray of a drive whose medium can be removed. What was not synced to a volume on it is
\ lost. UNSUPPORTED: it has none.
: block.eject ( device -- result )
    1 44 48 vesper-function vesper-call ;
\ Closes it, and looks at the medium: info() shows its size. NOT_FOUND: there is none.
: block.load ( device -- result )
    1 44 52 vesper-function vesper-call ;

\ ---- file: the root file system, and others ---------------------------------------------------
\ Names in paths are separated by '/'. A path begins at the root, with a '/' or without, or names
\ its volume: "wd0a:/x" is /x on wd0a, "ram:/x" in the volume that lies in the kernel's memory. FFS
\ and ext2 tell upper from lower case; FAT does not. Symbolic links are followed. Nothing is written
\ to a disk before sync(), but when the cache is full; power->off, ->reboot and the payload's return
\ sync too.
0 constant VESPER_FILE
1 constant VESPER_DIRECTORY
2 constant VESPER_LINK                  \ list() shows them; open() and stat() follow them
3 constant VESPER_OTHER
: stat.bytes ( address -- address ) 0 + ;
\ seconds since 1970-01-01 UTC
: stat.modified ( address -- address ) 8 + ;
: stat.id ( address -- address ) 16 + ; \ inode number, or what stands for one
\ enum vesper_file_type
: stat.type ( address -- address ) 24 + ;
\ permissions as in Unix
: stat.mode ( address -- address ) 28 + ;
32 constant /stat
1 constant VESPER_OPEN_READ
2 constant VESPER_OPEN_WRITE
4 constant VESPER_OPEN_CREATE           \ made if it is not there, nor where a link leads
8 constant VESPER_OPEN_EXCLUSIVE        \ with CREATE: EXISTS if it is there, or a link is
16 constant VESPER_OPEN_TRUNCATE        \ all that is in it goes; with WRITE
32 constant VESPER_OPEN_APPEND          \ each write goes to the end; with WRITE
\ room for data, used or not
: volume.bytes ( address -- address ) 0 + ;
\ as far as it is known without a long search, else 0
: volume.free_bytes ( address -- address ) 8 + ;
\ "wd0a", "ram": what stands before the ':'
: volume.name ( address -- address ) 16 + ;
\ "ffs2"
: volume.type ( address -- address ) 32 + ;
: volume.label ( address -- address ) 48 + ;
\ of block, -1: none
: volume.device ( address -- address ) 80 + ;
: volume.read_only ( address -- address ) 84 + ;
: volume.is_root ( address -- address ) 88 + ;
92 constant /volume
: entry.id ( address -- address ) 0 + ;
: entry.type ( address -- address ) 8 + ;
\ UTF-8
: entry.name ( address -- address ) 12 + ;
780 constant /entry
\ Opens a file or directory. Returns a handle. NOT_FOUND, NOT_DIRECTORY, NO_MEMORY, CORRUPT ...
: file.open ( path -- result )
    1 48 4 vesper-function vesper-call ;
\ Closes it. What was written is not synced.
: file.close ( file -- result )
    1 48 8 vesper-function vesper-call ;
\ Reads at most `bytes` at the file's position, which moves on. Returns how many: 0 at the end. At
\ most 2^31 - 1 in one call. IS_DIRECTORY, CORRUPT, DEVICE ...
: file.read ( file into bytes -- result )
    3 48 12 vesper-function vesper-call ;
\ Sets the position; it may lie beyond the end.
: file.seek ( file d:position -- result )
    3 48 16 vesper-function vesper-call ;
\ The length of the file.
: file.length ( file bytes -- result )
    2 48 20 vesper-function vesper-call ;
\ The next entry of an open directory, without "." and "..". Returns 1, or 0 after the last; seek to
\ 0 begins again. NOT_DIRECTORY.
: file.list ( directory entry -- result )
    2 48 24 vesper-function vesper-call ;
\ What is known of a file or directory. NOT_FOUND ...
: file.stat ( path stat -- result )
    2 48 28 vesper-function vesper-call ;
\ Opens a file as `how` says: enum vesper_open, or'ed. Returns a handle. INVALID, READ_ONLY, EXISTS,
\ IS_DIRECTORY, NOT_FOUND, NO_SPACE ...
: file.open_as ( path how -- result )
    2 48 32 vesper-function vesper-call ;
\ Writes at the file's position, which moves on. Returns how many bytes, all but when there is
\ NO_SPACE for the rest. INVALID: not opened to write.
: file.write ( file from bytes -- result )
    3 48 36 vesper-function vesper-call ;
\ The position.
: file.position ( file position -- result )
    2 48 40 vesper-function vesper-call ;
\ Cuts the file, or lengthens it with zeros. INVALID: not opened to write.
: file.truncate ( file d:bytes -- result )
    3 48 44 vesper-function vesper-call ;
\ As stat(), of an open file.
: file.stat_file ( file stat -- result )
    2 48 48 vesper-function vesper-call ;
\ As stat(), of a link itself.
: file.stat_link ( path stat -- result )
    2 48 52 vesper-function vesper-call ;
\ Makes a directory. EXISTS, NOT_FOUND, READ_ONLY ...
: file.make_directory ( path -- result )
    1 48 56 vesper-function vesper-call ;
\ Removes a file, link or empty directory. An open file can be used until it is closed. NOT_FOUND,
\ NOT_EMPTY, READ_ONLY ...
: file.remove ( path -- result )
    1 48 60 vesper-function vesper-call ;
\ Renames or moves within a volume; a file that is at `to` goes. UNSUPPORTED: they are on different
\ volumes. NOT_FOUND, EXISTS, INVALID (a directory into itself) ...
: file.rename ( from to -- result )
    2 48 64 vesper-function vesper-call ;
\ Makes a second name for a file. UNSUPPORTED: not on this volume.
: file.link ( path name -- result )
    2 48 68 vesper-function vesper-call ;
\ Makes a symbolic link at `path` that leads to `target`.
: file.make_link ( path target -- result )
    2 48 72 vesper-function vesper-call ;
\ Where a symbolic link leads. Returns the length of the text, without its NUL. TOO_LARGE: it is no
\ shorter than `bytes`. INVALID: no link.
: file.read_link ( path into bytes -- result )
    3 48 76 vesper-function vesper-call ;
\ When it was changed: seconds since 1970-01-01 UTC.
: file.set_modified ( path d:modified -- result )
    3 48 80 vesper-function vesper-call ;
\ Permissions as in Unix. UNSUPPORTED: the volume has none.
: file.set_mode ( path mode -- result )
    2 48 84 vesper-function vesper-call ;
\ Mounts what is on a device of block; its volume has the device's name. NOT_FOUND: no file system
\ that is known here. EXISTS: it is mounted. BUSY: another volume has the same blocks.
: file.mount ( device -- result )
    1 48 88 vesper-function vesper-call ;
\ Syncs and forgets a volume. BUSY: a file on it is open, or it is the root.
: file.unmount ( volume -- result )
    1 48 92 vesper-function vesper-call ;
\ The index-th volume. NOT_FOUND: no more.
: file.volume ( index volume -- result )
    2 48 96 vesper-function vesper-call ;
\ Returns when all that was written to files is on its medium.
: file.sync ( -- result )
    0 48 100 vesper-function vesper-call ;
\ The same for one open file: its contents, its size and its name.
: file.sync_file ( file -- result )
    1 48 104 vesper-function vesper-call ;
\ How much memory the cache of a volume on a disk may have, in bytes; 0: as little as can be.
\ NOT_FOUND: no such volume. UNSUPPORTED: it has no cache.
: file.set_cache ( volume bytes -- result )
    2 48 108 vesper-function vesper-call ;

\ ---- display: screens of pixels ---------------------------------------------------------------
\ Pixels lie at address + y * pitch + x * bits_per_pixel / 8. A frame buffer is slow to read.
: mode.width ( address -- address ) 0 + ;
: mode.height ( address -- address ) 4 + ;
\ bytes from one line to the next
: mode.pitch ( address -- address ) 8 + ;
: mode.bits_per_pixel ( address -- address ) 12 + ;
: mode.red_position ( address -- address ) 16 + ;
: mode.red_bits ( address -- address ) 20 + ;
: mode.green_position ( address -- address ) 24 + ;
: mode.green_bits ( address -- address ) 28 + ;
: mode.blue_position ( address -- address ) 32 + ;
: mode.blue_bits ( address -- address ) 36 + ;
40 constant /mode
: display_info.name ( address -- address ) 0 + ;
: display_info.model ( address -- address ) 16 + ;
\ how many it has
: display_info.modes ( address -- address ) 64 + ;
\ pixels appear only after update()
: display_info.needs_update ( address -- address ) 68 + ;
\ 0: not known
: display_info.width_mm ( address -- address ) 72 + ;
\ 0: not known
: display_info.height_mm ( address -- address ) 76 + ;
80 constant /display_info
\ What the display is. NOT_FOUND: no more.
: display.info ( display info -- result )
    2 52 4 vesper-function vesper-call ;
\ The index-th mode that it can show. NOT_FOUND: no more.
: display.mode ( display index mode -- result )
    3 52 8 vesper-function vesper-call ;
\ The mode that it shows.
: display.current ( display mode -- result )
    2 52 12 vesper-function vesper-call ;
\ Shows pixels in this mode; text leaves the display until release(). NOT_FOUND: no such mode.
: display.set_mode ( display width height bits_per_pixel -- result )
    4 52 16 vesper-function vesper-call ;
\ Where the pixels of the present mode are.
: display.pixels ( display address bytes -- result )
    3 52 20 vesper-function vesper-call ;
\ Makes a rectangle appear that has been drawn.
: display.update ( display x y width height -- result )
    5 52 24 vesper-function vesper-call ;
\ Sets colours first ... first + count - 1 of a mode with 8 bits: 0xRRGGBB each.
: display.palette ( display first count colors -- result )
    4 52 28 vesper-function vesper-call ;
\ Waits until the beam is behind the last line. UNSUPPORTED: it does not tell.
: display.wait_blank ( display d:us -- result )
    3 52 32 vesper-function vesper-call ;
\ Gives the display back to the console.
: display.release ( display -- result )
    1 52 36 vesper-function vesper-call ;

\ ---- net: network cards, and TCP/IP above them ------------------------------------------------
\ Addresses and ports are in the host's byte order: 10.0.2.2 is 0x0a000202.
: net_info.name ( address -- address ) 0 + ;
: net_info.model ( address -- address ) 16 + ;
: net_info.mac ( address -- address ) 64 + ;
: net_info.mtu ( address -- address ) 70 + ;
\ Mbit/s, 0: no link
: net_info.link ( address -- address ) 72 + ;
\ 0: none
: net_info.address ( address -- address ) 76 + ;
\ 0: none
: net_info.netmask ( address -- address ) 80 + ;
\ 0: none
: net_info.gateway ( address -- address ) 84 + ;
\ 0: none
: net_info.name_server ( address -- address ) 88 + ;
92 constant /net_info
1 constant VESPER_UDP
2 constant VESPER_TCP
\ What the card is. NOT_FOUND: no more.
: net.info ( card info -- result )
    2 56 4 vesper-function vesper-call ;
\ Sends one Ethernet frame, without its check sum. INVALID: too long.
: net.send_frame ( card frame bytes -- result )
    3 56 8 vesper-function vesper-call ;
\ Takes the next frame that came; TCP/IP no longer gets the card's frames. Returns its length, 0 if
\ there is none. TOO_LARGE: cut off.
: net.receive_frame ( card into bytes -- result )
    3 56 12 vesper-function vesper-call ;
\ Asks DHCP for an address. TIMED_OUT.
: net.configure ( card d:us -- result )
    3 56 16 vesper-function vesper-call ;
\ Sets the address by hand.
: net.set_address ( card address netmask gateway name_server -- result )
    5 56 20 vesper-function vesper-call ;
\ The address of a name. NOT_FOUND, TIMED_OUT.
: net.resolve ( name d:us address -- result )
    4 56 24 vesper-function vesper-call ;
\ Makes a socket of this kind. Returns a handle.
: net.open ( kind -- result )
    1 56 28 vesper-function vesper-call ;
\ Receives at this port from now on; 0: any that is free.
: net.bind ( socket port -- result )
    2 56 32 vesper-function vesper-call ;
\ Connects to a port. TIMED_OUT, DEVICE: refused.
: net.connect ( socket address port d:us -- result )
    5 56 36 vesper-function vesper-call ;
\ Takes connections from now on.
: net.listen ( socket -- result )
    1 56 40 vesper-function vesper-call ;
\ The next connection: a new socket. TIMED_OUT.
: net.accept ( socket d:us -- result )
    3 56 44 vesper-function vesper-call ;
\ Sends. Returns how many bytes.
: net.send ( socket from bytes -- result )
    3 56 48 vesper-function vesper-call ;
\ Receives at most so many bytes. Returns how many: 0 if none come within `us`. GONE: the other side
\ has closed.
: net.receive ( socket into bytes d:us -- result )
    5 56 52 vesper-function vesper-call ;
\ The other side's address and port: of the connection, or of what was last received.
: net.peer ( socket address port -- result )
    3 56 56 vesper-function vesper-call ;
\ Closes it.
: net.close ( socket -- result )
    1 56 60 vesper-function vesper-call ;
\ Lets packets move; all other calls do so, too.
: net.poll ( -- result )
    0 56 64 vesper-function vesper-call ;

\ ---- time: since boot, and of day -------------------------------------------------------------
\ month and day from 1
: date.year ( address -- address ) 0 + ;
\ month and day from 1
: date.month ( address -- address ) 4 + ;
: date.day ( address -- address ) 8 + ; \ month and day from 1
: date.hour ( address -- address ) 12 + ;
: date.minute ( address -- address ) 16 + ;
: date.second ( address -- address ) 20 + ;
\ since 1970-01-01, if the machine's clock runs on UTC
: date.unix_seconds ( address -- address ) 24 + ;
32 constant /date
\ what ticks() reads: "tsc", "hpet", "pit"
: clock.name ( address -- address ) 0 + ;
\ of that
: clock.hertz ( address -- address ) 16 + ;
24 constant /clock
\ Microseconds since boot; never goes backwards. Cannot fail. May be called from a hook.
: time.ticks ( -- d )
    0 60 4 vesper-function vesper-call2 ;
\ Waits for at least so many microseconds. INTERRUPTED.
: time.sleep ( d:us -- result )
    2 60 8 vesper-function vesper-call ;
\ The battery-backed clock. NOT_FOUND: there is none. TIMED_OUT, CORRUPT: it is not set.
: time.date ( date -- result )
    1 60 12 vesper-function vesper-call ;
\ Waits until ticks() is at least `ticks`. INTERRUPTED.
: time.sleep_until ( d:ticks -- result )
    2 60 16 vesper-function vesper-call ;
\ Sets the battery-backed clock; unix_seconds is not looked at. INVALID: no such date. NOT_FOUND,
\ TIMED_OUT.
: time.set_date ( date -- result )
    1 60 20 vesper-function vesper-call ;
\ Fills in a date from seconds since 1970-01-01. INVALID: before 1970, or 2^31 days later.
: time.to_date ( d:unix_seconds date -- result )
    3 60 24 vesper-function vesper-call ;
\ Fills in unix_seconds from the rest. INVALID: no such date.
: time.from_date ( date -- result )
    1 60 28 vesper-function vesper-call ;
\ Which clock ticks() reads, and how fine it is.
: time.clock ( clock -- result )
    1 60 32 vesper-function vesper-call ;

\ ---- memory: what there is, and what devices can reach ----------------------------------------
\ The payload's own memory is arena_start ... arena_end; it needs no call.
1 constant VESPER_RAM
2 constant VESPER_RESERVED
3 constant VESPER_ACPI                  \ tables; RAM once they have been read
4 constant VESPER_NVS
5 constant VESPER_UNUSABLE
: range.start ( address -- address ) 0 + ;
: range.bytes ( address -- address ) 8 + ;
\ enum vesper_memory_type
: range.type ( address -- address ) 16 + ;
: range.reserved ( address -- address ) 20 + ;
24 constant /range
0 constant VESPER_UNCACHED              \ device registers
1 constant VESPER_CACHED                \ RAM and ROM
2 constant VESPER_WRITE_COMBINING       \ frame buffers; uncached where the CPU has no such thing
\ the kernel's memory for drivers, caches and allocate()
: memory_usage.heap_bytes ( address -- address ) 0 + ;
: memory_usage.heap_used ( address -- address ) 4 + ;
\ since boot
: memory_usage.heap_most_used ( address -- address ) 8 + ;
\ addresses left for map_physical()
: memory_usage.window_bytes ( address -- address ) 12 + ;
16 constant /memory_usage
\ The index-th range of the map that the firmware gave, in order of addresses. NOT_FOUND: no more.
: memory.map ( index range -- result )
    2 64 4 vesper-function vesper-call ;
\ Makes physical memory visible; *address is where. Never undone. UNSUPPORTED: not reachable with
\ 32-bit addresses. NO_MEMORY: the windows (256 MiB) are used up.
: memory.map_physical ( d:physical bytes caching address -- result )
    5 64 8 vesper-function vesper-call ;
\ The index-th file that the boot loader loaded next to the kernel. NOT_FOUND: no more.
: memory.module ( index start bytes name -- result )
    4 64 12 vesper-function vesper-call ;
\ Memory that a device can read and write: contiguous, zeroed, out of the kernel's, with its last
\ byte not above `highest` (0xffffffff: any). `alignment` is a power of two, or 0 for 16. NO_MEMORY,
\ INVALID.
: memory.allocate ( bytes alignment highest address -- result )
    4 64 16 vesper-function vesper-call ;
\ Gives back what allocate() gave. All is given back when the payload ends. INVALID: it is not that.
: memory.release ( address -- result )
    1 64 20 vesper-function vesper-call ;
\ Where an address is in physical memory, for a device. NOT_FOUND: nowhere.
: memory.physical ( address physical -- result )
    2 64 24 vesper-function vesper-call ;
\ Where physical memory can be seen without a new window. NOT_FOUND: nowhere.
: memory.address ( d:physical address -- result )
    3 64 28 vesper-function vesper-call ;
\ The kernel's own memory.
: memory.usage ( usage -- result )
    1 64 32 vesper-function vesper-call ;

\ ---- device: the tree of devices, and the hardware itself -------------------------------------
\ A device is a number from 0 on; it does not change until power-off. A claimed device has no
\ driver: it is the payload's until it gives it back, or ends.
0 constant VESPER_BUS_NONE
1 constant VESPER_BUS_PCI
2 constant VESPER_BUS_ISA
\ "wd0"; "pcidev0.3.0" for one without a driver
: device_info.name ( address -- address ) 0 + ;
\ "ide"; "" without a driver
: device_info.driver ( address -- address ) 16 + ;
\ where on its bus: "dev 1 function 1"
: device_info.locator ( address -- address ) 32 + ;
\ as its line at boot
: device_info.description ( address -- address ) 80 + ;
\ -1: none
: device_info.parent ( address -- address ) 240 + ;
\ enum vesper_bus: what it was found on
: device_info.bus ( address -- address ) 244 + ;
: device_info.claimed ( address -- address ) 248 + ;
\ its line, 0: none
: device_info.irq ( address -- address ) 252 + ;
\ bus << 16 | device << 8 | function
: device_info.pci_address ( address -- address ) 256 + ;
: device_info.vendor ( address -- address ) 260 + ;
: device_info.product ( address -- address ) 262 + ;
\ base << 16 | sub << 8 | interface
: device_info.class_code ( address -- address ) 264 + ;
268 constant /device_info
1 constant VESPER_PORTS
2 constant VESPER_DEVICE_MEMORY
\ ports, or physical addresses
: resource.start ( address -- address ) 0 + ;
\ ports, or physical addresses
: resource.bytes ( address -- address ) 8 + ;
\ enum vesper_resource_kind
: resource.kind ( address -- address ) 16 + ;
: resource.prefetchable ( address -- address ) 20 + ;
24 constant /resource
\ What the device is. NOT_FOUND: no more.
: device.info ( device info -- result )
    2 68 4 vesper-function vesper-call ;
\ The number of the device with this name. NOT_FOUND.
: device.find ( name -- result )
    1 68 8 vesper-function vesper-call ;
\ The first PCI device behind `after` (-1: of all) with these IDs; 0xffff fits any. NOT_FOUND.
: device.find_pci ( after vendor product -- result )
    3 68 12 vesper-function vesper-call ;
\ Ports or memory of the device: base address register `index` (0 ... 5) on PCI; on ISA, 0.
\ NOT_FOUND: it has none there.
: device.resource ( device index resource -- result )
    3 68 16 vesper-function vesper-call ;
\ PCI configuration space: 1, 2 or 4 bytes at an offset that is a multiple of that. INVALID.
: device.read_config ( device offset bytes value -- result )
    4 68 20 vesper-function vesper-call ;
\ Writes there. BUSY: a driver has the device.
: device.write_config ( device offset bytes value -- result )
    4 68 24 vesper-function vesper-call ;
\ Reads a port, 1, 2 or 4 bytes wide. INVALID.
: device.read_port ( port bytes value -- result )
    3 68 28 vesper-function vesper-call ;
\ Writes a port. INVALID.
: device.write_port ( port bytes value -- result )
    3 68 32 vesper-function vesper-call ;
\ Takes the device from its driver, and makes it quiet: no DMA, no interrupts. What the driver
\ published is GONE. Bus mastering and decoding are the payload's to switch on. BUSY: claimed
\ already, or it holds a mounted volume. UNSUPPORTED: it is no device of its own on a bus, or a
\ bridge.
: device.claim ( device -- result )
    1 68 36 vesper-function vesper-call ;
\ Gives it back: drivers are offered it anew. INVALID: not claimed.
: device.release ( device -- result )
    1 68 40 vesper-function vesper-call ;

\ ---- interrupt: functions of the payload's that the kernel calls ------------------------------
\ A hook runs on a stack of the kernel's with 4 KiB left, interrupts off. It may use the FPU only if
\ it saves it. A hook is a handle until unhook() or the payload's end.
: frame.edi ( address -- address ) 0 + ;
: frame.esi ( address -- address ) 4 + ;
: frame.ebp ( address -- address ) 8 + ;
: frame.esp ( address -- address ) 12 + ;
: frame.ebx ( address -- address ) 16 + ;
: frame.edx ( address -- address ) 20 + ;
: frame.ecx ( address -- address ) 24 + ;
: frame.eax ( address -- address ) 28 + ;
: frame.eip ( address -- address ) 32 + ;
: frame.eflags ( address -- address ) 36 + ;
: frame.cs ( address -- address ) 40 + ;
: frame.ds ( address -- address ) 44 + ;
: frame.es ( address -- address ) 48 + ;
: frame.fs ( address -- address ) 52 + ;
: frame.gs ( address -- address ) 56 + ;
: frame.ss ( address -- address ) 60 + ;
\ of the exception, 0 ... 31; VESPER_BREAK
: frame.vector ( address -- address ) 64 + ;
\ as the CPU gave it, else 0
: frame.error_code ( address -- address ) 68 + ;
\ what could not be accessed, for a page fault
: frame.address ( address -- address ) 72 + ;
76 constant /frame
256 constant VESPER_BREAK
4294967295 constant VESPER_ANY_VECTOR
\ Has hook(context) called for each interrupt of a line (0 ... 15), beside the drivers' handlers.
\ Returns a handle. A claimed PCI device is kept off its line, by bit 10 of its Command register,
\ until device() is called. INVALID, NO_MEMORY.
: interrupt.line ( line hook context -- result )
    3 72 4 vesper-function vesper-call ;
\ The same for message `index` of a claimed device: MSI-X or MSI if it has them, else its line.
\ UNSUPPORTED: more messages than it has. INVALID: not claimed.
: interrupt.device ( device index hook context -- result )
    4 72 8 vesper-function vesper-call ;
\ Has hook(context) called `first` microseconds from now and then every `period`, 0: once. It is as
\ fine as 1 ms. INVALID: a period under 1 ms.
: interrupt.timer ( d:first d:period hook context -- result )
    6 72 12 vesper-function vesper-call ;
\ Has the hook called when an exception with this vector (0 ... 31, or VESPER_ANY_VECTOR) stops the
\ payload's own code. Breakpoints and steps (1, 3) are the debugger's.
: interrupt.exception ( vector hook context -- result )
    3 72 16 vesper-function vesper-call ;
\ Has the hook called for Ctrl-C and Ctrl-Break: in the middle of the payload's code, or at the end
\ of the call that is under way; key and sleep then return INTERRUPTED.
: interrupt.on_break ( hook context -- result )
    2 72 20 vesper-function vesper-call ;
\ Ends a hook. NOT_FOUND. May be called from a hook.
: interrupt.unhook ( hook -- result )
    1 72 24 vesper-function vesper-call ;

\ ---- audio ------------------------------------------------------------------------------------
: audio_info.name ( address -- address ) 0 + ;
: audio_info.model ( address -- address ) 16 + ;
\ a speaker that only beeps: tone()
: audio_info.tones_only ( address -- address ) 64 + ;
\ frames a second
: audio_info.lowest_rate ( address -- address ) 68 + ;
\ frames a second
: audio_info.highest_rate ( address -- address ) 72 + ;
76 constant /audio_info
\ What the device is. NOT_FOUND: no more.
: audio.info ( device info -- result )
    2 76 4 vesper-function vesper-call ;
\ Starts to play 16-bit signed samples, 1 or 2 channels. UNSUPPORTED: the rate or channels.
: audio.start ( device rate channels -- result )
    3 76 8 vesper-function vesper-call ;
\ Appends frames to what is played. Returns how many fitted.
: audio.write ( device samples frames -- result )
    3 76 12 vesper-function vesper-call ;
\ How many frames have been written and are not played yet.
: audio.queued ( device -- result )
    1 76 16 vesper-function vesper-call ;
\ Ends playing, at once.
: audio.stop ( device -- result )
    1 76 20 vesper-function vesper-call ;
\ Loudness, 0 ... 255.
: audio.volume ( device volume -- result )
    2 76 24 vesper-function vesper-call ;
\ Beeps from now on; 0 Hz: silence.
: audio.tone ( device hertz -- result )
    2 76 28 vesper-function vesper-call ;

\ ---- random -----------------------------------------------------------------------------------
\ Fills memory with random bytes. Returns how many: at most 2^20 in one call. Cannot run dry.
: random.fill ( into bytes -- result )
    2 80 4 vesper-function vesper-call ;
\ Where they come from: "rdseed", "rdrand", "viornd0" (a device), or "jitter" of the clocks.
: random.source ( -- result )
    0 80 8 vesper-function vesper-call ;

\ ---- power: rest, off, and again --------------------------------------------------------------
\ Syncs, and starts the machine anew: ACPI, keyboard controller, triple fault. Does not return.
: power.reboot ( -- result )
    0 84 4 vesper-function vesper-call ;
\ Syncs, and switches the machine off (ACPI S5). Returns only on failure: NOT_FOUND, CORRUPT,
\ TIMED_OUT.
: power.off ( -- result )
    0 84 8 vesper-function vesper-call ;
\ Rests until an interrupt comes, at most 10 ms. To be called while there is nothing to do.
: power.idle ( -- result )
    0 84 12 vesper-function vesper-call ;
\ Whether the power button has been pressed since the last question: 1 or 0. NOT_FOUND: the machine
\ does not tell.
: power.button ( -- result )
    0 84 16 vesper-function vesper-call ;

\ ---- debug: to see what happens ---------------------------------------------------------------
0 constant VESPER_EXECUTE
1 constant VESPER_WRITTEN
3 constant VESPER_ACCESSED
\ "interrupts of line 4"
: counter.name ( address -- address ) 0 + ;
: counter.value ( address -- address ) 32 + ;
40 constant /counter
\ A few English words for an error, never null.
: debug.error_text ( error -- result )
    1 88 4 vesper-function vesper-call ;
\ One line for the kernel's log: shown on the console, and kept for the monitor's `dmesg`.
: debug.log ( text -- result )
    1 88 8 vesper-function vesper-call ;
\ Opens the monitor. Returns when the operator says `go`.
: debug.enter ( -- result )
    0 88 12 vesper-function vesper-call ;
\ Shows memory on the console, 16 bytes a row, as numbers and text. INVALID: over 65536 bytes.
\ NOT_FOUND: nothing readable is there.
: debug.dump ( address bytes -- result )
    2 88 16 vesper-function vesper-call ;
\ The return addresses above the caller, as far as frame pointers lead. Returns how many.
: debug.backtrace ( into most -- result )
    2 88 20 vesper-function vesper-call ;
\ The name of the function at an address, with an offset: "main+0x12". Returns the length of the
\ text, without its NUL, cut to fit. NOT_FOUND: neither the kernel's nor a loaded symbol.
: debug.symbol ( address into bytes -- result )
    3 88 24 vesper-function vesper-call ;
\ Has each access to a device's registers logged, or no longer (0): by the name of a device, "all".
\ NOT_FOUND.
: debug.trace ( device on -- result )
    2 88 28 vesper-function vesper-call ;
\ Stops the payload when it executes an address, or writes or accesses 1, 2 or 4 bytes there.
\ Returns a handle. BUSY: the CPU has four, and all are in use. INVALID: not aligned.
: debug.break_at ( address access bytes -- result )
    3 88 32 vesper-function vesper-call ;
\ Removes it. NOT_FOUND.
: debug.remove_break ( breakpoint -- result )
    1 88 36 vesper-function vesper-call ;
\ The index-th thing that the kernel counts. NOT_FOUND: no more.
: debug.counter ( index counter -- result )
    2 88 40 vesper-function vesper-call ;

\ ---- the struct -------------------------------------------------------------------------------
\ 0x0c: VESPER_MAGIC, without a NUL
: vesper.magic ( address -- address ) 12 + ;
\ 0x10: VESPER_VERSION
: vesper.version ( address -- address ) 16 + ;
\ 0x14: of this struct, in bytes
: vesper.size ( address -- address ) 20 + ;
\ 0x18: first byte after the loaded image, and
: vesper.arena_start ( address -- address ) 24 + ;
\ 0x1c: behind the last of the payload's memory
: vesper.arena_end ( address -- address ) 28 + ;
\ 0x20: words of the command line that the kernel does not know, and all that follows `args=`; "" if
\ there are none
: vesper.args ( address -- address ) 32 + ;
\ 0x24
: vesper.console ( address -- address ) 36 + ;
\ 0x28
: vesper.input ( address -- address ) 40 + ;
\ 0x2c
: vesper.block ( address -- address ) 44 + ;
\ 0x30
: vesper.file ( address -- address ) 48 + ;
\ 0x34
: vesper.display ( address -- address ) 52 + ;
\ 0x38
: vesper.net ( address -- address ) 56 + ;
\ 0x3c
: vesper.time ( address -- address ) 60 + ;
\ 0x40
: vesper.memory ( address -- address ) 64 + ;
\ 0x44
: vesper.device ( address -- address ) 68 + ;
\ 0x48
: vesper.interrupt ( address -- address ) 72 + ;
\ 0x4c
: vesper.audio ( address -- address ) 76 + ;
\ 0x50
: vesper.random ( address -- address ) 80 + ;
\ 0x54
: vesper.power ( address -- address ) 84 + ;
\ 0x58
: vesper.debug ( address -- address ) 88 + ;
92 constant /vesper
\ 0x00: Writes one character; only the low 8 bits count. May be called from a hook.
: vesper.emit ( c -- )
    1 vesper 0 + @ vesper-call drop ;
\ 0x04: Waits for a key, and returns it. INTERRUPTED.
: vesper.key ( -- result )
    0 vesper 4 + @ vesper-call ;
\ 0x08: The next key, or -1 at once. May be called from a hook.
: vesper.keyq ( -- result )
    0 vesper 8 + @ vesper-call ;
