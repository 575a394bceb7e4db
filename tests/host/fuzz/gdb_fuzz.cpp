// SPDX-License-Identifier: BSD-2-Clause
// gdb's remote side, whatever arrives: the input is the line's bytes, 0xff a silence. What follows
// a resumption is the next stop.
#include "fakes/gdb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    FakeLine line;
    FakeTarget target;
    gdb::Stub stub(line, target);
    gdb::Registers registers;
    for (size_t i = 0; i < size; ++i) line.arriving.push_back(data[i] == 0xff ? -1 : data[i]);
    gdb::Stop stop = {gdb::Signal::segment};
    do {
        stub.patches.lift_all(target);
        stub.serve(stop, registers);
        stub.patches.write_all(target);
        stop.at_point = !stop.at_point;
    } while (!line.arriving.empty());
    stub.patches.lift_all(target);

    // All that was sent are acknowledgements and whole packets of at most the size that it tells.
    for (size_t at = 0; at < line.sent.size();) {
        if (line.sent[at] == '+' || line.sent[at] == '-') {
            ++at;
            continue;
        }
        size_t end = line.sent.find('#', at);
        if (line.sent[at] != '$' || end == line.sent.npos || end + 3 > line.sent.size()) abort();
        std::string body = line.sent.substr(at + 1, end - at - 1);
        if (body.size() > gdb::Stub::packet_bytes) abort();
        if (packet(body) != line.sent.substr(at, end + 3 - at)) abort();
        at = end + 3;
    }
    return 0;
}
