# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: counted runs of QEMU, the peers, kernel files."""
