# SPDX-License-Identifier: BSD-2-Clause
"""The rules of include/vesper.h, kept in the machine: payloads/api.c looks, from inside."""
import re
from pathlib import Path

import pytest

PAYLOAD = Path(__file__).parent / "payloads/api.c"
CHECKS = 63  # one of them needs SSE


@pytest.mark.parametrize("cpu", ("486,-pse", "pentium3", "max"))
def test_the_calling_rules(boot, cpu):
    machine = boot(PAYLOAD, "--cpu", cpu, "--append", "args=one  two")
    for key in "abcd":
        machine.see(f"press {key}")
        machine.type(key)
    machine.see("DONE", 60)
    machine.see(r"the payload returned (\d+)")
    passed = re.findall(r"^PASS (.*)$", machine.text(), re.M)
    failed = re.findall(r"^FAIL (.*)$", machine.text(), re.M)
    assert not failed
    assert len(passed) == CHECKS - cpu.startswith("486")
