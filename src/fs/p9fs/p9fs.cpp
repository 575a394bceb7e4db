// SPDX-License-Identifier: BSD-2-Clause
// p9fs - a folder of a file server that speaks 9P2000.L, such as QEMU's virtio-9p.
//
// The server has the files, and others change them meanwhile: nothing is kept here. Each look-up
// asks it, and gives what the object's node then has: size, time, mode. A node remembers a name
// that leads to it. A fid (the client's number for an object) goes along with the look-ups of a
// path, name by name, so that each is one step. What is done by a handle walks by the names from
// the root; what is read, written or listed stays open, at most `most_open` of them, so that a file
// that is open outlives its names. Every answer is checked; after one that makes no sense the
// volume is of no use: gone.
// Supports: all that fs.h has.  Not: permissions, locks, extended attributes, making devices.
// Spec: see session.h.  Tested on: QEMU 7.2; tests/host/fakes/file_server.h.
#include <algorithm>
#include "fs/p9fs/session.h"

namespace {

using fs::DirectoryEntry, fs::NodeType;
using namespace p9;

constexpr uint32_t walk_fid = 1, other_fid = 2, found_fid = 3, first_open_fid = 16;
constexpr unsigned most_open = 80;  // more than a payload's handles
constexpr size_t listing_bytes = 8192;

// ---- nodes

class P9Fs;

class P9Node final : public fs::CachedNode {
public:
    explicit P9Node(P9Fs& owner) : owner_(owner) {}
    ~P9Node() override { delete[] name_; }
    P9Node(const P9Node&) = delete;
    bool is_needed() const override { return is_root_ || open_ || unsynced_ || children_; }
    void given_up() override;

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<fs::Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<fs::max_path>& target) override;
    Result<size_t> write(uint64_t offset, std::span<const std::byte> from) override;
    Result<void> truncate(uint64_t bytes) override;
    Result<fs::Node*> create(std::string_view name, NodeType type, uint16_t permissions) override;
    Result<void> make_link(std::string_view name, std::string_view target) override;
    Result<void> add_name(std::string_view name, fs::Node& file) override;
    Result<void> remove(std::string_view name) override;
    Result<void> rename(std::string_view name, fs::Node& to, std::string_view new_name) override;
    Result<void> set_modified(int64_t seconds) override;
    Result<void> set_mode(uint16_t permissions) override;

private:
    friend class P9Fs;
    void release() override;
    void take(const Attributes& attributes);
    bool is_called(const P9Node& parent, std::string_view name) const
    {
        return parent_ == &parent && name == this->name();
    }
    std::string_view name() const { return {name_, name_bytes_}; }
    Result<void> call_it(P9Node& parent, std::string_view name);
    void forget_name();
    void lost_name(const P9Node& parent, std::string_view name);
    bool has_path() const { return parent_ || is_root_; }
    void changed();
    void mark_unsynced();
    Result<NodeType> type_of(uint8_t kind, std::string_view name);
    template <class Function> Result<void> in_directory(size_t answer_bytes, Function request);
    Result<void> set(uint32_t valid, uint32_t permissions, uint64_t bytes, int64_t seconds);

    P9Fs& owner_;
    P9Node* parent_ = nullptr;  // where the name is that it was last found by; null: none known
    char* name_ = nullptr;
    uint16_t name_bytes_ = 0, name_room_ = 0;
    uint32_t children_ = 0;  // nodes whose parent_ it is
    uint8_t open_ = 0;       // its place among the open ones, from 1; 0: none
    bool is_root_ = false;
    bool unsynced_ = false;
    bool is_apart_ = false;  // it is a stray
};

class P9Fs final : public fs::FileSystem {
public:
    explicit P9Fs(MessageChannel& channel) : session(channel) {}
    ~P9Fs() override;
    Result<void> start();
    fs::Node& root() override { return *root_; }
    Result<void> sync() override;
    Result<void> sync_file(fs::Node& node) override;
    Result<uint64_t> free_bytes() override;

