// SPDX-License-Identifier: BSD-2-Clause
// How running code is asked to stop (Ctrl-Alt-Esc, a serial line's break, the API), and where it
// then does.
#pragma once

namespace debug {

// Stops the payload and opens the monitor as soon as can be: at the end of the outermost interrupt,
// at the next stop_point(), or where the present call of the API returns to the payload. Without
// effect while none runs or it is stopped already. From anywhere, interrupt handlers too.
void request_break();

// For waits that may be long, at a place where nothing is half done: stops here if asked to.
void stop_point();

// Told of Ctrl-C and of Ctrl-Break (as codes of include/vesper.h) before they are queued as keys;
// from an interrupt handler or a poll. Null: nobody wants to know.
extern void (*on_break_key)(int code);

}  // namespace debug
