// SPDX-License-Identifier: BSD-2-Clause
#include "hal/result.h"

const char* error_text(Error error)
{
    switch (error) {
    case Error::not_found: return "not found";
    case Error::timed_out: return "the device did not answer in time";
    case Error::device: return "the device reported an error";
    case Error::gone: return "the device has been removed";
    case Error::corrupt: return "the data is damaged";
    case Error::unsupported: return "not supported";
    case Error::invalid: return "invalid argument";
    case Error::no_space: return "no space left";
    case Error::no_memory: return "out of memory";
    case Error::busy: return "busy";
    case Error::read_only: return "read-only";
    case Error::exists: return "exists already";
    case Error::too_large: return "too large";
    case Error::not_directory: return "not a directory";
    case Error::is_directory: return "is a directory";
    case Error::not_empty: return "not empty";
    case Error::interrupted: return "interrupted by a break";
    }
    return error == Error{} ? "no error" : "unknown error";
}
