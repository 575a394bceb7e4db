// SPDX-License-Identifier: BSD-2-Clause
#pragma once
#include "hal/classes.h"

// Reads the disk's partition tables and publishes a BlockDevice for each partition: wd0a, wd0p1.
// A disk without any is a volume itself: nothing is published. What is damaged is logged and left
// out.
void find_partitions(BlockDevice& disk);

// Disks that have come are published, with their partitions; those that have gone are gone. What it
// finds is at the end of the list. Not for interrupt handlers.
void look_for_disks();
