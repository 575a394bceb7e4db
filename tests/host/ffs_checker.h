// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include <gtest/gtest.h>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

// tests/ffs_check.py, for many volumes. It says in the test's output what is wrong.
class FfsChecker {
public:
    explicit FfsChecker(bool after_cut = false)
    {
        std::string command = "/usr/bin/python3 -B " VESPER_TESTS "/ffs_check.py --stream";
        program_ = popen((command + (after_cut ? " --after-cut" : "")).c_str(), "w");
    }
    ~FfsChecker() { EXPECT_EQ(pclose(program_), 0) << "see above"; }
    FfsChecker(const FfsChecker&) = delete;
    void add(const std::vector<char>& image)
    {
        uint64_t length = image.size();
        fwrite(&length, sizeof length, 1, program_);
        fwrite(image.data(), 1, image.size(), program_);
    }

private:
    FILE* program_;
};
