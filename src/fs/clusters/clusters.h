// SPDX-License-Identifier: BSD-2-Clause
// What FAT and exFAT are both made of: files that are chains of clusters, and directories of slots
// of 32 bytes, some of which, one after the other, are a file's entry set.
//
// The order of writing, so that whatever a power cut leaves is consistent: new clusters are marked
// as used, and nothing on the medium names them until sync(). That writes the data and the tables,
// then what leads to the new clusters (the link behind a file's old end, entry sets), and then
// gives back what no entry names any more. So a file is on the medium as it was at the last sync,
// but for what was overwritten in place, until the next is through. An entry set lies in one chunk
// of 512 bytes if it fits there, as that is written wholly or not at all.
#pragma once
#include <algorithm>
#include <array>
#include "fs/fs.h"
#include "fs/name_index.h"
#include "fs/removed_names.h"

namespace fs {

constexpr uint32_t slot_bytes = 32;
constexpr uint32_t chunk_bytes = 512;  // the smallest sector
constexpr uint32_t max_set_slots = 21;
constexpr size_t max_units = 255;  // of UTF-16, in a name

// The next character of UTF-8, which is taken off; what is no UTF-8 is beyond 0x10ffff.
uint32_t take_utf8(std::string_view& text);
// A name that these file systems can hold, as UTF-16. Errors: invalid, too_large.
Result<size_t> name_units(std::string_view name, char16_t (&units)[max_units]);

// "Date and Time Formats" of FAT and Timestamp of exFAT: the date is the high half. 0 where there
// is none; what cannot be said is as near as can be. Of exFAT: 10msIncrement, of which the odd
// second counts, and UtcOffset (7.4.9, 7.4.10).
int64_t seconds_of_dos_time(uint32_t time, uint8_t hundredths, uint8_t utc_offset);
uint32_t dos_time(int64_t seconds);

namespace attribute {
constexpr uint16_t read_only = 0x01, volume_id = 0x08, directory = 0x10, archive = 0x20;
}

struct Clusters {  // adjacent ones
    uint32_t first = 0, count = 0;
};

// What a volume is made of.
struct Shape {
    const char* type = "";
    unsigned entry_bits = 0;     // of the allocation table: 12, 16, or 32
    uint32_t entry_mask = 0;     // what of an entry counts
    uint32_t cluster_bytes = 0;  // a power of two
    uint32_t clusters = 0;       // they are numbered from 2
    uint64_t fat = 0;            // where on the volume, in bytes
    uint64_t fat_bytes = 0;
    unsigned fat_copies = 0;  // the same thing, one after the other
    uint64_t data = 0;        // cluster 2
    uint64_t max_file_bytes = 0;
    uint32_t max_directory_bytes = 0;
    // exFAT: files say up to where they hold data, and whether their clusters are adjacent;
    // directories have a size.
    bool extended = false;
    uint32_t body_slots = 1;  // of an entry set: all but the name. The first ones of exFAT,
    bool body_last = false;   // the last one of FAT
};

// A chunk of a table on the medium, while it is being worked on.
class Window {
public:
    explicit Window(BlockCache& cache) : cache_(cache) {}
    // `overlap`: bytes of the next chunk that are wanted, too. The copies are only read.
    void place(uint64_t start, uint64_t bytes, unsigned overlap = 0, unsigned copies = 1);
    uint64_t offset_of(uint64_t offset) const { return start_ + offset; }  // on the volume
    Result<std::byte*> at(uint64_t offset);
    // From this offset on as much as can be had without copying; until anything else is done.
    Result<std::span<const std::byte>> look(uint64_t offset);
    // In what at() gave for this offset.
    void changed(uint64_t offset, size_t bytes);
    Result<void> write();
    // Until it ends, what is not in memory is busy; the first such place on the volume, or 0.
    void begin_ahead() { looks_ahead_ = true; }
    uint64_t end_ahead();
    bool looks_ahead() const { return looks_ahead_; }

private:
    bool has_to_wait(uint64_t offset, size_t bytes);
    Result<void> load(uint64_t piece);

