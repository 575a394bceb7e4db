// SPDX-License-Identifier: BSD-2-Clause
// What is on an FFS volume: the structures of 4.4BSD's and NetBSD's <ufs/ffs/fs.h>,
// <ufs/ufs/dinode.h> and <ufs/ufs/dir.h>, with their names. All numbers of blocks are of fragments.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ufs {

constexpr uint32_t ufs1_magic = 0x011954, ufs2_magic = 0x19540119;

struct [[gnu::packed]] Counts {  // struct csum
    uint32_t directories, free_blocks, free_inodes, free_fragments;
};

struct [[gnu::packed]] Totals {  // struct csum_total
    uint64_t directories, free_blocks, free_inodes, free_fragments;
};

struct [[gnu::packed]] SuperBlock {  // struct fs
    uint8_t unused_0[8];
    uint32_t sblkno, cblkno, iblkno, dblkno;  // in each group: superblock, header, inodes, data
    uint32_t old_cgoffset, old_cgmask;        // UFS1: these are staggered over the disk's tracks
    int32_t old_time;
    uint32_t old_size;
    uint8_t unused_40[4];
    uint32_t ncg, bsize, fsize;
    uint8_t unused_56[96];
    uint32_t old_csaddr, cssize, cgsize;
    uint8_t unused_164[20];
    uint32_t ipg, fpg;
    Counts old_cstotal;
    uint8_t fmod, clean, ronly, old_flags;
    char fsmnt[468];
    char volname[32];
    uint8_t unused_712[152];
    uint8_t journal_version;  // NetBSD's
    uint8_t unused_865[39];
    uint32_t quota_magic;  // NetBSD's
    uint8_t unused_908[92];
    uint64_t sblockloc;
    Totals cstotal;
    uint8_t unused_1040[32];
    int64_t time;
    uint64_t size;
    uint8_t unused_1088[8];
    uint64_t csaddr;
    uint8_t unused_1104[12];
    uint32_t snapinum[20];
    uint8_t unused_1196[112];
    uint32_t metackhash;  // FreeBSD's
    uint32_t flags, contigsumsize;
    int32_t maxsymlinklen, old_inodefmt;
    uint64_t maxfilesize;
    uint8_t unused_1336[36];
    uint32_t magic;
};
static_assert(offsetof(SuperBlock, old_csaddr) == 152 && offsetof(SuperBlock, fpg) == 188);
static_assert(offsetof(SuperBlock, volname) == 680 && offsetof(SuperBlock, quota_magic) == 904);
static_assert(offsetof(SuperBlock, sblockloc) == 1000 && offsetof(SuperBlock, size) == 1080);
static_assert(offsetof(SuperBlock, csaddr) == 1096 && offsetof(SuperBlock, snapinum) == 1116);
static_assert(offsetof(SuperBlock, metackhash) == 1308 && offsetof(SuperBlock, magic) == 1372);
static_assert(sizeof(SuperBlock) == 1376);

constexpr uint32_t flag_unclean = 0x01, flag_soft_updates = 0x02, flag_needs_fsck = 0x04;
constexpr uint32_t flag_soft_journal = 0x08, flag_gjournal = 0x40;
constexpr uint32_t flag_wapbl = 0x100;       // NetBSD; where journal_version is not 0
constexpr uint32_t flag_quota2 = 0x200;      // NetBSD; where quota_magic is not 0
constexpr uint32_t flag_metackhash = 0x200;  // FreeBSD; where metackhash is not 0
constexpr uint8_t flags_updated = 0x80;      // old_flags: UFS1, but sblockloc and volname are there
constexpr int32_t inodefmt_44 = 2;

constexpr uint32_t group_magic = 0x090255;

struct [[gnu::packed]] GroupHeader {  // struct cg
    uint8_t unused_0[4];
    uint32_t magic;
    uint8_t unused_8[4];
    uint32_t cgx;
    uint8_t unused_16[4];
    uint32_t ndblk;
    Counts cs;
    uint32_t rotor, frotor, irotor;
    uint32_t frsum[8];  // runs of so many free fragments, but whole free blocks
    uint8_t unused_84[8];
    uint32_t iusedoff, freeoff, nextfreeoff, clustersumoff, clusteroff, nclusterblks, niblk;
    uint32_t initediblk;  // UFS2: inodes from here on have never been written
    uint8_t unused_124[44];
};
static_assert(offsetof(GroupHeader, iusedoff) == 92 && sizeof(GroupHeader) == 168);

constexpr uint32_t root_inode = 2;  // 1 stands in the place of a name that a union mount hides
constexpr unsigned direct_pointers = 12, indirect_pointers = 3;
constexpr unsigned all_pointers = direct_pointers + indirect_pointers;

struct [[gnu::packed]] Ufs1Inode {  // struct ufs1_dinode
    uint16_t mode;
    int16_t nlink;
    uint8_t unused_4[4];
    uint64_t size;
    int32_t atime, atimensec, mtime, mtimensec, ctime, ctimensec;
    std::byte pointers[all_pointers * 4];  // or the text of a short link
    uint32_t flags;
    uint32_t blocks;  // of 512 bytes
    uint32_t gen, uid, gid;
    uint8_t unused_120[8];
};
static_assert(offsetof(Ufs1Inode, blocks) == 104 && sizeof(Ufs1Inode) == 128);

struct [[gnu::packed]] Ufs2Inode {  // struct ufs2_dinode
    uint16_t mode;
    int16_t nlink;
    uint32_t uid, gid, blksize;
    uint64_t size, blocks;
    int64_t atime, mtime, ctime, birthtime;
    int32_t mtimensec, atimensec, ctimensec, birthnsec;
    uint32_t gen, kernflags, flags, extsize;
    uint64_t extb[2];  // of extended attributes
    std::byte pointers[all_pointers * 8];
    uint8_t unused_232[24];
};
static_assert(offsetof(Ufs2Inode, extb) == 96 && offsetof(Ufs2Inode, pointers) == 112);
static_assert(sizeof(Ufs2Inode) == 256);

constexpr size_t directory_piece = 512;  // DIRBLKSIZ: no record crosses from one to the next

}  // namespace ufs
