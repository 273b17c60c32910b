"""Run functions of core/forks.py in processes of their own, which are killed if they hang."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

TESTS = Path(__file__).parent
LIMIT = 150  # seconds


def environment():
    """Return an environment in which OpenMP has two threads, one of which a child misses."""
    inherited = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    path = os.pathsep.join([str(TESTS.parent), *sys.path])
    return {**inherited, "OMP_NUM_THREADS": "2", "PYTHONPATH": path}


def run_forks(*arguments):
    """Run a function of forks.py in a new process."""
    script = TESTS / "core" / "forks.py"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", script, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        kill_group(process)
    assert process.returncode == 0, output


def kill_group(process):
    """Kill a process and its children, whether they still run or not."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
