// SPDX-License-Identifier: BSD-2-Clause
// A 9P2000.L file server with a tree in memory, which fails in the ways that it is told to. It
// complains when the client breaks the protocol: fids that it does not have, or uses twice.
#pragma once
#include <gtest/gtest.h>
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "hal/classes.h"
#include "lib/bytes.h"

class FakeFileServer final : public MessageChannel {
public:
    struct Object {
        uint64_t id = 0;
        uint32_t mode = 0;  // type and permissions
        uint64_t links = 1, modified_s = 1'000'000'000;
        std::string data = {};  // of a link: where it leads
        std::map<std::string, std::shared_ptr<Object>> entries = {};
        std::map<uint64_t, std::string> order = {};  // of the entries, by their cookies
        bool is_directory() const { return (mode & 0170000) == 0040000; }
    };
    using Pointer = std::shared_ptr<Object>;

    FakeFileServer()
    {
        name.append("vio9p0");
        tag.append("share");
        top = make(0040755);
    }

    // ---- what it is
    Pointer top;
    uint32_t most_message = 1 << 20;
    uint64_t blocks = 1000, free_blocks = 500, space = ~0ull;  // space: bytes of data
    uint8_t (*kind_of)(const Object&) = [](const Object& object) {
        return uint8_t(object.mode >> 12);  // as in a Linux dirent; 0: it does not say
    };
    size_t most_entries = 1000;  // of one answer

    // ---- faults. `when` picks the requests by their types; 0 is any
    uint8_t when = 0;
    uint32_t error = 0;                           // an Rlerror instead of doing it
    unsigned fail_at = 0;                         // so does this message: 1 is the next
    bool silent = false, gone = false;            // nothing comes back
    bool read_only = false, unreachable = false;  // unreachable: only its own buffers are
    int cut = 0;  // so many bytes too few (the size is right for them)
    int add = 0;  // or too many
    int wrong_size = 0, wrong_tag = 0, wrong_type = 0, wrong_count = 0;
    size_t most_data = ~size_t{0};                      // read and written at once
    std::function<void(std::vector<uint8_t>&)> change;  // whatever else, of the answer

    // ---- what the client did
    unsigned messages = 0;
    size_t most_fids = 0;
    std::map<uint8_t, unsigned> counts;  // by type
    size_t fid_count() const { return fids_.size(); }

    Pointer make(uint32_t mode)
    {
        return std::make_shared<Object>(Object{.id = ++last_id_, .mode = mode});
    }
    static void enter(Object& directory, const std::string& name, Pointer object)
    {
        static uint64_t cookie = 1;
        leave(directory, name);
        directory.order[++cookie] = name;
        directory.entries[name] = std::move(object);
    }
    static void leave(Object& directory, const std::string& name)
    {
        directory.entries.erase(name);
        std::erase_if(directory.order, [&](auto& entry) { return entry.second == name; });
    }

    Result<uint32_t> exchange(const Message& message) override
    {
        if (unreachable && (message.from.size() > 5000 || message.into.size() > 5000))
            return Error::unsupported;
        if (gone) return Error::gone;
        std::vector<uint8_t> request(message.request.size() + message.from.size());
        memcpy(request.data(), message.request.data(), message.request.size());
        if (!message.from.empty())
            memcpy(&request[message.request.size()], message.from.data(), message.from.size());
        ++messages;
        EXPECT_GE(request.size(), 7u);
        EXPECT_EQ(le32(request.data()), request.size());
        EXPECT_LE(request.size(), most_message);
        uint8_t type = request[4];
        EXPECT_EQ(le16(&request[5]) == 0xffff, type == 100);
        ++counts[type];
        bool faulty = when == 0 || when == type;
        if (faulty && silent) return Error::timed_out;
        answer_.assign(7, 0);
        room_ = message.reply.size() + message.into.size();
        at_ = &request[7], end_ = request.data() + request.size();
        bool fails = fail_at && --fail_at == 0 && type != 120;  // Tclunk forgets it all the same
        uint32_t failed = faulty && error ? error : fails ? io_error : perform(type);
        EXPECT_TRUE(failed || at_ == end_) << "request " << int(type) << " is too long";
        most_fids = std::max(most_fids, fids_.size());
        if (failed) {
            answer_.resize(7);
            put<uint32_t>(failed);
        }
        finish(failed ? 7 : uint8_t(type + 1), le16(&request[5]), faulty);
        size_t first = std::min(answer_.size(), message.reply.size());
        memcpy(message.reply.data(), answer_.data(), first);
        size_t second = std::min(answer_.size() - first, message.into.size());
        if (second) memcpy(message.into.data(), &answer_[first], second);
        return uint32_t(first + second);
    }

private:
    struct Fid {
        Pointer object;
        int opened = -1;  // how, if it is
    };