    BlockCache& cache_;
    uint64_t start_ = 0, bytes_ = 0, piece_ = ~0ull;
    unsigned overlap_ = 0, copies_ = 1;
    size_t changed_from_ = 0, changed_to_ = 0;
    bool looks_ahead_ = false;
    uint64_t soon_ = 0;
    std::array<std::byte, chunk_bytes + 1> data_;
};

class ClusterNode;
class Slots;

// What an entry set says.
struct EntrySet {
    uint32_t position = 0, slots = 0;  // in its directory: bytes, and how many
    uint64_t offset = 0;               // on the volume, of its body: the node's id
    Text<max_name> name;
    Text<40> short_name;  // which leads to it, too; FAT
    uint16_t attributes = 0;
    uint32_t first = 0;     // cluster
    bool adjacent = false;  // all clusters are
    uint64_t size = 0, valid = 0;
    uint32_t time = 0;  // when it was modified
    uint8_t hundredths = 0, utc_offset = 0;
    bool is_directory() const { return attributes & attribute::directory; }
};

// Of a directory, in the cache: what slots were last looked at in.
struct Chunk {
    const ClusterNode* directory = nullptr;
    uint32_t position = 0, replaced = 0;  // it stays while the cache has replaced no more lines
    uint64_t offset = 0;                  // on the volume
    const std::byte* data = nullptr;
};

class ClusterVolume : public FileSystem {
public:
    ClusterVolume(BlockCache& cache, const Shape& shape);
    ~ClusterVolume() override;

    Node& root() override;
    Result<void> sync() override;
    Result<uint64_t> free_bytes() override;

    const Shape shape;

    bool is_cluster(uint32_t n) const { return n >= 2 && n - 2 < shape.clusters; }
    uint64_t offset_of(uint32_t cluster) const
    {
        return shape.data + (uint64_t{cluster - 2} << cluster_shift_);
    }
    uint64_t index_of(uint64_t offset) const { return offset >> cluster_shift_; }
    uint32_t clusters_for(uint64_t bytes) const
    {
        return static_cast<uint32_t>(
            std::min<uint64_t>(index_of(bytes) + ((bytes & (shape.cluster_bytes - 1)) != 0), ~0u));
    }

    // ---- the allocation table. What is changed in it comes to the cache at write_tables().
    Result<uint32_t> entry(uint32_t cluster);
    Result<void> set_entry(uint32_t cluster, uint32_t value);
    bool is_split(uint32_t cluster) const  // FAT12: its entry may be in two sectors
    {
        return shape.entry_bits == 12 && cluster * 12 / 8 % chunk_bytes == chunk_bytes - 1;
    }
    // The cluster after this one in its chain, 0 at the chain's end.
    Result<uint32_t> next_cluster(uint32_t cluster);
    // How many clusters follow this one in its chain that are right behind it: some of them.
    Result<uint32_t> adjacent_after(uint32_t cluster);
    Result<void> link(uint32_t cluster, uint32_t next);  // 0: it is the last
    Result<void> link_all(Clusters run);                 // as a chain that ends
    uint64_t entry_offset(uint32_t cluster) const;       // on the volume
    Window& table() { return table_; }
    virtual Result<void> write_tables() { return table_.write(); }

    // Some free clusters that are adjacent, at most as many as wanted, marked as used; if possible
    // from `goal` on. On FAT they are a chain that ends. Errors: no_space.
    Result<Clusters> allocate(uint32_t goal, uint32_t wanted);
    // Clusters that nothing will name after the next sync(): `first` and, if count is 0, what the
    // allocation table has after it, else those after it.
    void give_back(Clusters chain);

    // ---- nodes
    Result<ClusterNode*> node_of(ClusterNode& directory, const EntrySet& set);
    void lost_name(ClusterNode& node);
    void list_changed(ClusterNode& node);
    void unlist(ClusterNode& node);

    // Before anything is changed. Errors: read_only.
    Result<void> begin_change();
    Result<void> write_all();  // to the medium
    uint32_t times_written() const { return times_written_; }
    Result<void> write_zeros(uint64_t offset, uint64_t bytes, BlockCache::Kind kind);

