# SPDX-License-Identifier: BSD-2-Clause
"""`./vesper test`: checks, host tests, fuzzers, emulator tests, and one sum of all."""
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench import build, packages
from workbench.console import BUILD, ROOT, Problem

QUICK_FUZZ, FUZZ = ("-runs=0",), ("-max_total_time=2",)
LONG_FUZZ = ("-max_total_time=1800", "-runs=10000000")  # whichever comes first
LIMIT = {"check": 600, "host": 600, "fuzz": 300, "emu": 1200}  # seconds, builds included
CORPUS = ROOT / "tests/host/fuzz/corpus"
Result = tuple[int, int]  # passed, failed


def test(options) -> int:
    passed = failed = 0
    if options.long:
        os.environ["VESPER_LONG"] = "1"  # the host tests look at it
        LIMIT.update(dict.fromkeys(LIMIT, 86400))
    for name, part in (("check", check), ("host", host), ("fuzz", fuzz), ("emu", emulator)):
        if options.only not in (None, name) or (name == "check" and options.filter):
            continue
        try:
            good, bad = part(options)
        except Problem as problem:
            heading(f"{name}: {problem}")
            good, bad = 0, 1
        except subprocess.TimeoutExpired as late:
            heading(f"{name}: stopped after {late.timeout} s")
            good, bad = 0, 1
        heading(f"{name}: {good} passed, {bad} failed")
        passed += good
        failed += bad
    if not passed + failed:
        heading(f"no test's name contains '{options.filter}'")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


def heading(text: str) -> None:
    print(f"== {text}", flush=True)


def execute(part: str, *command, **options) -> subprocess.CompletedProcess:
    words = [str(word) for word in command]
    return subprocess.run(words, stdin=subprocess.DEVNULL, timeout=LIMIT[part], cwd=ROOT, **options)


def captured(part: str, *command) -> tuple[int, str]:
    result = execute(part, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                     errors="replace")
    return result.returncode, result.stdout.rstrip()


def check(options) -> Result:
    packages.ensure(*packages.CHECK, *packages.HOST)
    deep = ["--deep"] if options.long else []
    code, output = captured("check", sys.executable, ROOT / "tools/check", *deep)
    if code:
        print(output)
    return (0, 1) if code else (1, 0)


def host(options) -> Result:
    packages.ensure(*packages.HOST)
    build.run("host", BUILD / "host", "Building the host tests and the fuzzers")
    shards = 4 * (os.cpu_count() or 1)  # more than run at once: they take different times
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda shard: run_host_tests(options, shard, shards),
                                range(shards)))
    return sum(good for good, _ in results), sum(bad for _, bad in results)


def run_host_tests(options, shard: int, shards: int) -> Result:
    """One of as many parts as there are processors."""
    report = BUILD / f"host/report{shard}.json"
    report.unlink(missing_ok=True)
    code, output = captured("host", "env", f"GTEST_TOTAL_SHARDS={shards}",
                            f"GTEST_SHARD_INDEX={shard}", BUILD / "host/host_tests",
                            f"--gtest_output=json:{report}", f"--gtest_filter=*{options.filter}*",
                            "--gtest_also_run_disabled_tests")
    if not report.exists():  # a sanitizer ended it
        print(output[-8000:])
        return len(re.findall(r"^\[       OK \]", output, re.M)), 1
    sums = json.loads(report.read_text())
    cases = [case for suite in sums["testsuites"] for case in suite["testsuite"]]
    for case in cases:
        for failure in case.get("failures", ()):
            print(f"{case['classname']}.{case['name']}: {failure['failure']}")
    failed = sums["failures"] + sums["errors"]
    run = sum(case["result"] == "COMPLETED" for case in cases)
    return run - failed, failed or int(code != 0)


def fuzz(options) -> Result:
    packages.ensure(*packages.HOST)
    build.run("host", BUILD / "host", "Building the host tests and the fuzzers")
    fuzzers = [path for path in sorted((BUILD / "host").glob("*_fuzz"))
               if options.filter in path.name]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: run_fuzzer(path, options), fuzzers))
    return results.count(True), results.count(False)


def run_fuzzer(program: Path, options) -> bool:
    name = program.name.removesuffix("_fuzz")
    found = BUILD / "host/found" / name  # what it finds interesting stays out of the repository
    found.mkdir(parents=True, exist_ok=True)
    corpus = [CORPUS / name] if (CORPUS / name).is_dir() else []
    effort = QUICK_FUZZ if options.quick else LONG_FUZZ if options.long else FUZZ
    try:
        code, output = captured("fuzz", program, *effort, "-timeout=10", "-rss_limit_mb=2048",
                                f"-artifact_prefix={BUILD / 'host'}/{name}-", found, *corpus)
    except subprocess.TimeoutExpired as late:
        code, output = 1, f"stopped after {late.timeout} s"
    if code:
        print(f"{program.name} failed:\n{output[-6000:]}", flush=True)
    return code == 0


def emulator(options) -> Result:
    packages.ensure(*packages.EMULATORS)
    build.every_kernel()  # not in the time that one test may take
    report = BUILD / "emu.xml"
    report.unlink(missing_ok=True)
    chosen = ["-k", options.filter] if options.filter else []
    chosen += ["-m", "not slow"] if options.quick else []
    # More than there are processors: many tests do nothing but wait.
    execute("emu", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
            "-n", 2 * (os.cpu_count() or 1), "--dist", "loadgroup", f"--junitxml={report}", *chosen,
            "tests/emu")
    if not report.exists():
        return 0, 1
    sums = xml.parse(report).getroot().find("testsuite").attrib
    # A skipped test is one that did not pass.
    failed = sum(int(sums[kind]) for kind in ("failures", "errors", "skipped"))
    return int(sums["tests"]) - failed, failed
