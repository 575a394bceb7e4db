// SPDX-License-Identifier: BSD-2-Clause
// What drivers publish and the rest of the kernel sees: one small interface per class of device,
// and a registry of those that were found, by NetBSD's names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include "hal/result.h"
#include "hal/time.h"
#include "lib/format.h"

class BlockDevice;
class Device;

// One piece of work for a block device. The caller fills in the first part and keeps request and
// data until it is done.
struct BlockRequest {
    enum class Operation : uint8_t { read, write, flush, discard } operation = Operation::read;
    uint64_t first = 0;         // block
    uint32_t count = 0;         // blocks
    std::byte* data = nullptr;  // where to or from; count * block_bytes, of any alignment
    bool more = false;          // others follow at once: the device need not look before

    bool done = false;
    Result<void> result;  // once done

    // The device's, until done.
    uint64_t position = 0;  // `first` of the whole disk
    BlockRequest* next = nullptr;
    BlockDevice* device = nullptr;  // that has it, and how far it is: see block/queued_disk.h
    uint32_t started = 0, under_way = 0;
};

// Who keeps copies of a disk's blocks, as the block cache does. Numbers are those of the whole
// disk.
class BlockCopies {
public:
    // These blocks have been read into `data`: what is newer than the medium goes there. Or they
    // have been written, and hold `data`; null: nobody knows what they hold.
    virtual void agree(bool written, uint64_t first, uint32_t count, std::byte* data) = 0;

    BlockCopies* next = nullptr;

protected:
    ~BlockCopies() = default;
};

// A disk or a partition, in blocks of its own size.
class BlockDevice {
public:
    // Blocks first ... first + count - 1, whole; count may be as large as the device. `into` has
    // any alignment. Errors: invalid (beyond the end), device, timed_out, gone (from then on, each
    // call), read_only, unsupported. What caches hold of the blocks, and the medium does not yet,
    // is read too; what is written they learn.
    Result<void> read(uint64_t first, uint32_t count, std::byte* into);
    Result<void> write(uint64_t first, uint32_t count, const std::byte* from);
    // What was written is on the medium, not in the device's cache.
    Result<void> flush();
    // The blocks are not needed any more; what they hold is undefined. Errors: unsupported.
    Result<void> discard(uint64_t first, uint32_t count);

    // The same, without waiting for it: submit() checks, and hands the request to the device; it is
    // done at once if it was invalid, else in some poll() or wait(): never from an interrupt.
    // Requests may be done in any order; a flush covers what was done before it was submitted.
    // A device whose driver has nothing of its own does one at each poll(), and all of that one.
    void submit(BlockRequest& request);
    void poll();
    // Errors: timed_out (it is still the device's), and request.result.
    Result<void> wait(BlockRequest& request, hal::Duration limit);
    // Ends all requests, of its partitions too: what has not begun fails with timed_out.
    void cancel();

    // Where the medium can be removed: looks which one is in the device; `blocks` follows. What is
    // beyond the end of the last one looked at does that too. A transfer that meets another medium
    // than that fails with not_found. Errors: not_found (there is none), and those of read().
    virtual Result<void> look_for_medium() { return {}; }
    virtual Result<void> eject() { return Error::unsupported; }
    virtual Result<void> load() { return Error::unsupported; }
    // Asks a CD drive for the block where the last session begins; 0: it does not say.
    virtual uint64_t last_session() { return 0; }

    Text<16> name;                  // "wd0", "wd0a": set when it is published
    Text<48> model;                 // as the device says; a partition's type
    uint64_t blocks = 0;            // its size
    uint32_t block_bytes = 512;     // a power of two, 512 ... 4096
    uint32_t largest_transfer = 0;  // blocks that it takes at once; more is done in pieces. 0: any
    bool read_only = false;
    bool removable = false, rotational = false;
    bool is_volume = false;         // a CD: it has a file system, whatever partitions it has
    bool gone = false;              // it has been removed: see is_gone()
    bool withdrawn = false;         // its driver no longer has it
    unsigned medium = 0;            // counts those that were in it; a partition is of one of them
    std::span<std::byte> memory;    // a disk in memory: all of it lies there
    BlockDevice* whole = nullptr;   // the disk that a partition is part of
    uint64_t first_block = 0;       // where on it
    BlockCopies* copies = nullptr;  // of a whole disk: a list
    const Device* owner = nullptr;
    BlockDevice* next = nullptr;  // in the registry

    BlockDevice& disk() { return whole ? *whole : *this; }
    bool is_gone() const
    {
        return gone || withdrawn || (whole && (whole->is_gone() || whole->medium != medium));
    }

protected:
    virtual Result<void> read_blocks(uint64_t first, uint32_t count, std::byte* into) = 0;
    virtual Result<void> write_blocks(uint64_t first, uint32_t count, const std::byte* from) = 0;
    virtual Result<void> flush_blocks() = 0;
    virtual Result<void> discard_blocks(uint64_t first, uint32_t count);