    // A fid that leads to the node, by the names from the root; clunk it. Errors: not_found.
    Result<void> walk(P9Node& node, uint32_t fid);
    // One that leads to a directory that an operation by path has come to. Nobody clunks it; it is
    // good until the next look-up. Errors: not_found.
    Result<uint32_t> at(P9Node& directory);
    void forget_found();  // that one leads nowhere from now on
    bool is_at(const P9Node& node) const { return found_ == &node; }
    // What has this name, with fresh attributes; null if nothing has.
    Result<P9Node*> look_up(P9Node& directory, std::string_view name);
    // A fid that is open for reading, or also for writing, which the host may not like for what is
    // only read: it does not run programs that somebody could write to. It stays the node's.
    Result<uint32_t> open(P9Node& node, bool writing);
    Result<P9Node*> create(P9Node& directory, std::string_view name, uint16_t permissions);
    // It outlives its names while somebody has it open.
    void keep_open(P9Node& node)
    {
        if (node.is_open() && node.type == NodeType::file && !open(node, true))
            (void)open(node, false);
    }
    void drop(P9Node& node);
    void set_apart(P9Node& node);
    void forget_listing() { listing.directory = nullptr; }

    Session session;
    struct Listing {  // what Treaddir gave last
        P9Node* directory = nullptr;
        uint64_t position = 0;  // of the next entry
        size_t at = 0, end = 0;
        Buffer entries;
    } listing;
    Result<void> list(P9Node& directory, uint64_t position);
    unsigned unsynced = 0;  // nodes

private:
    struct Open {
        P9Node* node = nullptr;
        uint32_t last_used = 0;
        bool writable = false;
    };
    struct Space {
        uint64_t bytes, free;
    };
    Result<Space> space();
    Result<Attributes> step(P9Node& directory, std::string_view name);
    Result<P9Node*> node_for(const Attributes& attributes, P9Node* parent, std::string_view name);
    Result<unsigned> free_open();
    void use(P9Node& node, unsigned index, bool writable);
    void close(P9Node& node);
    uint32_t open_fid(unsigned index) const { return first_open_fid + index; }
    Result<void> sync_node(P9Node& node);
    template <class Function> void for_each(Function function);

    P9Node* root_ = nullptr;
    P9Node* found_ = nullptr;  // where found_fid leads: what was looked up last, or its directory
    fs::Nodes strays_;         // whose number another object has now
    Open open_[most_open];
    uint32_t clock_ = 0;
};

P9Fs::~P9Fs()
{
    for (unsigned i = 0; i < most_open; ++i) {
        if (open_[i].node) session.clunk(open_fid(i));
    }
    forget_found();
    if (root_) session.clunk(root_fid);
}

Result<void> P9Fs::start()
{
    TRY(session.begin());
    auto found = session.attributes(root_fid);
    if (!found) return found.error();
    if (found.value().type() != NodeType::directory)
        return hal::fail(Error::not_directory, "{}: what it shares is not a folder",
                         session.name());
    root_ = TRY(node_for(found.value(), nullptr, {}));
    root_->is_root_ = true;
    auto space = TRY(this->space());
    bytes = space.bytes;
    type = "9p";
    read_only = nullptr;
    if (root_->set(0, 0, 0, 0).error() == Error::read_only)  // changes nothing
        read_only = "the server shares it for reading only";
    return {};
}

Result<P9Fs::Space> P9Fs::space()
{
    auto answer = TRY(session.call(session.request(Tstatfs).put(root_fid)));
    answer.skip(4);  // the type of the server's file system
    uint64_t block_bytes = answer.get<uint32_t>();
    auto blocks = answer.get<uint64_t>();
    answer.skip(8);  // what is free only for the superuser, too
    auto free = answer.get<uint64_t>();
    answer.skip(8 + 8 + 8 + 4);  // files, free ones; its number; the longest name
    if (!answer.is_whole()) return session.bad("space");
    auto in_bytes = [&](uint64_t count) {
        uint64_t result;
        return __builtin_mul_overflow(count, block_bytes, &result) ? ~uint64_t{0} : result;
    };
    return Space{in_bytes(blocks), in_bytes(free)};
}