    // ---- messages
    template <class T> T get()
    {
        T value{};
        EXPECT_GE(end_ - at_, ptrdiff_t(sizeof(T))) << "a request is too short";
        if (end_ - at_ >= ptrdiff_t(sizeof(T))) memcpy(&value, at_, sizeof(T));
        at_ += std::min<ptrdiff_t>(sizeof(T), end_ - at_);
        return value;
    }
    std::string get_text()
    {
        size_t length = get<uint16_t>();
        EXPECT_LE(ptrdiff_t(length), end_ - at_) << "a request is too short";
        std::string text(reinterpret_cast<const char*>(at_), std::min<size_t>(length, end_ - at_));
        at_ += text.size();
        return text;
    }
    template <class T> void put(T value)
    {
        auto* bytes = reinterpret_cast<const uint8_t*>(&value);
        answer_.insert(answer_.end(), bytes, bytes + sizeof(T));
    }
    void put_text(std::string_view text)
    {
        put(uint16_t(text.size()));
        answer_.insert(answer_.end(), text.begin(), text.end());
    }
    void put_qid(const Object& object)
    {
        put(uint8_t(object.is_directory() ? 0x80 : 0)), put(uint32_t(0)), put(object.id);
    }
    void finish(uint8_t type, uint16_t tag, bool faulty)
    {
        auto count = uint32_t(answer_.size());
        if (faulty) {
            if (wrong_count && answer_.size() >= 11) {
                uint32_t changed = le32(&answer_[7]) + uint32_t(wrong_count);
                memcpy(&answer_[7], &changed, 4);
            }
            type = uint8_t(type + wrong_type), tag = uint16_t(tag + wrong_tag);
            answer_.resize(size_t(std::max(0, int(count) - cut + add)), 0xaa);
            count = uint32_t(answer_.size()) + uint32_t(wrong_size);
        }
        uint8_t head[7] = {};
        memcpy(head, &count, 4), head[4] = type, memcpy(head + 5, &tag, 2);
        std::copy_n(head, std::min<size_t>(7, answer_.size()), answer_.begin());
        if (faulty && change) change(answer_);
    }

