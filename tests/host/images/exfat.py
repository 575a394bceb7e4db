#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Empty exFAT volumes by mkfs.exfat: no tool fills one without mounting it."""
import os
import subprocess
import sys

ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8",
               "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}

VOLUMES = {  # KiB, mkfs.exfat's options
    "empty_exfat": (3000, ["-c", "512", "-b", "4K"]),
    "empty_exfat_4k_clusters": (6000, ["-c", "4K", "-L", "Volume Ä"]),
    "empty_exfat_32k_clusters": (16000, ["-c", "32K"]),
    "empty_exfat_large": (8000, ["-c", "512"]),
}


def main(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    for name, (kibibytes, options) in VOLUMES.items():
        image = os.path.join(folder, name + ".img")
        with open(image, "wb") as file:
            file.truncate(kibibytes * 1024)
        subprocess.run(["mkfs.exfat", *options, image], env=ENVIRONMENT, check=True,
                       stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1])