Result<uint64_t> P9Fs::free_bytes() { return TRY(space()).free; }

// ---- which nodes there are

template <class Function> void P9Fs::for_each(Function function)
{
    for (const fs::Nodes* some : {&nodes, &strays_}) {
        for (fs::CachedNode* node = some->oldest(); node; node = node->newer)
            function(static_cast<P9Node&>(*node));
    }
}

// From the table to those that are only kept because somebody may have them.
void P9Fs::set_apart(P9Node& node)
{
    if (std::exchange(node.is_apart_, true)) return;
    nodes.remove(node);
    strays_.add(node);
    node.forget_name();
}

void P9Fs::drop(P9Node& node)
{
    if (node.unsynced_) --unsynced;
    if (node.open_) close(node);
    if (node.children_) {  // the server has removed them without us
        for_each([&](P9Node& child) {
            if (child.parent_ == &node) child.forget_name();
        });
    }
    node.given_up();
    (node.is_apart_ ? strays_ : nodes).remove(node);
    delete &node;
}

Result<P9Node*> P9Fs::node_for(const Attributes& attributes, P9Node* parent, std::string_view name)
{
    auto node = static_cast<P9Node*>(nodes.find(attributes.id));
    if (node && node->type != attributes.type()) {  // the number is another object's now
        set_apart(*node);
        node = nullptr;
    }
    if (!node) {
        node = TRY(make<P9Node>(*this));
        node->id = attributes.id;
        node->type = attributes.type();
        nodes.add(*node);
    }
    node->take(attributes);
    if (parent) TRY(node->call_it(*parent, name));
    return node;
}

// ---- walking, and what is open

Result<void> P9Fs::walk(P9Node& node, uint32_t fid)
{
    size_t depth = 0, done = 0;
    for (P9Node* here = &node; here != root_; here = here->parent_, ++depth) {
        if (!here->parent_) return Error::not_found;
    }
    Result<void> result;
    do {
        auto count = static_cast<uint16_t>(std::min(depth - done, most_names));
        Request request = session.request(Twalk);
        request.put(done ? fid : root_fid).put(fid).put(count);
        for (size_t i = 0; i < count; ++i) {
            const P9Node* here = &node;
            for (size_t up = depth - 1 - done - i; up; --up) here = here->parent_;
            request.text(here->name());
        }
        auto last = session.walk(request, count);
        done += last ? count : 0u;
        result = last.error();
        // Is it still there?
        if (last && done == depth && depth && last.value() != node.id) result = Error::not_found;
    } while (result && done < depth);
    if (!result && done) session.clunk(fid);
    return result;
}

void P9Fs::forget_found()
{
    if (std::exchange(found_, nullptr)) session.clunk(found_fid);
}

Result<uint32_t> P9Fs::at(P9Node& directory)
{
    if (is_at(directory)) return found_fid;
    forget_found();
    if (&directory == root_) return root_fid;
    TRY(walk(directory, found_fid));
    found_ = &directory;
    return found_fid;
}

// The fid of the directory goes on to what has this name in it.
Result<Attributes> P9Fs::step(P9Node& directory, std::string_view name)
{
    uint32_t from = TRY(at(directory));
    Request request = session.request(Twalk).put(from).put(found_fid).put(uint16_t{1});
    TRY(session.walk(request.text(name), 1));
    found_ = &directory;  // until its node is known
    auto attributes = session.attributes(found_fid);
    if (!attributes) forget_found();
    return attributes;
}

