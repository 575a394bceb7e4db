// SPDX-License-Identifier: BSD-2-Clause
// ramfs - the volume `ram`: files in kernel memory, gone when the machine is.
//
// A file is a tree of 4 KiB blocks, which exist where something has been written: files may be
// sparse. Where there is none, a file of an archive has what lies there, in the loader's memory. A
// directory is a hash table, and a list in the order of creation. Nodes and entries come from
// pools, so that 100,000 of them neither fill the heap's list of free pieces nor leave holes. Some
// of the heap is left to drivers: no_space comes before that is touched. Names may use half of it,
// so that in a full volume one can still rename. Supports: everything that fs.h has. Not: giving
// back blocks that were overwritten with zeros. Tested: against a model, with random operations, in
// tests/host/ramfs_test.cpp.
#include "fs/ramfs/ramfs.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include "lib/pool.h"

namespace {

using fs::DirectoryEntry, fs::NodeType;

constexpr size_t block_bytes = 4096;
constexpr size_t fan_out = block_bytes / sizeof(void*);  // of a block of the tree
constexpr unsigned fan_shift = std::bit_width(fan_out) - 1;
constexpr size_t longest_name = 255;
constexpr size_t largest_reserve = 4 << 20;

class RamNode;

struct Entry {
    Entry* next_in_bucket;
    Entry *previous, *next;  // in the order of creation
    RamNode* node;
    uint64_t serial;  // rises along the list
    uint32_t hash;
    uint8_t length;
    char name[longest_name];

    std::string_view text() const { return {name, length}; }
    static constexpr size_t bytes_for(size_t length) { return offsetof(Entry, name) + length; }
};

uint32_t hash_of(std::string_view name)  // FNV-1a
{
    uint32_t hash = 0x811c9dc5;
    for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
    return hash;
}

class RamFs final : public fs::FileSystem {
public:
    ~RamFs() override;
    Result<void> start();
    fs::Node& root() override;
    Result<void> sync() override { return {}; }
    Result<uint64_t> free_bytes() override;

    Result<RamNode*> make_node(NodeType type, uint16_t permissions);
    void drop(RamNode* node);
    Result<Entry*> make_entry(std::string_view name, RamNode& node);
    void drop(Entry* entry) { pool_of(entry->length).give(entry); }
    std::byte* take_block();  // null if there is no room
    void give_block(std::byte* block);
    static bool has_room_for_names(size_t bytes) { return room(2) >= bytes; }

private:
    // What may be used of the heap. `part`: of the reserve only this part is kept.
    static uint64_t room(unsigned part = 1);
    Pool& pool_of(size_t length)
    {
        return length <= short_name    ? short_entries_
               : length <= middle_name ? middle_entries_
                                       : long_entries_;
    }

    static constexpr size_t short_name = 14, middle_name = 62;
    RamNode* root_ = nullptr;
    RamNode* nodes_ = nullptr;  // all
    uint64_t last_id_ = 0, last_serial_ = 0;
    uint64_t block_bytes_used_ = 0;
    Pool node_pool_;
    Pool short_entries_{Entry::bytes_for(short_name)};
    Pool middle_entries_{Entry::bytes_for(middle_name)};
    Pool long_entries_{Entry::bytes_for(longest_name)};

public:
    RamFs();
};

// ---- the entries of a directory

class Table {
public:
    ~Table() { delete[] buckets_; }
    Entry* find(std::string_view name) const
    {
        if (!buckets_) return nullptr;
        uint32_t hash = hash_of(name);
        Entry* entry = buckets_[hash & (bucket_count_ - 1)];
        while (entry && (entry->hash != hash || entry->text() != name))
            entry = entry->next_in_bucket;
        return entry;
    }
    // False if there is no memory.
    bool make_room()
    {
        if (count_ < bucket_count_) return true;
        size_t wanted = std::max<size_t>(8, bucket_count_ * 2);
        Entry** made = RamFs::has_room_for_names(wanted * sizeof(void*)) ? new (std::nothrow)
                                                                               Entry*[wanted]()
                                                                         : nullptr;
        if (!made) return buckets_;  // longer chains will do
        delete[] buckets_;
        buckets_ = made;
        bucket_count_ = wanted;
        for (Entry* entry = first_; entry; entry = entry->next) put(entry);
        return true;
    }
    void add(Entry* entry)
    {
        put(entry);
        entry->previous = last_;
        entry->next = nullptr;
        (last_ ? last_->next : first_) = entry;
        last_ = entry;
        ++count_;
    }
    void remove(Entry* entry)
    {
        Entry** link = &buckets_[entry->hash & (bucket_count_ - 1)];
        while (*link != entry) link = &(*link)->next_in_bucket;
        *link = entry->next_in_bucket;
        (entry->previous ? entry->previous->next : first_) = entry->next;
        (entry->next ? entry->next->previous : last_) = entry->previous;
        if (cursor_ == entry) cursor_ = entry->previous;
        --count_;
    }
    // The first entry behind a position. Whoever goes through it once finds it in one step.
    Entry* after(uint64_t position)
    {
        Entry* entry = cursor_;
        while (entry && entry->serial > position) entry = entry->previous;
        entry = entry ? entry->next : first_;
        while (entry && entry->serial <= position) entry = entry->next;
        if (entry) cursor_ = entry;
        return entry;
    }
    Entry* first() const { return first_; }

private:
    void put(Entry* entry)
    {
        Entry*& bucket = buckets_[entry->hash & (bucket_count_ - 1)];
        entry->next_in_bucket = bucket;
        bucket = entry;
    }

