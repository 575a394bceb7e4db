# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's file, as a boot loader reads it, stays small."""
import pytest

from workbench import build


@pytest.mark.parametrize("config, limit_kib", [("GENERIC", 640), ("MINE", 512), ("TINY", 96)])
def test_the_kernel_file_is_small(config, limit_kib):
    assert build.kernel(config).stat().st_size < limit_kib << 10
