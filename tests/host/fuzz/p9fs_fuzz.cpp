// SPDX-License-Identifier: BSD-2-Clause
// A file server whose answers are the input: for each, a byte that says how many follow as its
// body, or 255: the next says how many are the whole answer. In the end it is silent.
#include <algorithm>
#include <cstring>
#include "fakes/machine.h"
#include "fs/open_file.h"
#include "fuzz/walk.h"

namespace {

class Server final : public MessageChannel {
public:
    Server(const uint8_t* data, size_t size) : data_(data), left_(size) { tag.append("share"); }
    Result<uint32_t> exchange(const Message& message) override
    {
        if (left_ == 0) return Error::timed_out;
        size_t count = take();
        std::vector<std::byte> answer;
        bool whole = count == 255;
        if (whole) count = left_ ? take() : 0;
        count = std::min(count, left_);
        if (!whole) {
            auto bytes = uint32_t(7 + count);
            answer.assign(message.request.begin(), message.request.begin() + 7);
            answer[4] = std::byte(uint8_t(answer[4]) + 1);
            memcpy(answer.data(), &bytes, 4);
        }
        auto* begin = reinterpret_cast<const std::byte*>(data_);
        answer.insert(answer.end(), begin, begin + count);
        data_ += count, left_ -= count;
        size_t first = std::min(answer.size(), message.reply.size());
        std::copy_n(answer.begin(), first, message.reply.begin());
        size_t second = std::min(answer.size() - first, message.into.size());
        std::copy_n(answer.begin() + std::ptrdiff_t(first), second, message.into.begin());
        return uint32_t(first + second);
    }

private:
    uint8_t take() { return --left_, *data_++; }
    const uint8_t* data_;
    size_t left_;
};

void use(fs::FileSystem& file_system)
{
    static std::byte data[5000];
    (void)fs::create("share:/d", fs::NodeType::directory, 0755);
    (void)fs::create("share:/d/new", fs::NodeType::file, 0644);
    if (auto handle = fs::open("share:/file", fs::open_read | fs::open_write)) {
        fs::OpenFile& file = *fs::open_file(handle.value());
        (void)file.read(data);
        (void)file.write(data);
        (void)file.truncate(9);
        (void)fs::remove("share:/file");
        (void)file.write(data);
        (void)file.sync();
    }
    (void)fs::make_link("share:/link", "d/new");
    (void)fs::add_name("share:/link", "share:/d/second");
    (void)fs::rename("share:/d/new", "share:/d/renamed");
    walk(file_system, 20);
    (void)file_system.free_bytes();
    (void)fs::remove("share:/d/renamed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    FakeMachine machine;
    Server server(data, size);
    publish(server, "vio9p");
    if (auto volume = fs::volume("share")) {
        use(*volume.value()->file_system);
        fs::close_all();
        if (auto unmounted = fs::unmount(*volume.value());
            !unmounted && unmounted.error() != Error::gone)
            return 0;
    }
    if (FakeHeap::live()) __builtin_trap();
    return 0;
}