    Entry** buckets_ = nullptr;  // a power of two of them
    size_t bucket_count_ = 0, count_ = 0;
    Entry *first_ = nullptr, *last_ = nullptr;
    Entry* cursor_ = nullptr;  // what after() found last
};

// ---- nodes

class RamNode final : public fs::Node {
public:
    explicit RamNode(RamFs& owner) : owner_(owner) {}
    ~RamNode();
    RamNode(const RamNode&) = delete;
    Result<void> start();  // with its type

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
    Result<void> set_modified(int64_t seconds) override
    {
        modified_s = seconds;
        return {};
    }
    Result<void> set_mode(uint16_t permissions) override
    {
        mode = permissions;
        return {};
    }

    RamNode *next = nullptr, *previous = nullptr;  // of all
    std::span<const std::byte> lent;               // not longer than the file

private:
    void release() override { owner_.drop(this); }
    Result<Entry*> entry_for(std::string_view name) const;
    Result<void> enter(std::string_view name, RamNode& node);
    std::byte* block(uint64_t index) const;  // null where there is a hole
    std::byte* make_block(uint64_t index);   // null if there is no room
    void copy_lent(uint64_t offset, std::span<std::byte> into) const;
    void cut(std::byte*& tree, unsigned height, uint64_t from);
    static std::byte*& branch(std::byte* tree, size_t index)
    {
        return reinterpret_cast<std::byte**>(tree)[index];
    }
    static size_t index_at(uint64_t block, unsigned height)
    {
        return static_cast<size_t>(block >> (height - 1) * fan_shift) % fan_out;
    }
    bool reaches(uint64_t block) const { return block >> height_ * fan_shift == 0; }

    RamFs& owner_;
    // Files and links: a block, or a block of branches to such trees of a smaller height.
    std::byte* tree_ = nullptr;
    unsigned height_ = 0;
    Table* table_ = nullptr;  // directories
};

RamNode::~RamNode()
{
    cut(tree_, height_, 0);
    for (Entry* entry = table_ ? table_->first() : nullptr; entry;) {
        Entry* following = entry->next;
        owner_.drop(entry);
        entry = following;
    }
    delete table_;
}

Result<void> RamNode::start()
{
    if (type == NodeType::directory) table_ = TRY(make<Table>());
    return {};
}

std::byte* RamNode::block(uint64_t index) const
{
    if (!reaches(index)) return nullptr;
    std::byte* tree = tree_;
    for (unsigned height = height_; tree && height; --height)
        tree = branch(tree, index_at(index, height));
    return tree;
}

std::byte* RamNode::make_block(uint64_t index)
{
    for (; !reaches(index); ++height_) {
        if (!tree_) continue;
        std::byte* higher = owner_.take_block();
        if (!higher) return nullptr;
        branch(higher, 0) = tree_;
        tree_ = higher;
    }
    std::byte** tree = &tree_;
    for (unsigned height = height_;; --height) {
        bool is_new = !*tree;
        if (is_new) *tree = owner_.take_block();
        if (!*tree || height == 0) {
            if (*tree && is_new) copy_lent(index * block_bytes, {*tree, block_bytes});
            return *tree;
        }
        tree = &branch(*tree, index_at(index, height));
    }
}

// What a file has where nothing has been written: zeros behind what it was lent.
void RamNode::copy_lent(uint64_t offset, std::span<std::byte> into) const
{
    size_t there = offset < lent.size() ? lent.size() - static_cast<size_t>(offset) : 0;
    there = std::min(there, into.size());
    if (there) memcpy(into.data(), lent.data() + offset, there);
    memset(into.data() + there, 0, into.size() - there);
}

// Frees what a tree has from block `from` on. It calls itself at most six deep.
void RamNode::cut(std::byte*& tree, unsigned height, uint64_t from)
{
    if (!tree || from >> height * fan_shift) return;
    if (height) {
        size_t first = index_at(from, height);
        for (size_t i = first; i < fan_out; ++i) {
            uint64_t rest = from & ((uint64_t{1} << (height - 1) * fan_shift) - 1);
            cut(branch(tree, i), height - 1, i == first ? rest : 0);
        }
    }
    if (from) return;
    owner_.give_block(tree);
    tree = nullptr;
}

Result<size_t> RamNode::read(uint64_t offset, std::span<std::byte> into)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (offset >= size) return size_t{0};
    auto bytes = static_cast<size_t>(std::min<uint64_t>(into.size(), size - offset));
    for (size_t done = 0; done < bytes;) {
        size_t within = (offset + done) % block_bytes;
        size_t piece = std::min(bytes - done, block_bytes - within);
        if (const std::byte* from = block((offset + done) / block_bytes))
            memcpy(into.data() + done, from + within, piece);
        else
            copy_lent(offset + done, into.subspan(done, piece));
        done += piece;
    }
    return bytes;
}

