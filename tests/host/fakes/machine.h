// SPDX-License-Identifier: BSD-2-Clause
// The fake machine of the host tests: ports, memory and PCI functions with fake devices in them,
// time that passes only while somebody waits, interrupts, a log and a trace that can be read.
//
//   FakeMachine machine;                  // resets everything
//   machine.ports(0x3f8, 8, uart);        // plug a FakeDevice in
//   ASSERT_TRUE(machine.attach(com));     // offer the driver what its matches name
//   machine.interrupt(4);
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "fakes/heap.h"
#include "hal/driver.h"

class FakeMachine {
public:
    FakeMachine();
    ~FakeMachine();
    FakeMachine(const FakeMachine&) = delete;

    void ports(uint16_t base, uint16_t count, FakeDevice& device);
    void memory(uint64_t base, uint64_t bytes, FakeDevice& device);
    // A PCI function's configuration space, 256 bytes, all zeros but what is set here.
    std::vector<uint8_t>& pci(uint8_t bus, uint8_t device, uint8_t function);
    // How large a base address register says it is, by its place in a configuration space; others
    // keep whatever is written.
    std::map<const uint8_t*, uint32_t> bar_bytes;

    // The frame buffer that the loader hands over, if any.
    const Framebuffer* framebuffer = nullptr;

    // Offers the driver the frame buffer, each PCI function that it matches, then each of its ISA
    // matches, as the kernel does. Errors: not_found (it took none).
    Result<void> attach(const Driver& driver);

    void interrupt(unsigned line);  // calls the handlers that drivers connected
    bool connected(unsigned line) const { return handlers.contains(line); }
    // What a device writes instead of raising its line. False: nobody has connected that.
    bool message(uint32_t address, uint32_t data);
    bool has_messages = false;  // a local APIC: else there are lines only
    int most_messages = 15;

    FakeHeap heap;  // what the kernel's code allocates lives as long as the machine

    // Called at each step of a wait, after the clock has moved: a fake device finishes its work
    // here.
    std::function<void()> on_wait;
    bool interrupts_work = true;  // false: halt() only passes time
    uint64_t now_us = 0;
    size_t largest_run = SIZE_MAX;  // bytes that dma_run() finds together; 0: out of reach

    std::vector<std::string> log, trace;
    bool logged(const std::string& part) const;  // some line contains it
    std::vector<int> keys;                       // what key_pressed() was called with
    int breaks = 0;                              // how often break_pressed() was called
    // Memory by the address that a fake device was given (dma_run, allocate_dma).
    std::byte* at(uint32_t address, size_t bytes);

    // ---- used by the fake hal
    struct Range {
        uint64_t base, bytes;
        FakeDevice* device;
    };
    std::vector<Range> port_ranges, memory_ranges;
    std::map<uint32_t, std::vector<uint8_t>> functions;
    struct Handler {
        hal::InterruptHandler call;
        void* context;
        const char* owner;
        const Device* device;
    };
    std::multimap<unsigned, Handler> handlers;
    std::map<uint32_t, Handler> messages;  // by what is written
    struct Mapping {
        uint32_t address;
        std::byte* data;
        size_t bytes;
    };
    std::vector<Mapping> mappings;
    std::vector<std::unique_ptr<std::byte[]>> dma_memory;
    uint32_t next_address = 0x100000;
    std::function<void(const std::string&)> on_trace;  // called for each line of the trace
    bool trace_waits = false;                          // nothing of the trace is shown
};

extern FakeMachine* fake_machine;  // the one that lives now