    // ---- what it does; the result is an error of Linux, or 0
    enum : uint32_t {
        no_entry = 2,
        io_error = 5,
        exists = 17,
        no_directory = 20,
        directory = 21,
        invalid = 22,
        too_large = 27,
        no_space = 28,
        is_read_only = 30,
        too_long = 36,
        not_empty = 39
    };
    Fid& fid(bool open = false)
    {
        auto number = get<uint32_t>();
        auto found = fids_.find(number);
        if (found == fids_.end()) {
            ADD_FAILURE() << "there is no fid " << number;
            return none_ = {top};
        }
        EXPECT_TRUE(!open || found->second.opened >= 0) << "fid " << number << " is not open";
        return found->second;
    }
    uint32_t perform(uint8_t type)
    {
        bool changes =
            (type >= 14 && type <= 18) || type == 26 || (type >= 70 && type <= 76) || type == 118;
        if (read_only && changes) return at_ = end_, is_read_only;
        switch (type) {
        case 8: return statfs();
        case 12: return open();
        case 14: return create();
        case 16: return symlink();
        case 22: return put_text(fid().object->data), 0;
        case 24: return get_attributes();
        case 26: return set_attributes();
        case 40: return read_directory();
        case 50: return (void)fid(true), (void)get<uint32_t>(), 0;
        case 70: return link();
        case 72: return make_directory();
        case 74: return rename();
        case 76: return unlink();
        case 100: return start();
        case 104: return attach();
        case 110: return walk();
        case 116: return read();
        case 118: return write();
        case 120: return clunk();
        }
        ADD_FAILURE() << "a request of type " << int(type);
        return 95;
    }
    uint32_t start()
    {
        fids_.clear();
        uint32_t most = std::min(get<uint32_t>(), most_message);
        put(most), put_text(get_text() == "9P2000.L" ? "9P2000.L" : "unknown");
        return 0;
    }
    uint32_t attach()
    {
        EXPECT_TRUE(fids_.empty());
        auto number = get<uint32_t>();
        EXPECT_EQ(get<uint32_t>(), ~0u) << "there is no authentication";
        (void)get_text(), (void)get_text(), (void)get<uint32_t>();
        fids_[number] = {top};
        put_qid(*top);
        return 0;
    }
    uint32_t clunk()
    {
        EXPECT_EQ(fids_.erase(get<uint32_t>()), 1u) << "a fid that it does not have";
        return 0;
    }
    uint32_t walk()
    {
        Fid& from = fid();
        auto to = get<uint32_t>();
        size_t names = get<uint16_t>(), reached = 0;
        EXPECT_LE(names, 16u);
        EXPECT_TRUE(&from == &fids_[to] || !fids_[to].object) << "fid " << to << " is in use";
        EXPECT_LT(from.opened, 0);
        Pointer object = from.object;
        put(uint16_t(0));
        uint32_t failed = 0;
        for (size_t i = 0; i < names; ++i) {
            std::string name = get_text();
            if (failed) continue;
            auto entry = object->entries.find(name);
            if (name.size() > 255)
                failed = too_long;
            else if (!object->is_directory())
                failed = no_directory;
            else if (entry == object->entries.end())
                failed = no_entry;
            if (failed) continue;
            object = entry->second, ++reached;
            put_qid(*object);
        }
        if (failed && !fids_[to].object) fids_.erase(to);
        if (failed && reached == 0) return failed;
        memcpy(&answer_[7], &reached, 2);
        if (!failed) fids_[to] = {object};
        return 0;
    }
    uint32_t open()
    {
        Fid& it = fid();
        EXPECT_LT(it.opened, 0) << "it is open already";
        auto flags = get<uint32_t>();
        if (it.object->is_directory() && flags & 3) return directory;
        if ((flags & 3) != 0 && !(it.object->mode & 0200)) return 13;
        it.opened = int(flags);
        put_qid(*it.object), put(uint32_t(0));
        return 0;
    }
    // Where something new is to be; null: `failed` says why not.
    Object* place(Fid& in, const std::string& name, uint32_t& failed)
    {
        failed = !in.object->is_directory()       ? no_directory
                 : in.object->links == 0          ? no_entry
                 : in.object->entries.count(name) ? exists
                 : name.size() > 255              ? too_long
                                                  : 0u;
        EXPECT_TRUE(!name.empty() && name != "." && name != ".." &&
                    name.find_first_of(std::string_view("/\0", 2)) == name.npos);
        return failed ? nullptr : in.object.get();
    }
    uint32_t create()
    {
        Fid& it = fid();
        std::string name = get_text();
        auto flags = get<uint32_t>(), mode = get<uint32_t>();
        (void)get<uint32_t>();
        uint32_t failed;
        Object* in = place(it, name, failed);
        if (!in) return failed;
        it = {make(0100000 | mode), int(flags)};
        enter(*in, name, it.object);
        put_qid(*it.object), put(uint32_t(0));
        return 0;
    }
    uint32_t symlink()
    {
        Fid& it = fid();
        std::string name = get_text(), target = get_text();
        (void)get<uint32_t>();
        uint32_t failed;
        Object* in = place(it, name, failed);
        if (!in) return failed;
        Pointer made = make(0120777);
        made->data = target;
        enter(*in, name, made);
        put_qid(*made);
        return 0;
    }
    uint32_t make_directory()
    {
        Fid& it = fid();
        std::string name = get_text();
        auto mode = get<uint32_t>();
        (void)get<uint32_t>();
        uint32_t failed;
        Object* in = place(it, name, failed);
        if (!in) return failed;
        Pointer made = make(0040000 | mode);
        enter(*in, name, made);
        put_qid(*made);
        return 0;
    }
    uint32_t link()
    {
        Fid &it = fid(), &file = fid();
        std::string name = get_text();
        uint32_t failed;
        Object* in = place(it, name, failed);
        if (!in) return failed;
        if (file.object->is_directory()) return 1;
        ++file.object->links;
        enter(*in, name, file.object);
        return 0;
    }
    uint32_t unlink()
    {
        Object& in = *fid().object;
        std::string name = get_text();
        bool as_directory = get<uint32_t>() == 0x200;
        auto entry = in.entries.find(name);
        if (entry == in.entries.end()) return no_entry;
        if (entry->second->is_directory() != as_directory)
            return as_directory ? no_directory : directory;
        if (!entry->second->entries.empty()) return not_empty;
        --entry->second->links;
        leave(in, name);
        return 0;
    }
    uint32_t rename()
    {
        Object& in = *fid().object;
        std::string name = get_text();
        Fid& to = fid();
        std::string new_name = get_text();
        auto entry = in.entries.find(name);
        if (entry == in.entries.end()) return no_entry;
        Pointer object = entry->second;
        if (new_name.size() > 255) return too_long;
        if (auto old = to.object->entries.find(new_name); old != to.object->entries.end()) {
            if (old->second == object) return 0;
            if (old->second->is_directory() != object->is_directory())
                return object->is_directory() ? no_directory : directory;
            if (!old->second->entries.empty()) return not_empty;
            --old->second->links;
        }
        leave(in, name);
        enter(*to.object, new_name, object);
        return 0;
    }
    uint32_t get_attributes()
    {
        Object& it = *fid().object;
        auto wanted = get<uint64_t>();
        put(wanted), put_qid(it), put(it.mode), put(uint32_t(1000)), put(uint32_t(1000));
        put(uint64_t(it.is_directory() ? 2 : it.links)), put(uint64_t(0));
        put(uint64_t(it.is_directory() ? 4096 : it.data.size()));
        put(uint64_t(4096)), put(uint64_t(it.data.size() + 511) / 512);
        for (uint64_t value :
             {it.modified_s, uint64_t(1), it.modified_s, uint64_t(2), it.modified_s, uint64_t(3)})
            put(value);
        for (int i = 0; i < 4; ++i) put(uint64_t(0));
        return 0;
    }
    uint32_t set_attributes()
    {
        Object& it = *fid().object;
        auto valid = get<uint32_t>(), mode = get<uint32_t>();
        (void)get<uint64_t>();
        auto size = get<uint64_t>();
        (void)get<uint64_t>(), (void)get<uint64_t>();
        auto seconds = get<uint64_t>();
        (void)get<uint64_t>();
        EXPECT_EQ(valid & ~0x129u, 0u);
        if (valid & 8 && it.is_directory()) return directory;
        if (valid & 8 && size > (1u << 30)) return too_large;
        if (valid & 8 && size > it.data.size() && size > space) return no_space;
        if (valid & 1) it.mode = (it.mode & ~07777u) | mode;
        if (valid & 8) it.data.resize(size);
        if (valid & 0x20) it.modified_s = seconds;
        return 0;
    }
    uint32_t read_directory()
    {
        Object& it = *fid(true).object;
        auto position = get<uint64_t>();
        auto most = get<uint32_t>();
        EXPECT_EQ(room_, 11 + most);
        put(uint32_t(0));
        size_t entries = 0;
        auto add_entry = [&](const std::string& name, const Object& object, uint64_t cookie) {
            if (cookie <= position || entries == most_entries) return;
            if (answer_.size() + 24 + name.size() > 11 + most) return void(entries = most_entries);
            ++entries;
            put_qid(object), put(cookie), put(kind_of(object)), put_text(name);
        };
        add_entry(".", it, 1);
        for (auto& [cookie, name] : it.order) add_entry(name, *it.entries.at(name), cookie + 1);
        add_entry("..", it, uint64_t(1) << 62);
        uint32_t bytes = uint32_t(answer_.size() - 11);
        memcpy(&answer_[7], &bytes, 4);
        return 0;
    }
    uint32_t read()
    {
        Object& it = *fid(true).object;
        auto offset = get<uint64_t>();
        size_t count = get<uint32_t>();
        EXPECT_EQ(room_, 11 + count);
        EXPECT_LE(count, most_message - 24);
        if (it.is_directory()) return directory;
        size_t there = offset < it.data.size() ? it.data.size() - size_t(offset) : 0;
        count = std::min({count, there, most_data});
        put(uint32_t(count));
        if (count) answer_.insert(answer_.end(), &it.data[offset], &it.data[offset] + count);
        return 0;
    }
    uint32_t write()
    {
        Fid& to = fid(true);
        Object& it = *to.object;
        auto offset = get<uint64_t>();
        size_t count = get<uint32_t>();
        EXPECT_EQ(to.opened & 3, 2) << "it was opened for reading";
        EXPECT_EQ(size_t(end_ - at_), count);
        std::string data(reinterpret_cast<const char*>(at_), size_t(end_ - at_));
        at_ = end_;
        if (offset > (1u << 30)) return too_large;
        count = std::min(count, most_data);
        uint64_t end = offset + count;
        if (end > it.data.size() && end > space)
            count = offset < space ? size_t(space - offset) : 0;
        if (count == 0) return no_space;
        it.data.resize(std::max(it.data.size(), size_t(offset) + count));
        it.data.replace(size_t(offset), count, data, 0, count);
        put(uint32_t(count));
        return 0;
    }
    uint32_t statfs()
    {
        (void)fid();
        put(uint32_t(0x01021997)), put(uint32_t(4096)), put(blocks), put(free_blocks + 7);
        put(free_blocks), put(uint64_t(99)), put(uint64_t(98)), put(uint64_t(0)), put(255u);
        return 0;
    }

    std::map<uint32_t, Fid> fids_;
    Fid none_;
    uint64_t last_id_ = 0;
    std::vector<uint8_t> answer_;
    const uint8_t *at_ = nullptr, *end_ = nullptr;
    size_t room_ = 0;
};