Result<P9Node*> P9Fs::look_up(P9Node& directory, std::string_view name)
{
    if (name.size() >= fs::max_name) return Error::too_large;
    auto found = step(directory, name);
    if (found.error() == Error::not_found) return nullptr;
    auto node = node_for(TRY(found), &directory, name);
    if (!node) forget_found();
    if (node) found_ = node.value();
    return node;
}

// The one that was used the longest time ago gives way, first of those that nobody has open. A file
// that could not be found again stays.
Result<unsigned> P9Fs::free_open()
{
    unsigned chosen = most_open;
    for (unsigned i = 0; i < most_open; ++i) {
        P9Node* node = open_[i].node;
        if (!node) return i;
        if (node->is_open() && !node->has_path()) continue;
        bool is_open = node->is_open();
        if (chosen == most_open || is_open < open_[chosen].node->is_open() ||
            (is_open == open_[chosen].node->is_open() &&
             open_[i].last_used < open_[chosen].last_used))
            chosen = i;
    }
    if (chosen == most_open) return Error::no_memory;
    close(*open_[chosen].node);
    return chosen;
}

void P9Fs::close(P9Node& node)
{
    unsigned index = node.open_ - 1u;
    session.clunk(open_fid(index));
    open_[index] = {};
    node.open_ = 0;
}

Result<uint32_t> P9Fs::open(P9Node& node, bool writing)
{
    if (node.open_) {
        unsigned index = node.open_ - 1u;
        open_[index].last_used = ++clock_;
        if (!writing || open_[index].writable) return open_fid(index);
        if (!node.has_path()) return Error::read_only;
        close(node);
    }
    unsigned index = TRY(free_open());
    uint32_t fid = open_fid(index);
    TRY(walk(node, fid));
    uint32_t flags = writing                            ? flag::read_write
                     : node.type == NodeType::directory ? flag::directory
                                                        : 0;
    if (auto opened = session.open(fid, flags); !opened) {
        session.clunk(fid);
        bool not_ours = opened.error() == Error::read_only && !writing;  // to read, that is
        return not_ours ? Error::unsupported : opened.error();
    }
    use(node, index, writing);
    return fid;
}

void P9Fs::use(P9Node& node, unsigned index, bool writable)
{
    open_[index] = {&node, ++clock_, writable};
    node.open_ = static_cast<uint8_t>(index + 1);
}

Result<P9Node*> P9Fs::create(P9Node& directory, std::string_view name, uint16_t permissions)
{
    unsigned index = TRY(free_open());
    uint32_t fid = open_fid(index);
    uint32_t from = TRY(at(directory));
    Request copy = session.request(Twalk).put(from).put(fid).put(uint16_t{0});
    TRY(session.walk(copy, 0));
    Request request = session.request(Tlcreate).put(fid).text(name);
    request.put(flag::read_write | flag::create | flag::exclusive);
    auto made =
        session.tell(request.put(uint32_t{permissions}).put(nobody), qid_bytes + unit_bytes);
    auto found = made ? session.attributes(fid) : Result<Attributes>(made.error());
    auto node = found ? node_for(found.value(), &directory, name) : Result<P9Node*>(found.error());
    if (!node) {
        session.clunk(fid);
        return node;
    }
    if (node.value()->open_) close(*node.value());
    use(*node.value(), index, true);
    return node;
}

Result<void> P9Fs::list(P9Node& directory, uint64_t position)
{
    forget_listing();
    if (!listing.entries.size()) listing.entries = TRY(Buffer::of(listing_bytes));
    uint32_t fid = TRY(open(directory, false));
    listing.end = TRY(session.list(fid, position, listing.entries.span()));
    listing.at = 0;
    listing.position = position;
    listing.directory = &directory;
    return {};
}

// ---- syncing: what was written the server has; here it is told to have it on its medium

// What may not be opened any more is complained of once: it would fail for ever.
Result<void> P9Fs::sync_node(P9Node& node)
{
    if (!node.unsynced_) return {};
    auto fid = open(node, false);
    Result<void> synced = fid ? session.sync(fid.value()) : Result<void>(fid.error());
    bool is_lost = fid.error() == Error::not_found || fid.error() == Error::unsupported;
    if (!synced && !is_lost) return synced;
    node.unsynced_ = false;
    --unsynced;
    return fid.error() == Error::not_found ? Result<void>() : synced;
}