    // For drivers that have several requests in flight. begin() takes one whose range is right;
    // advance() looks what has come to an end, never waits, and calls finish() for it; abandon()
    // stops the device and finishes all. Without these, requests queue for the calls above.
    virtual void begin(BlockRequest& request);
    virtual void advance();
    virtual void abandon();
    void finish(BlockRequest& request, Result<void> result);

    ~BlockDevice() = default;

private:
    bool has(uint64_t first, uint32_t count) const
    {
        return first <= blocks && count <= blocks - first;
    }
    Result<void> check(BlockRequest::Operation operation, uint64_t first, uint32_t count);
    Result<void> perform(BlockRequest::Operation operation, uint64_t first, uint32_t count,
                         std::byte* data);
    Result<void> ended(BlockRequest::Operation operation, uint64_t first, uint32_t count,
                       std::byte* data, Result<void> result);

    bool perform_next();

    BlockRequest* queue_ = nullptr;  // of those that the driver did not take
};

// A controller whose disks come and go.
class HotPlug {
public:
    // Gives up what has gone, and attaches what has come; may wait for it. For who asks for disks:
    // look_for_disks() in block/partitions.h asks all.
    virtual void look() = 0;

    const Device* owner = nullptr;
    HotPlug* next = nullptr;

protected:
    ~HotPlug() = default;
};

// A linear frame buffer that the boot loader handed over.
struct Framebuffer {
    uint64_t address = 0;  // physical
    uint32_t pitch = 0;    // bytes from one line to the next
    uint32_t width = 0, height = 0;
    uint8_t bits_per_pixel = 0;  // 15, 16, 24 or 32
    struct Channel {
        uint8_t position, bits;
    } red = {}, green = {}, blue = {};
};

// A file that the boot loader loaded beside the kernel.
struct BootModule {
    uint64_t start = 0, bytes = 0;
    Text<64> name;
};

// A place that text goes to. Colours are those of VGA text: attribute = background << 4 |
// foreground.
class TextOutput {
public:
    static constexpr uint8_t default_attribute = 0x07;

    // Text as a terminal takes it: printable ASCII, \n (also returns to column 0), \r, \b, \t.
    virtual void write(std::string_view text) = 0;
    virtual void put(char c) { write({&c, 1}); }

    // The character cells; 0 columns where there are none and the calls below do nothing.
    unsigned columns = 0, rows = 0;
    // Cells from this one on, in one row: attribute << 8 | character. What is beyond the row's end
    // is left out; the cursor stays.
    virtual void put_cells(unsigned column, unsigned row, std::span<const uint16_t> cells);
    void put_cell(unsigned column, unsigned row, char c, uint8_t attribute)
    {
        auto cell = static_cast<uint16_t>(attribute << 8 | static_cast<uint8_t>(c));
        put_cells(column, row, {&cell, 1});
    }
    struct Position {
        unsigned column, row;
    };
    virtual void move_cursor(unsigned column, unsigned row);
    virtual Position cursor() const;  // column == columns: the next character begins a line
    virtual void show_cursor(bool shown);
    virtual void set_attribute(uint8_t attribute);  // for write()
    virtual void clear();            // all cells, also those outside the scrolling region
    virtual void scroll(int lines);  // the region: up if positive; the cursor stays
    // Only rows top ... bottom - 1 scroll; two at least.
    virtual void set_scroll_region(unsigned top, unsigned bottom);

    Text<16> name;
    bool enabled = true;  // `console=` turns others off
    bool seen = false;    // the console has it
    const Device* owner = nullptr;
    TextOutput* next = nullptr;

protected:
    ~TextOutput() = default;
};

// A keyboard, a mouse, or a line with a terminal. It also does the work of poll() in its interrupt
// handler. Keyboards and pointers stand on console/input.h.
class InputDevice {
public:
    virtual void poll() = 0;  // looks whether something has arrived; never waits

    enum class Kind : uint8_t { line, keyboard, pointer } kind = Kind::line;
    Text<16> name;
    std::string_view model;  // for people; "" if nothing is known
    bool enabled = true;     // `console=` turns others off; never a pointer
    bool seen = false;
    const Device* owner = nullptr;
    InputDevice* next = nullptr;

protected:
    ~InputDevice() = default;
};

// A place that keys come from.
class KeyInput : public InputDevice {
protected:
    ~KeyInput() = default;
};

// Called for each key that means something, with the code that include/vesper.h documents. Never
// waits.
void key_pressed(const KeyInput& from, int code);

// The operator wants the monitor, whatever runs: Ctrl-Alt-Esc, a serial line's break. Never waits.
void break_pressed(const KeyInput& from);