Result<size_t> RamNode::write(uint64_t offset, std::span<const std::byte> from)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (offset > fs::max_file_bytes || from.size() > fs::max_file_bytes - offset)
        return Error::too_large;
    size_t done = 0;
    while (done < from.size()) {
        size_t within = (offset + done) % block_bytes;
        size_t piece = std::min(from.size() - done, block_bytes - within);
        std::byte* to = make_block((offset + done) / block_bytes);
        if (!to) break;
        memcpy(to + within, from.data() + done, piece);
        done += piece;
    }
    if (done == 0) return from.empty() ? Result<size_t>(size_t{0}) : Error::no_space;
    size = std::max(size, offset + done);
    modified_s = fs::now_s();
    return done;
}

Result<void> RamNode::truncate(uint64_t bytes)
{
    if (type == NodeType::directory) return Error::is_directory;
    if (bytes > fs::max_file_bytes) return Error::too_large;
    if (bytes < size) {
        cut(tree_, height_, (bytes + block_bytes - 1) / block_bytes);
        size_t within = bytes % block_bytes;
        if (std::byte* last = within ? block(bytes / block_bytes) : nullptr)
            memset(last + within, 0, block_bytes - within);
        if (!tree_) height_ = 0;
        if (lent.size() > bytes) lent = lent.first(static_cast<size_t>(bytes));
    }
    size = bytes;
    modified_s = fs::now_s();
    return {};
}

Result<fs::Node*> RamNode::find(std::string_view name)
{
    if (type != NodeType::directory) return Error::not_directory;
    Entry* entry = table_->find(name);
    return entry ? static_cast<fs::Node*>(entry->node) : nullptr;
}

Result<bool> RamNode::next_entry(uint64_t& position, DirectoryEntry& entry)
{
    if (type != NodeType::directory) return Error::not_directory;
    Entry* found = table_->after(position);
    if (!found) return false;
    entry.name.clear();
    entry.name.append(found->text());
    entry.type = found->node->type;
    entry.id = found->node->id;
    position = found->serial;
    return true;
}

Result<void> RamNode::read_link(Text<fs::max_path>& target)
{
    if (type != NodeType::symlink) return Error::invalid;
    if (const std::byte* text = block(0))
        target.append({reinterpret_cast<const char*>(text), static_cast<size_t>(size)});
    return {};
}

Result<void> RamNode::enter(std::string_view name, RamNode& node)
{
    if (type != NodeType::directory) return Error::not_directory;
    if (links == 0) return Error::not_found;
    if (!table_->make_room()) return Error::no_space;
    table_->add(TRY(owner_.make_entry(name, node)));
    modified_s = fs::now_s();
    return {};
}

Result<fs::Node*> RamNode::create(std::string_view name, NodeType kind, uint16_t permissions)
{
    RamNode* node = TRY(owner_.make_node(kind, permissions));
    if (auto entered = enter(name, *node); !entered) {
        owner_.drop(node);
        return entered.error();
    }
    return node;
}

Result<void> RamNode::make_link(std::string_view name, std::string_view target)
{
    if (target.size() >= fs::max_path) return Error::too_large;
    RamNode* link = TRY(owner_.make_node(NodeType::symlink, 0777));
    Result<void> result;
    if (auto written = link->write(0, std::as_bytes(std::span(target))); !written)
        result = written.error();
    if (result) result = enter(name, *link);
    if (!result) owner_.drop(link);
    return result;
}

