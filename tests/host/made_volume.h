// SPDX-License-Identifier: BSD-2-Clause
// Volumes that are not among the images, because there is nothing on them: made when they are used.
#pragma once
#include <unistd.h>
#include <fstream>
#include "images.h"

struct MadeVolume {
    const char* name;
    unsigned mib;
    const char* maker;  // puts it into the file $0
    const char* checker;
    bool has_links = true;

    ImageDevice make() const
    {
        std::vector<char> bytes(mib << 20);
        std::string file = testing::TempDir() + "vesper-made-" + std::to_string(getpid());
        std::ofstream(file, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
        std::string command = "sh -c '" + std::string(maker) + "' " + file + " >/dev/null 2>&1";
        EXPECT_EQ(system(command.c_str()), 0) << command;
        std::ifstream in(file, std::ios::binary);
        in.read(bytes.data(), std::streamsize(bytes.size()));
        unlink(file.c_str());
        return ImageDevice(std::move(bytes));
    }
};
