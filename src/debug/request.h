// SPDX-License-Identifier: BSD-2-Clause
// How running code is asked to stop (Ctrl-Alt-Esc, a serial line's break, the API), and where it
// then does.
#pragma once

namespace debug {

// Stops the payload and opens the monitor as soon as can be: at the end of the outermost interrupt,
// at the next stop_point(), or where the present call of the API returns to the payload. Without
// effect while none starts or runs, or it is stopped already. From anywhere, interrupt handlers
// too.
void request_break();
extern bool payload_starts;  // one is about to: who saw that may ask for a stop already

// For waits that may be long, at a place where nothing is half done: stops here if asked to.
void stop_point();

// Told of Ctrl-C and of Ctrl-Break (as codes of include/vesper.h) before they are queued as keys;
// from an interrupt handler or a poll. True: the key is used up. Null: nobody wants to know.
extern bool (*on_break_key)(int code);

// Has the payload's hook for breaks called, where request_break() would stop it. False: no payload
// runs, or it is stopped.
bool request_payload_break();
bool payload_break_is_wanted();  // it has not been called yet: waits end with `interrupted`

}  // namespace debug