Result<void> P9Fs::sync()
{
    if (session.is_broken()) return Error::gone;
    forget_found();
    Result<void> result;
    for_each([&](P9Node& node) {
        auto synced = unsynced ? sync_node(node) : Result<void>();
        if (result) result = synced;
        if (node.open_ && !node.is_open()) close(node);  // so that what was removed takes no space
    });
    return result;
}

Result<void> P9Fs::sync_file(fs::Node& node)
{
    auto& file = static_cast<P9Node&>(node);
    TRY(sync_node(file));
    return file.parent_ ? sync_node(*file.parent_) : Result<void>();
}

// ---- what a node is asked for

void P9Node::take(const Attributes& attributes)
{
    mode = attributes.mode & 07777;
    links = static_cast<uint32_t>(std::clamp<uint64_t>(attributes.links, 1, ~0u));
    size = attributes.size;
    modified_s = static_cast<int64_t>(attributes.modified_s);
}

void P9Node::given_up()
{
    forget_name();
    if (owner_.listing.directory == this) owner_.forget_listing();
}

void P9Node::forget_name()
{
    if (owner_.is_at(*this)) owner_.forget_found();
    if (parent_) --parent_->children_;
    parent_ = nullptr;
}

Result<void> P9Node::call_it(P9Node& parent, std::string_view name)
{
    if (is_called(parent, name)) return {};
    for (P9Node* above = &parent; above; above = above->parent_) {
        if (above == this) return owner_.session.bad("a directory within itself");
    }
    if (name.size() > name_room_) {
        auto room = static_cast<uint16_t>(name.size());
        auto made = new (std::nothrow) char[room];
        if (!made) return Error::no_memory;
        delete[] name_;
        name_ = made;
        name_room_ = room;
    }
    memcpy(name_, name.data(), name.size());
    name_bytes_ = static_cast<uint16_t>(name.size());
    forget_name();
    parent_ = &parent;
    ++parent.children_;
    return {};
}

// A name has been removed, or is another's now.
void P9Node::lost_name(const P9Node& parent, std::string_view name)
{
    if (is_called(parent, name)) forget_name();
    links = type == NodeType::directory ? 0 : links - 1;
    if (links == 0) owner_.set_apart(*this);
}

void P9Node::changed()
{
    modified_s = fs::now_s();
    if (type == NodeType::directory) owner_.forget_listing();
    mark_unsynced();
}

void P9Node::mark_unsynced()
{
    if (unsynced_ || (type != NodeType::directory && type != NodeType::file)) return;
    unsynced_ = true;
    ++owner_.unsynced;
}

void P9Node::release() { owner_.drop(*this); }

Result<size_t> P9Node::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::unsupported;
    if (into.empty() || offset > fs::max_file_bytes) return size_t{0};
    uint32_t fid = TRY(owner_.open(*this, false));
    size_t done = 0;
    while (done < into.size()) {
        size_t count = TRY(owner_.session.read(fid, offset + done, into.subspan(done)));
        done += count;
        if (count == 0) break;
    }
    return done;
}

Result<size_t> P9Node::write(uint64_t offset, std::span<const std::byte> from)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (type != NodeType::file) return Error::unsupported;
    if (offset > fs::max_file_bytes || from.size() > fs::max_file_bytes - offset)
        return Error::too_large;
    if (from.empty()) return size_t{0};
    uint32_t fid = TRY(owner_.open(*this, true));
    size_t done = 0;
    Error error{};
    while (done < from.size() && error == Error{}) {
        auto count = owner_.session.write(fid, offset + done, from.subspan(done));
        error = count.error();
        if (count) done += count.value();
    }
    if (done == 0) return error;
    size = std::max(size, offset + done);
    changed();
    return done;
}