    uint32_t hash_of(std::string_view name) const;
    bool same_name(std::string_view a, std::string_view b) const;

    template <class... Args> Error corrupt(std::string_view format, const Args&... args) const
    {
        Text<128> what;
        what.print(format, args...);
        return log_corrupt(what);
    }
    BlockCache& cache() { return cache_; }
    RemovedNames removed;
    Chunk last_chunk;
    EntrySet listed;  // last: large

    // ---- what differs

    // The next file or directory, but "." and ".."; false at the end.
    virtual Result<bool> next_set(Slots& slots, EntrySet& set) = 0;
    // A new set of this name, its body empty; how many slots it has. Errors: invalid, too_large.
    virtual Result<uint32_t> make_set(ClusterNode& directory, std::string_view name,
                                      std::byte* set) = 0;
    virtual void update_set(std::byte* set, uint32_t slots, const ClusterNode& node) = 0;
    // All but the name.
    virtual void copy_body(const std::byte* from, uint32_t from_slots, std::byte* to,
                           uint32_t to_slots) = 0;
    // Another name that leads to it; "" without one.
    virtual Text<40> short_name_in(const std::byte*, uint32_t) const { return {}; }
    virtual bool is_free(const std::byte* slot) const = 0;
    virtual void erase(std::byte* slot) const = 0;
    virtual uint32_t fold(uint32_t character) const = 0;  // upper and lower case become the same
    // A new directory, whose one cluster is zeros.
    virtual Result<void> begin_directory(ClusterNode&, ClusterNode&) { return {}; }
    // Where on the volume a directory says which its parent is; 0 if it does not.
    virtual Result<uint64_t> parent_link(ClusterNode&) { return uint64_t{0}; }
    virtual Result<void> set_parent(uint64_t, ClusterNode&) { return {}; }

    // Where on the volume it says that a cluster is used.
    virtual uint64_t mark_offset(uint32_t cluster) const { return entry_offset(cluster); }

protected:
    void start(ClusterNode& root);
    // The first free ones from `from` on and before `to`; count is 0 if there are none. Those whose
    // marks are in two sectors only if `any`.
    virtual Result<Clusters> find_free(uint32_t from, uint32_t to, uint32_t wanted, bool any) = 0;
    virtual Result<void> mark(Clusters run, bool used) = 0;
    virtual Result<uint32_t> count_free() = 0;
    // That there are changes that have not been synced; or none any more.
    virtual Result<void> set_dirty(bool dirty) = 0;
    virtual Result<void> write_summary(uint32_t free, uint32_t next_free) = 0;

    static constexpr uint32_t unknown = ~0u;
    uint32_t free_ = unknown;  // clusters
    uint32_t rover_ = 2;       // where to look for free ones

private:
    friend class ClusterNode;
    Error log_corrupt(std::string_view what) const;
    Result<void> prepare_tables();
    Result<Clusters> search(uint32_t goal, uint32_t wanted, bool any);
    Result<void> give(Clusters run);
    Result<void> give_chain(Clusters chain);
    Result<void> give_all();
    bool has_surplus() const;
    Result<void> trim_all();
    Result<void> write_changed_sets();
    Result<void> write_copies();
    Result<void> write_counts();

    static constexpr uint32_t group_clusters = 4096;  // that are known to be full, or not

    BlockCache& cache_;
    unsigned cluster_shift_;
    Window table_;
    ClusterNode* root_ = nullptr;
    ClusterNode* changed_nodes_ = nullptr;
    Buffer zeros_, full_groups_, changed_pieces_;  // bits; the latter of the table, 4 KiB each
    uint32_t nameless_ = 0;                        // files that are open, but have been removed
    bool changed_ = false;                         // since the last sync
    bool marked_ = false;                          // clusters as used, since tables were written
    uint32_t times_written_ = 0;
    Clusters pending_[256];  // to be given back
    size_t pending_count_ = 0;
};

class ClusterNode final : public CachedNode {
public:
    explicit ClusterNode(ClusterVolume& volume) : volume_(volume) {}
    ~ClusterNode() override;
    ClusterNode(const ClusterNode&) = delete;
    bool is_needed() const override { return changed || children || growing || links == 0; }
    void given_up() override;

