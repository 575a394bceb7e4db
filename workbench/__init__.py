# SPDX-License-Identifier: BSD-2-Clause
"""The workbench: builds the kernel and payloads, makes disks, runs and tests them."""