Result<fs::Node*> P9Node::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    return static_cast<fs::Node*>(TRY(owner_.look_up(*this, name)));
}

static bool is_name(std::string_view name)
{
    return !name.empty() && name.size() < fs::max_name &&
           name.find_first_of(std::string_view("/\0", 2)) == name.npos;
}

// The position is the server's: that of the last entry, which is never 0.
Result<bool> P9Node::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    if (links == 0) return false;
    auto& listing = owner_.listing;
    for (unsigned dots = 0; dots <= 2; ++dots) {
        if (listing.directory != this || listing.position != position || position == 0 ||
            listing.at == listing.end) {
            TRY(owner_.list(*this, position));
            if (listing.end == 0) return false;
        }
        Reader from(listing.entries.data() + listing.at, listing.end - listing.at);
        entry.id = get_id(from);
        auto next = from.get<uint64_t>();
        auto kind = from.get<uint8_t>();
        std::string_view name = from.text();
        if (from.is_short() || !is_name(name) || next == 0 || next == position) break;
        listing.at = listing.end - from.left();
        position = listing.position = next;
        if (fs::is_dots(name)) continue;
        entry.name.assign(name);
        entry.type = TRY(type_of(kind, name));
        return true;
    }
    return owner_.session.bad("directory");
}

// What is of no kind that the server could say has to be looked up.
Result<NodeType> P9Node::type_of(uint8_t kind, std::string_view name)
{
    switch (kind) {
    case dirent::directory: return NodeType::directory;
    case dirent::file: return NodeType::file;
    case dirent::symlink: return NodeType::symlink;
    case dirent::unknown: break;
    default: return NodeType::other;
    }
    owner_.forget_found();  // it may have been here for long
    P9Node* node = TRY(owner_.look_up(*this, name));
    return node ? node->type : NodeType::other;
}

Result<void> P9Node::read_link(Text<fs::max_path>& target)
{
    if (type != NodeType::symlink) return Error::invalid;
    Session& session = owner_.session;
    TRY(owner_.walk(*this, walk_fid));
    auto asked = session.call(session.request(Treadlink).put(walk_fid));
    Result<void> result = asked.error();
    if (asked) {
        result = {};
        std::string_view text = asked.value().text();
        if (!asked.value().is_whole())
            result = session.bad("link");
        else if (text.size() > target.capacity())
            result = Error::too_large;
        else
            target.append(text);
    }
    session.clunk(walk_fid);
    return result;
}

// ---- changing names

// Has the server change something in a directory: `request` is given a fid of it.
template <class Function> Result<void> P9Node::in_directory(size_t answer_bytes, Function request)
{
    if (type != NodeType::directory) return Error::not_directory;
    Request asked = request(owner_.session, TRY(owner_.at(*this)));
    auto done = owner_.session.tell(asked, answer_bytes);
    if (done) changed();
    return done;
}

Result<fs::Node*> P9Node::create(std::string_view name, NodeType kind, uint16_t permissions)
{
    if (type != NodeType::directory) return Error::not_directory;
    if (name.size() >= fs::max_name) return Error::too_large;
    P9Node* made = nullptr;
    if (kind == NodeType::file) {
        made = TRY(owner_.create(*this, name, permissions));
        changed();
    } else {
        TRY(in_directory(qid_bytes, [&](Session& session, uint32_t fid) {
            Request request = session.request(Tmkdir).put(fid).text(name);
            return request.put(uint32_t{permissions}).put(nobody);
        }));
        made = TRY(owner_.look_up(*this, name));
        if (!made) return Error::not_found;  // somebody else was quicker
    }
    made->mark_unsynced();
    return static_cast<fs::Node*>(made);
}