Result<void> RamNode::add_name(std::string_view name, fs::Node& file)
{
    TRY(enter(name, static_cast<RamNode&>(file)));
    ++file.links;
    return {};
}

Result<Entry*> RamNode::entry_for(std::string_view name) const
{
    if (type != NodeType::directory) return Error::not_directory;
    Entry* entry = table_->find(name);
    if (!entry) return Error::not_found;
    return entry;
}

Result<void> RamNode::remove(std::string_view name)
{
    Entry* entry = TRY(entry_for(name));
    if (entry->node->table_ && entry->node->table_->first()) return Error::not_empty;
    --entry->node->links;
    table_->remove(entry);
    owner_.drop(entry);
    modified_s = fs::now_s();
    return {};
}

Result<void> RamNode::rename(std::string_view name, fs::Node& to, std::string_view new_name)
{
    Entry* entry = TRY(entry_for(name));
    auto& target = static_cast<RamNode&>(to);
    if (auto replaced = target.entry_for(new_name)) {
        --replaced.value()->node->links;
        replaced.value()->node = entry->node;
    } else if (replaced.error() == Error::not_found) {
        TRY(target.enter(new_name, *entry->node));
    } else {
        return replaced.error();
    }
    table_->remove(entry);
    owner_.drop(entry);
    modified_s = to.modified_s = fs::now_s();
    return {};
}

// ---- the volume

RamFs::RamFs() : node_pool_(sizeof(RamNode)) {}

RamFs::~RamFs()
{
    while (nodes_) drop(nodes_);
}

Result<void> RamFs::start()
{
    type = "ramfs";
    read_only = nullptr;
    root_ = TRY(make_node(NodeType::directory, 0755));
    TRY(free_bytes());
    return {};
}

fs::Node& RamFs::root() { return *root_; }

uint64_t RamFs::room(unsigned part)
{
    KernelMemory memory = kernel_memory();
    size_t reserve = std::min(memory.total / 4, largest_reserve) / part;
    return memory.free > reserve ? memory.free - reserve : 0;
}

Result<uint64_t> RamFs::free_bytes()
{
    bytes = block_bytes_used_ + room();
    return room();
}

std::byte* RamFs::take_block()
{
    auto block = room() >= block_bytes ? new (std::nothrow) std::byte[block_bytes]() : nullptr;
    if (block) block_bytes_used_ += block_bytes;
    return block;
}

void RamFs::give_block(std::byte* block)
{
    block_bytes_used_ -= block_bytes;
    delete[] block;
}

Result<RamNode*> RamFs::make_node(NodeType type, uint16_t permissions)
{
    void* memory = has_room_for_names(block_bytes) ? node_pool_.take() : nullptr;
    if (!memory) return Error::no_space;
    auto node = new (memory) RamNode(*this);
    node->next = nodes_;
    if (nodes_) nodes_->previous = node;
    nodes_ = node;
    node->type = type;
    node->mode = permissions;
    node->id = ++last_id_;
    node->modified_s = fs::now_s();
    if (auto started = node->start(); !started) {
        drop(node);
        return Error::no_space;
    }
    return node;
}

void RamFs::drop(RamNode* node)
{
    (node->previous ? node->previous->next : nodes_) = node->next;
    if (node->next) node->next->previous = node->previous;
    node->~RamNode();
    node_pool_.give(node);
}

Result<Entry*> RamFs::make_entry(std::string_view name, RamNode& node)
{
    if (name.size() > longest_name) return Error::too_large;
    void* memory = has_room_for_names(block_bytes) ? pool_of(name.size()).take() : nullptr;
    if (!memory) return Error::no_space;
    auto entry = static_cast<Entry*>(memory);
    entry->node = &node;
    entry->serial = ++last_serial_;
    entry->hash = hash_of(name);
    entry->length = static_cast<uint8_t>(name.size());
    memcpy(entry->name, name.data(), name.size());
    return entry;
}

}  // namespace

Result<fs::FileSystem*> ramfs::make_empty()
{
    RamFs* ram = TRY(make<RamFs>());
    if (auto started = ram->start(); !started) {
        delete ram;
        return started.error();
    }
    return ram;
}

void ramfs::lend(fs::Node& file, std::span<const std::byte> content)
{
    static_cast<RamNode&>(file).lent = content;
    file.size = content.size();
}

namespace fs {
extern const FileSystemDriver ramfs = {"ramfs", ::ramfs::mount_archive, "ram", ::ramfs::make_empty};
}
