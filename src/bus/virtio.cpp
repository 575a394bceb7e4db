// SPDX-License-Identifier: BSD-2-Clause
#include "bus/virtio.h"
#include <algorithm>
#include <bit>
#include "bus/msi.h"

namespace virtio {

using namespace hal;

namespace {

namespace modern {  // 4.1.4.3, the common configuration structure
struct DeviceFeatureSelect : Register<DeviceFeatureSelect, 0x00> {};
struct DeviceFeature : Register<DeviceFeature, 0x04> {};
struct DriverFeatureSelect : Register<DriverFeatureSelect, 0x08> {};
struct DriverFeature : Register<DriverFeature, 0x0c> {};
struct ConfigMsixVector : Register<ConfigMsixVector, 0x10, uint16_t> {};
struct QueueSelect : Register<QueueSelect, 0x16, uint16_t> {};
struct QueueSize : Register<QueueSize, 0x18, uint16_t> {};
struct QueueMsixVector : Register<QueueMsixVector, 0x1a, uint16_t> {};
struct QueueEnable : Register<QueueEnable, 0x1c, uint16_t> {};
struct QueueNotifyOff : Register<QueueNotifyOff, 0x1e, uint16_t> {};
struct QueueDescLow : Register<QueueDescLow, 0x20> {};
struct QueueDescHigh : Register<QueueDescHigh, 0x24> {};
struct QueueDriverLow : Register<QueueDriverLow, 0x28> {};
struct QueueDriverHigh : Register<QueueDriverHigh, 0x2c> {};
struct QueueDeviceLow : Register<QueueDeviceLow, 0x30> {};
struct QueueDeviceHigh : Register<QueueDeviceHigh, 0x34> {};
constexpr uint32_t bytes = 0x38, device_status = 0x14;
}  // namespace modern

namespace legacy {  // 4.1.4.10
struct DeviceFeatures : Register<DeviceFeatures, 0x00> {};
struct DriverFeatures : Register<DriverFeatures, 0x04> {};
struct QueueAddress : Register<QueueAddress, 0x08> {};  // in pages
struct QueueSize : Register<QueueSize, 0x0c, uint16_t> {};
struct QueueSelect : Register<QueueSelect, 0x0e, uint16_t> {};
struct ConfigMsixVector : Register<ConfigMsixVector, 0x14, uint16_t> {};  // while MSI-X is on
struct QueueMsixVector : Register<QueueMsixVector, 0x16, uint16_t> {};
constexpr unsigned queue_notify = 0x10, device_status = 0x12, isr_status = 0x13;
constexpr unsigned configuration = 0x14, configuration_behind_msix = 0x18;
}  // namespace legacy

// Both interfaces have these, in places of their own.
struct DeviceStatus : Register<DeviceStatus, 0, uint8_t> {  // 2.1
    struct Acknowledge : Field<Acknowledge, 0> {};
    struct Driver : Field<Driver, 1> {};
    struct DriverOk : Field<DriverOk, 2> {};
    struct FeaturesOk : Field<FeaturesOk, 3> {};
    struct NeedsReset : Field<NeedsReset, 6> {};
    struct Failed : Field<Failed, 7> {};
    static constexpr uint8_t gone = 0xff;
};
struct IsrStatus : Register<IsrStatus, 0, uint8_t> {  // 4.1.4.5: reading it ends the interrupt
    struct Queue : Field<Queue, 0> {};
    struct Configuration : Field<Configuration, 1> {};
};
struct QueueNotify : Register<QueueNotify, 0, uint16_t> {};  // 4.1.5.2

namespace capability {  // 4.1.4: where a structure is, in configuration space
constexpr uint8_t id = 0x09, bytes = 16, most = 48;
constexpr unsigned length = 2, type = 3, bar = 4, offset_in_bar = 8, structure_bytes = 12,
                   notify_multiplier = 16;
enum Type : uint8_t { common = 1, notifications = 2, isr = 3, device = 4 };
}  // namespace capability

constexpr uint32_t page = 4096;       // 2.7.2: Queue Align
constexpr uint16_t no_interrupt = 1;  // 2.7.6: flags of the available ring
constexpr uint16_t no_notify = 1;     // 2.7.8: flags of the used ring
constexpr uint16_t queue_message = 0, configuration_message = 1;  // of MSI-X
constexpr uint8_t msix_capability = 0x11;
constexpr uint16_t is_continued = 1, is_written = 2;  // 2.7.5: flags of a descriptor
constexpr Duration reset_limit = 1_s;                 // the specification gives none

Window part_of(Window window, unsigned offset)
{
    window.base += offset;
    return window;
}

}  // namespace

// ---- queues

struct Queue::Descriptor {  // 2.7.5
    uint32_t address, address_high, bytes;
    uint16_t flags, next;
};
struct Queue::Available {  // 2.7.6; what follows is the ring
    uint16_t flags, index;
};
struct Queue::Finished {  // 2.7.8: an entry of the used ring, which begins as the available one
    uint32_t chain, bytes;
};

// 2.7.2: the layout that a legacy device wants is one that a modern one takes.
uint32_t Queue::available_at() const { return size_ * uint32_t{sizeof(Descriptor)}; }
uint32_t Queue::used_at() const
{
    uint32_t end = available_at() + 6 + size_ * 2u;
    return (end + page - 1) & ~(page - 1);
}

Result<void> Queue::lay_out(const char* owner, unsigned index, unsigned size)
{
    owner_ = owner;
    index_ = static_cast<uint16_t>(index);
    size_ = static_cast<uint16_t>(size);
    if (size > allocated_) {  // DMA memory is for ever: a queue that shrinks keeps it
        memory_ = TRY(allocate_dma(used_at() + 6 + size * sizeof(Finished), page));
        delete[] chains_;
        allocated_ = 0;
        chains_ = new (std::nothrow) Chain[size];
        if (!chains_) return Error::no_memory;
        allocated_ = size_;
    }
    std::fill_n(memory_.data, memory_.bytes, std::byte{0});
    for (unsigned i = 0; i < size; ++i) chains_[i] = {.next = static_cast<uint16_t>(i + 1)};
    free_ = size_;
    first_free_ = next_used_ = 0;
    told_ = interrupt_at_ = 0;
    broken_ = false;
    return {};
}

Result<uint16_t> Queue::add(std::span<const Piece> pieces)
{
    if (pieces.empty() || pieces.size() > size_) return Error::invalid;
    if (pieces.size() > free_) return Error::busy;
    auto* descriptors = reinterpret_cast<Descriptor*>(memory_.data);
    uint16_t head = first_free_;
    chains_[head].writable = 0;
    chains_[head].pieces = static_cast<uint16_t>(pieces.size());
    for (const Piece& piece : pieces) {
        uint16_t here = first_free_, next = chains_[here].next;
        bool last = &piece == &pieces.back();
        auto flags = (last ? 0 : is_continued) | (piece.device_writes ? is_written : 0);
        descriptors[here] = {piece.address, 0, piece.bytes, static_cast<uint16_t>(flags),
                             last ? uint16_t{0} : next};
        trace_dma(owner_, "descriptor", piece.address, piece.bytes);
        if (piece.device_writes || counts_all) chains_[head].writable += piece.bytes;
        first_free_ = next;
    }
    free_ = static_cast<uint16_t>(free_ - pieces.size());
    auto* available = reinterpret_cast<Available*>(memory_.data + available_at());
    auto* ring = reinterpret_cast<uint16_t*>(available + 1);
    uint16_t at = available->index;
    ring[at & (size_ - 1)] = head;
    // 2.7.13.3: the device sees all of the above before it sees this.
    __atomic_store_n(&available->index, static_cast<uint16_t>(at + 1), __ATOMIC_SEQ_CST);
    return head;
}

void Queue::notify() const { notify_.write<QueueNotify>(index_); }

// 2.7.10: behind the used ring the device says from which chain on it wants to be told.
void Queue::ring()
{
    auto index = reinterpret_cast<const Available*>(memory_.data + available_at())->index;
    auto* used = reinterpret_cast<const volatile uint16_t*>(memory_.data + used_at());
    auto fresh = static_cast<uint16_t>(index - told_);
    told_ = index;
    uint16_t event = used[(sizeof(Available) + size_ * sizeof(Finished)) / sizeof *used];
    if (event_index_ ? static_cast<uint16_t>(index - event - 1) < fresh : !(*used & no_notify))
        notify();
}

// 2.7.8: behind the available ring the driver says at which chain it wants an interrupt.
volatile uint16_t& Queue::used_event() const
{
    return reinterpret_cast<volatile uint16_t*>(memory_.data + available_at())[2 + size_];
}

// Asks for an interrupt before it says that there is nothing.
bool Queue::has_news(uint16_t& index)
{
    auto* used = reinterpret_cast<const Available*>(memory_.data + used_at());
    index = __atomic_load_n(&used->index, __ATOMIC_ACQUIRE);
    if (index != next_used_ || !event_index_ || interrupt_at_ == next_used_)
        return index != next_used_;
    interrupt_at_ = next_used_;
    __atomic_store_n(&used_event(), next_used_, __ATOMIC_SEQ_CST);
    index = __atomic_load_n(&used->index, __ATOMIC_SEQ_CST);
    return index != next_used_;
}

Error Queue::bad(std::string_view what, uint32_t value)
{
    broken_ = true;
    return fail(Error::device, "{}: queue {}: the used ring has {} {}", owner_, index_, what,
                value);
}

Result<bool> Queue::take(Used& used)
{
    if (broken_) return Error::device;
    uint16_t index = 0;
    if (!has_news(index)) return false;
    auto* begin = memory_.data + used_at();
    auto finished = static_cast<uint16_t>(index - next_used_);
    if (finished > size_ - free_) return bad("index", index);  // more than are under way
    auto* ring = reinterpret_cast<const volatile Finished*>(begin + sizeof(Available));
    const auto& entry = ring[next_used_ & (size_ - 1)];
    uint32_t head = entry.chain, bytes = entry.bytes;
    if (head >= size_ || chains_[head].pieces == 0) return bad("descriptor", head);
    if (bytes > chains_[head].writable) return bad("length", bytes);
    auto last = static_cast<uint16_t>(head);
    for (unsigned i = 1; i < chains_[head].pieces; ++i) last = chains_[last].next;
    free_ = static_cast<uint16_t>(free_ + chains_[head].pieces);
    chains_[last].next = first_free_;
    first_free_ = static_cast<uint16_t>(head);
    chains_[head].pieces = 0;
    ++next_used_;
    used = {static_cast<uint16_t>(head), bytes};
    return true;
}

// ---- finding the registers

struct Transport::Structure {
    Window window;
    uint32_t bytes = 0;
    unsigned capability = 0;
};

Result<Transport::Structure> Transport::structure_at(unsigned at, uint32_t least) const
{
    const PciFunction& pci = device_.pci();
    auto bar = pci.read<uint8_t>(at + capability::bar);
    auto offset = pci.read<uint32_t>(at + capability::offset_in_bar);
    auto bytes = pci.read<uint32_t>(at + capability::structure_bytes);
    uint32_t room = TRY(device_.measure_bar(bar)).bytes;
    if (bytes < least || offset > room || bytes > room - offset) return Error::corrupt;
    return Structure{part_of(TRY(device_.bar(bar)), offset), bytes, at};
}

// 4.1.4.1: the first instance that can be used.
Result<Transport::Structure> Transport::structure(uint8_t type, uint32_t least) const
{
    const PciFunction& pci = device_.pci();
    unsigned at = 0;
    for (unsigned i = 0; i < capability::most; ++i) {
        at = pci.capability(capability::id, at);
        if (at == 0) break;
        unsigned needed = capability::bytes + (type == capability::notifications ? 4 : 0);
        if (at + needed > 256 || pci.read<uint8_t>(at + capability::length) < needed) continue;
        if (pci.read<uint8_t>(at + capability::type) != type) continue;
        if (auto found = structure_at(at, least)) return found;
    }
    return Error::not_found;
}

Result<void> Transport::open_modern()
{
    auto common = TRY(structure(capability::common, modern::bytes));
    auto notify = TRY(structure(capability::notifications, 2));
    auto isr = TRY(structure(capability::isr, 1));
    auto configuration = structure(capability::device, 1);
    legacy_ = false;
    common_ = Registers(common.window);
    status_ = Registers(part_of(common.window, modern::device_status));
    interrupt_status_ = Registers(isr.window);
    if (configuration) configuration_ = Registers(configuration.value().window);
    notify_ = notify.window;
    notify_bytes_ = notify.bytes;
    notify_multiplier_ =
        device_.pci().read<uint32_t>(notify.capability + capability::notify_multiplier);
    return {};
}

Result<void> Transport::open_legacy()
{
    constexpr unsigned revision = 0;  // 4.1.2.3; a modern device has no legacy interface
    auto bar = TRY(device_.measure_bar(0));
    if (!bar.ports || bar.bytes < legacy::configuration || device_.pci().revision() != revision)
        return Error::not_found;
    Window ports = TRY(device_.bar(0));
    legacy_ = true;
    common_ = Registers(ports);
    status_ = Registers(part_of(ports, legacy::device_status));
    interrupt_status_ = Registers(part_of(ports, legacy::isr_status));
    configuration_ = Registers(part_of(ports, legacy::configuration));
    notify_ = part_of(ports, legacy::queue_notify);
    return {};
}

Result<void> Transport::open(InterruptHandler handler, void* context)
{
    const char* name = device_.name();
    msi::disable(device_);  // it would take the line away, and move legacy registers
    if (!open_modern() && !open_legacy())
        return fail(Error::unsupported, "{}: no virtio interface that can be reached", name);
    opened_ = true;
    TRY(reset());
    handler_ = handler;
    context_ = context;
    connect();
    if (!has_interrupt_) log("{}: no interrupt, polled", name);
    return {};
}

// 4.1.5.1.2: MSI-X; devices have no MSI without it.
void Transport::connect()
{
    has_messages_ = device_.pci().capability(msix_capability) &&
                    msi::connect(device_, queue_message, on_message, this);
    has_interrupt_ = has_messages_ || device_.on_interrupt(on_interrupt, this);
    if (has_messages_ && legacy_)
        configuration_ =
            Registers(part_of(notify_, legacy::configuration_behind_msix - legacy::queue_notify));
}

void Transport::watch_configuration()
{
    watches_ = true;
    if (has_messages_ && !msi::connect(device_, configuration_message, on_configuration, this))
        watches_ = false;
}

bool Transport::configuration_changed()
{
    bool changed = changed_;
    changed_ = false;
    return changed;
}

// Whether the device takes it. Of the selected queue.
bool Transport::set_vector(bool of_queue, uint16_t vector) const
{
    if (legacy_) {
        if (of_queue)
            common_.write<legacy::QueueMsixVector>(vector);
        else
            common_.write<legacy::ConfigMsixVector>(vector);
        return vector == (of_queue ? common_.read<legacy::QueueMsixVector>()
                                   : common_.read<legacy::ConfigMsixVector>());
    }
    if (of_queue)
        common_.write<modern::QueueMsixVector>(vector);
    else
        common_.write<modern::ConfigMsixVector>(vector);
    return vector == (of_queue ? common_.read<modern::QueueMsixVector>()
                               : common_.read<modern::ConfigMsixVector>());
}

Transport::~Transport()
{
    disconnect_interrupt(on_interrupt, this);
    disconnect_message(on_message, this);
    disconnect_message(on_configuration, this);
    if (opened_) stop();
    if (has_messages_) msi::disable(device_);
}

void Transport::on_interrupt(void* object)
{
    auto* transport = static_cast<Transport*>(object);
    auto status = transport->interrupt_status_.read<IsrStatus>();
    if (IsrStatus::Configuration::in(status) && transport->running_) transport->changed_ = true;
    if (IsrStatus::Queue::in(status)) on_message(transport);
}

void Transport::on_message(void* object)
{
    auto* transport = static_cast<Transport*>(object);
    if (transport->running_ && transport->handler_) transport->handler_(transport->context_);
}

void Transport::on_configuration(void* object) { static_cast<Transport*>(object)->changed_ = true; }

// ---- starting and stopping

void Transport::add_status(uint8_t bits) const
{
    status_.write<DeviceStatus>(DeviceStatus::raw(status_.read<DeviceStatus>() | bits));
}

Result<void> Transport::check() const
{
    auto status = status_.read<DeviceStatus>();
    if (status == DeviceStatus::gone) return Error::gone;
    if (DeviceStatus::NeedsReset::in(status)) return Error::device;
    // It has forgotten that it was started; or nothing is there, and not even ones are read.
    if (running_ && status == 0)
        return device_.pci().vendor() == 0xffff ? Error::gone : Error::device;
    return {};
}

Result<void> Transport::reset() const  // 2.4, 4.1.4.3.2
{
    status_.write<DeviceStatus>(0);
    uint8_t status = DeviceStatus::gone;
    auto waited = wait_until(
        [&] {
            status = status_.read<DeviceStatus>();
            return status == 0 || status == DeviceStatus::gone;
        },
        reset_limit);
    if (status == DeviceStatus::gone) return fail(Error::gone, "{}: it is gone", device_.name());
    if (!waited)
        return fail(Error::timed_out, "{}: reset does not end (status {02x})", device_.name(),
                    status);
    return {};
}

void Transport::stop()
{
    running_ = false;
    device_.pci().disable(PciFunction::bus_master);
    status_.write<DeviceStatus>(0);  // start() waits until that is done
}

uint64_t Transport::offered_features() const
{
    if (legacy_) return common_.read<legacy::DeviceFeatures>();
    common_.write<modern::DeviceFeatureSelect>(0);
    uint64_t low = common_.read<modern::DeviceFeature>();
    common_.write<modern::DeviceFeatureSelect>(1);
    return low | static_cast<uint64_t>(common_.read<modern::DeviceFeature>()) << 32;
}

Result<uint64_t> Transport::start(uint64_t features)
{
    running_ = false;
    TRY(reset());
    device_.pci().enable(PciFunction::bus_master);
    add_status(DeviceStatus::Acknowledge::mask);
    add_status(DeviceStatus::Driver::mask);
    uint64_t accepted = offered_features() & (features | version_1);
    event_index_ = accepted & event_index;
    if (has_messages_ && watches_) (void)set_vector(false, configuration_message);
    if (legacy_) {  // 3.1.2: there is no FEATURES_OK
        common_.write<legacy::DriverFeatures>(static_cast<uint32_t>(accepted));
        return accepted;
    }
    common_.write<modern::DriverFeatureSelect>(0);
    common_.write<modern::DriverFeature>(static_cast<uint32_t>(accepted));
    common_.write<modern::DriverFeatureSelect>(1);
    common_.write<modern::DriverFeature>(static_cast<uint32_t>(accepted >> 32));
    add_status(DeviceStatus::FeaturesOk::mask);
    bool taken = accepted & version_1 &&  // 6.1
                 DeviceStatus::FeaturesOk::in(status_.read<DeviceStatus>());
    if (check().error() == Error::gone) return Error::gone;
    if (taken) return accepted;
    add_status(DeviceStatus::Failed::mask);
    return fail(Error::unsupported, "{}: the device does not accept features 0x{x}", device_.name(),
                accepted);
}

// 4.1.5.1.3. Selects the queue.
Result<unsigned> Transport::queue_size(unsigned index, unsigned most) const
{
    if (legacy_)
        common_.write<legacy::QueueSelect>(static_cast<uint16_t>(index));
    else
        common_.write<modern::QueueSelect>(static_cast<uint16_t>(index));
    unsigned size = legacy_ ? common_.read<legacy::QueueSize>() : common_.read<modern::QueueSize>();
    TRY(check());
    if (size == 0)
        return fail(Error::unsupported, "{}: there is no queue {}", device_.name(), index);
    if (!std::has_single_bit(size) || size > largest_queue)
        return fail(Error::corrupt, "{}: queue {} has {} descriptors", device_.name(), index, size);
    return legacy_ ? size : std::min(size, most);
}

Result<void> Transport::tell_modern(Queue& queue) const
{
    auto offset = common_.read<modern::QueueNotifyOff>();  // 4.1.4.4
    uint64_t notify_at = uint64_t{offset} * notify_multiplier_;
    if (notify_at + sizeof(QueueNotify::Raw) > notify_bytes_)
        return fail(Error::corrupt, "{}: queue {} is notified at {}", device_.name(), queue.index_,
                    notify_at);
    queue.notify_ = Registers(part_of(notify_, static_cast<unsigned>(notify_at)));
    uint32_t address = queue.memory_.address;
    common_.write<modern::QueueSize>(queue.size_);
    common_.write<modern::QueueDescLow>(address);
    common_.write<modern::QueueDescHigh>(0);
    common_.write<modern::QueueDriverLow>(address + queue.available_at());
    common_.write<modern::QueueDriverHigh>(0);
    common_.write<modern::QueueDeviceLow>(address + queue.used_at());
    common_.write<modern::QueueDeviceHigh>(0);
    common_.write<modern::QueueEnable>(1);
    return {};
}

Result<void> Transport::set_up(Queue& queue, unsigned index, unsigned most)
{
    unsigned size = TRY(queue_size(index, most));
    TRY(queue.lay_out(device_.name(), index, size));
    auto* available =
        reinterpret_cast<Queue::Available*>(queue.memory_.data + queue.available_at());
    bool heard = has_interrupt_ && (!has_messages_ || set_vector(true, queue_message));
    available->flags = heard ? 0 : no_interrupt;
    queue.event_index_ = event_index_;
    trace_dma(device_.name(), "virtqueue", queue.memory_.address,
              static_cast<uint32_t>(queue.memory_.bytes));
    if (!legacy_) return tell_modern(queue);
    queue.notify_ = Registers(notify_);
    common_.write<legacy::QueueAddress>(queue.memory_.address / page);
    return {};
}

void Transport::run()
{
    add_status(DeviceStatus::DriverOk::mask);
    running_ = true;
}

Result<uint32_t> Transport::perform(Queue& queue, std::span<const Piece> pieces, Duration limit)
{
    if (!running_) return Error::device;
    TRY(queue.add(pieces));
    queue.notify();
    Used used;
    Result<void> state;
    auto waited = wait_until(
        [&] {
            auto taken = queue.take(used);
            if (taken && !taken.value()) state = check();
            return !taken || taken.value() || !state;
        },
        limit);
    if (waited && state && !queue.broken_) return used.bytes;
    stop();
    if (!waited) return fail(Error::timed_out, "{}: no answer", device_.name());
    if (queue.broken_) return Error::device;
    return fail(state.error(), "{}: {}", device_.name(),
                state.error() == Error::gone ? "it is gone" : "it needs a reset");
}

}  // namespace virtio