    Result<size_t> read(uint64_t offset, std::span<std::byte> into) override;
    Result<Node*> find(std::string_view name) override;
    Result<bool> next_entry(uint64_t& position, DirectoryEntry& entry) override;
    Result<void> read_link(Text<max_path>&) override { return Error::invalid; }
    Result<size_t> write(uint64_t offset, std::span<const std::byte> from) override;
    Result<void> truncate(uint64_t bytes) override;
    Result<Node*> create(std::string_view name, NodeType kind, uint16_t permissions) override;
    Result<void> make_link(std::string_view, std::string_view) override;
    Result<void> remove(std::string_view name) override;
    Result<void> rename(std::string_view name, Node& to, std::string_view new_name) override;
    Result<void> set_modified(int64_t seconds) override;
    Result<void> set_mode(uint16_t permissions) override;

    void take(const EntrySet& set);  // what it says

    // Directories: where on the volume a place in it is; 0 beyond its end.
    Result<uint64_t> locate(uint32_t position);
    // False if there is none. Errors: not_directory.
    Result<bool> find_set(std::string_view name, EntrySet& set);
    // The clusters from this one of its chain on that are adjacent, at most as many as wanted;
    // count is 0 beyond the end.
    Result<Clusters> run_at(uint32_t index, uint32_t wanted);
    Result<void> write_back();   // to the cache: what leads to its clusters, and its entry set
    Result<uint32_t> surplus();  // how many clusters it has more than it needs
    // Gives them back; true: the allocation table has been changed, which goes before that.
    Result<bool> trim();
    ClusterVolume& volume() { return volume_; }

    uint32_t first = 0;     // cluster
    bool adjacent = false;  // its clusters are, and the table says nothing about them
    uint64_t valid = 0;     // what is behind it, up to the size, is zeros
    uint16_t attributes = 0;
    uint64_t fixed = 0;  // the root of FAT12 and FAT16: where it is
    uint32_t fixed_bytes = 0;
    ClusterNode* parent = nullptr;     // which has its entry set
    uint32_t position = 0, slots = 0;  // where
    uint32_t children = 0;             // nodes whose parent it is

    ClusterNode *next_changed = nullptr, *previous_changed = nullptr;
    bool changed = false;     // it is in that list
    bool wants_trim = false;  // it has more clusters than it needs
    bool growing = false;     // it will be changed in a moment

private:
    struct Run {
        uint32_t index, first, count;
    };
    struct Piece {
        uint64_t offset;
        uint32_t bytes;
    };
    struct Gap {
        uint32_t position, slots;
    };
    static constexpr uint32_t most_runs = 1024, nowhere = ~0u;

    void release() override;
    Result<void> begin();  // a change
    void touch();
    Result<void> check_directory() const;
    void set_permissions(uint16_t permissions);

    Result<void> begin_chain();
    Result<void> step();
    Result<uint32_t> next_of(uint32_t cluster);
    Result<uint32_t> walk_to(const Run& run, uint32_t index);
    const Run& run_of(uint32_t index) const;
    void add_run(uint32_t cluster, uint32_t count);
    void forget_chain();
    void set_known_empty() { ended_ = true; }  // a new one
    Result<uint32_t> chain_length();
    Result<void> append(Clusters run);
    Result<void> make_chain();
    Result<uint64_t> reserve(uint64_t bytes);
    void give_up_growing();
    void drop_clusters();
    Result<Piece> piece(uint64_t offset, uint64_t wanted);
    void look_ahead(uint64_t offset, size_t bytes);
    Result<void> write_data(uint64_t offset, std::span<const std::byte> from);
    Result<void> write_gap(uint64_t end);