// A serial line, byte by byte. It has the name of the terminal that is expected at its other end,
// which `gdb=NAME` keeps the console away from.
class SerialPort {
public:
    // The next byte that has arrived, -1 if there is none. Never waits. Damaged ones are left out.
    virtual int receive() = 0;
    // Waits until the port has taken all of it. Errors: timed_out (it does not: the rest is lost).
    virtual Result<void> transmit(std::string_view bytes) = 0;
    // Instead of what else is done with what arrives: called from the interrupt handler, or when
    // somebody polls the terminal; it reads. Null: as it was.
    void on_arrival(void (*function)(void* context), void* context)
    {
        context_ = context;
        arrived_ = function;
    }
    bool is_taken() const { return arrived_; }  // by on_arrival()

    Text<16> name;
    SerialPort* next = nullptr;
    const Device* owner = nullptr;

protected:
    bool tell_arrival() const
    {
        if (arrived_) arrived_(context_);
        return arrived_;
    }
    ~SerialPort() = default;

private:
    void (*arrived_)(void* context) = nullptr;
    void* context_ = nullptr;
};

// A clock that goes on while the machine is off.
struct CalendarTime {
    uint32_t year;       // 1970 ...
    uint8_t month, day;  // from 1
    uint8_t hour, minute, second;

    bool valid() const;            // such a day and time exist; seconds are 0 ... 59
    int64_t unix_seconds() const;  // taking it as UTC
    unsigned weekday() const;      // 0: Sunday ... 6: Saturday
    // Errors: invalid (before 1970, or 2^31 days or more after it began).
    static Result<CalendarTime> of(int64_t unix_seconds);
};
class CalendarClock {
public:
    // Errors: timed_out, corrupt (it holds no valid time: it was never set, or its battery is
    // empty).
    virtual Result<CalendarTime> now() = 0;
    // Sets it, and looks whether it goes on from there. Errors: invalid (no such time, or a year
    // that it cannot hold), device (it did not take it), and those of now().
    virtual Result<void> set(const CalendarTime& time) = 0;

    Text<16> name;
    const Device* owner = nullptr;
    CalendarClock* next = nullptr;

protected:
    ~CalendarClock() = default;
};

// What can switch the machine off, or start it anew. Both return only on failure, with a line in
// the log. Errors: not_found (not with this machine), corrupt, unsupported, timed_out (done, but
// the machine went on).
class PowerControl {
public:
    virtual Result<void> off() = 0;
    virtual Result<void> reset() = 0;
    // Whether the power button was pressed since the last call. The first call takes the button
    // over from the firmware, which would switch the machine off. Errors: those of off().
    virtual Result<bool> button_pressed() = 0;

    Text<16> name;
    const Device* owner = nullptr;
    PowerControl* next = nullptr;

protected:
    ~PowerControl() = default;
};

// A device that makes random bits.
class RandomSource {
public:
    // Fills all of it. Errors: timed_out, device, gone.
    virtual Result<void> read(std::span<std::byte> into) = 0;

    Text<16> name;
    const Device* owner = nullptr;
    RandomSource* next = nullptr;

protected:
    ~RandomSource() = default;
};

// A way to a file server. One message at a time goes there, and its answer comes back.
class MessageChannel {
public:
    struct Message {
        std::span<const std::byte> request, from;  // sent, one behind the other
        std::span<std::byte> reply, into;          // filled with the answer, likewise
    };
    // Returns how many bytes the answer has. Errors: unsupported (the device cannot reach `from` or
    // `into`; nothing was sent). Others have been logged, and the server may have forgotten all
    // that it had been told: timed_out, device, gone, no_memory.
    virtual Result<uint32_t> exchange(const Message& message) = 0;

    Text<16> name;
    Text<64> tag;  // what the server calls that which it shares; may be empty
    const Device* owner = nullptr;
    MessageChannel* next = nullptr;

protected:
    ~MessageChannel() = default;
};

// The registry. publish() gives the next free name of the kind ("wd" -> "wd1").
void publish(BlockDevice& device, std::string_view kind);
void publish_as(BlockDevice& device, std::string_view name);
void publish(HotPlug& controller);
void publish(TextOutput& output, std::string_view kind);
void publish(InputDevice& input, std::string_view kind);
void publish(SerialPort& port, std::string_view kind);
void publish(CalendarClock& clock, std::string_view kind);
void publish(PowerControl& control, std::string_view kind);
void publish(RandomSource& source, std::string_view kind);
void publish(MessageChannel& channel, std::string_view kind);
BlockDevice* first_block_device();
HotPlug* first_hot_plug();
TextOutput* first_text_output();
InputDevice* first_input_device();
SerialPort* first_serial_port();
CalendarClock* first_calendar_clock();
PowerControl* first_power_control();
RandomSource* first_random_source();
MessageChannel* first_message_channel();
// Takes back what the driver of this device has published: block devices stay in the list,
// withdrawn.
void withdraw(const Device& owner);
BlockDevice* find_block_device(std::string_view name);  // null if there is none
