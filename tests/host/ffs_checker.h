// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include <gtest/gtest.h>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

// tests/ffs_check.py, for many volumes. It says in the test's output what is wrong.
class FfsChecker {
public:
    explicit FfsChecker(bool after_cut = false)
    {
        std::string command = "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py --stream";
        program_ = popen((command + (after_cut ? " --after-cut" : "")).c_str(), "w");
    }
    ~FfsChecker() { finish(); }
    FfsChecker(const FfsChecker&) = delete;
    void add(const std::vector<char>& image)
    {
        uint64_t length = image.size();
        fwrite(&length, sizeof length, 1, program_);
        fwrite(image.data(), 1, image.size(), program_);
    }
    void finish()
    {
        if (!program_) return;
        EXPECT_EQ(pclose(std::exchange(program_, nullptr)), 0) << "see above";
    }

private:
    FILE* program_;
};