    Result<void> build_index();
    void index(const EntrySet& set, bool add);
    void drop_index();
    uint32_t most_names();
    Result<uint32_t> find_room(uint32_t count);
    Result<uint32_t> scan_for_room(uint32_t count);
    Result<uint32_t> room_at_end(uint32_t count);
    uint32_t take_gap(uint32_t count);
    void add_gap(uint32_t place, uint32_t count);
    void fill_gaps(uint32_t place, uint32_t count);
    Result<void> grow();
    Result<void> read_slots(uint32_t place, std::span<std::byte> into);
    Result<void> write_slots(uint32_t place, std::span<const std::byte> from, bool forward);
    Result<void> check_behind(uint32_t place);
    Result<void> put_at_end(uint32_t place, std::span<const std::byte> set);
    Result<void> put(uint32_t place, std::span<const std::byte> set);
    Result<void> order_new_chunks(uint32_t place, uint64_t later);
    Result<void> erase(const EntrySet& set);
    uint32_t key_of(std::string_view name) const
    {
        return volume_.hash_of(name) ^ static_cast<uint32_t>(id);
    }
    Result<void> note_removed(const EntrySet& set);
    Result<void> order_after_removed(std::string_view name, std::span<const std::byte> set,
                                     uint64_t body);
    Result<uint64_t> body_of(uint32_t place, uint32_t count);
    Result<void> settle(ClusterNode& node, uint32_t place);
    Result<void> make_first_cluster(ClusterNode& directory);
    Result<void> order_first_cluster(const ClusterNode& directory, uint64_t body);
    Result<void> enter(ClusterNode& node, std::string_view name);
    Result<bool> rename_in_chunk(ClusterNode& node, const EntrySet& old, std::string_view name,
                                 std::span<const std::byte> set);
    Result<void> finish_rename(ClusterNode& node, const EntrySet& old, ClusterNode& to,
                               uint32_t place, uint32_t count);
    Result<void> replace(ClusterNode& node, const EntrySet& old, ClusterNode& to,
                         const EntrySet& there);

    ClusterVolume& volume_;

    // The chain as far as it is known: some of its runs, in order, always the first one. Those
    // between are found from the one before.
    Run few_runs_[2] = {};
    Run* runs_ = few_runs_;
    uint32_t run_count_ = 0, run_room_ = 2;
    uint32_t known_ = 0;  // clusters
    uint32_t tail_ = 0;   // the last of them
    uint32_t loop_mark_ = 0;
    uint64_t soon_ = 0;   // what of the table was not here when it looked ahead, or 0
    bool ended_ = false;  // there are no more
    bool end_checked_ = false;
    uint32_t walked_index_ = 0, walked_cluster_ = 0;  // where a walk between runs ended
    // A link that is not yet in the table, as it is to be on the medium after what it leads to.
    uint32_t link_from_ = 0, link_to_ = 0;
    bool fresh_tail_ = false;  // nothing on the medium leads to the last cluster

    // Directories.
    NameIndex* index_ = nullptr;
    uint32_t names_ = 0;  // in it, or when there was one
    bool no_index_ = false;
    uint32_t end_ = nowhere;     // nothing is there or behind, once it is known
    Gap gaps_[8] = {};           // some free slots before the end
    bool may_have_gaps_ = true;  // more
    uint32_t scanned_ = 0;       // up to where none of them are
    uint32_t old_end_ = 0;       // on the medium, if nothing has been written since
    uint32_t old_end_at_ = 0;    // so many times_written()
};

// The slots of a directory, one after the other.
class Slots {
public:
    Slots(ClusterNode& directory, uint64_t position);
    // The one at position(), which moves on; null where the directory ends. It is there until
    // anything else is done.
    Result<const std::byte*> next();
    void back() { position_ -= slot_bytes; }
    void seek(uint32_t position) { position_ = position; }
    uint32_t position() const { return position_; }
    uint64_t offset() const { return chunk_.offset + (position_ - slot_bytes) % chunk_bytes; }
    ClusterNode& directory() { return directory_; }

private:
    ClusterNode& directory_;
    uint32_t position_;
    Chunk chunk_;
};

}  // namespace fs