Result<void> P9Node::make_link(std::string_view name, std::string_view target)
{
    if (name.size() >= fs::max_name || target.size() >= fs::max_path) return Error::too_large;
    return in_directory(qid_bytes, [&](Session& session, uint32_t fid) {
        Request request = session.request(Tsymlink).put(fid).text(name).text(target);
        return request.put(nobody);
    });
}

Result<void> P9Node::add_name(std::string_view name, fs::Node& file)
{
    auto& node = static_cast<P9Node&>(file);
    if (name.size() >= fs::max_name) return Error::too_large;
    TRY(owner_.walk(node, other_fid));
    auto done = in_directory(0, [&](Session& session, uint32_t fid) {
        return session.request(Tlink).put(fid).put(other_fid).text(name);
    });
    owner_.session.clunk(other_fid);
    if (done) ++node.links;
    return done;
}

Result<void> P9Node::remove(std::string_view name)
{
    P9Node* node = TRY(owner_.look_up(*this, name));
    if (!node) return Error::not_found;
    owner_.keep_open(*node);
    TRY(in_directory(0, [&](Session& session, uint32_t fid) {
        uint32_t flags = node->type == NodeType::directory ? flag::remove_directory : 0;
        return session.request(Tunlinkat).put(fid).text(name).put(flags);
    }));
    node->lost_name(*this, name);
    return {};
}

Result<void> P9Node::rename(std::string_view name, fs::Node& to, std::string_view new_name)
{
    auto& target = static_cast<P9Node&>(to);
    if (new_name.size() >= fs::max_name) return Error::too_large;
    P9Node* replaced = TRY(owner_.look_up(target, new_name));
    P9Node* node = TRY(owner_.look_up(*this, name));
    if (!node) return Error::not_found;
    if (replaced) owner_.keep_open(*replaced);
    TRY(owner_.walk(target, other_fid));
    auto done = in_directory(0, [&](Session& session, uint32_t fid) {
        Request request = session.request(Trenameat).put(fid).text(name);
        return request.put(other_fid).text(new_name);
    });
    owner_.session.clunk(other_fid);
    TRY(done);
    target.changed();
    if (replaced && replaced != node) replaced->lost_name(target, new_name);
    return node->call_it(target, new_name);
}

// ---- attributes

Result<void> P9Node::set(uint32_t valid, uint32_t permissions, uint64_t bytes, int64_t seconds)
{
    Session& session = owner_.session;
    bool walks = has_path();
    if (!walks && !open_) return Error::not_found;
    if (walks) TRY(owner_.walk(*this, walk_fid));
    uint32_t fid = walks ? walk_fid : TRY(owner_.open(*this, false));
    Request request = session.request(Tsetattr).put(fid).put(valid).put(permissions);
    request.put(nobody).put(nobody).put(bytes);
    request.put(uint64_t{0}).put(uint64_t{0}).put(seconds).put(uint64_t{0});
    auto done = session.tell(request);
    if (walks) session.clunk(walk_fid);
    if (done && valid) mark_unsynced();
    return done;
}

Result<void> P9Node::truncate(uint64_t bytes)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (bytes > fs::max_file_bytes) return Error::too_large;
    TRY(set(attribute::size, 0, bytes, 0));
    size = bytes;
    changed();
    return {};
}

Result<void> P9Node::set_modified(int64_t seconds)
{
    TRY(set(attribute::time | attribute::given, 0, 0, seconds));
    modified_s = seconds;
    return {};
}

Result<void> P9Node::set_mode(uint16_t permissions)
{
    TRY(set(attribute::mode, permissions, 0, 0));
    mode = permissions;
    return {};
}

Result<fs::FileSystem*> connect(MessageChannel& channel)
{
    P9Fs* made = TRY(make<P9Fs>(channel));
    if (auto started = made->start(); !started) {
        delete made;
        return started.error();
    }
    made->label.append(channel.tag.view());
    return static_cast<fs::FileSystem*>(made);
}

}  // namespace

namespace fs {
extern const FileSystemDriver p9fs = {"p9fs", nullptr, nullptr, nullptr, connect};
}
