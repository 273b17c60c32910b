"""Runs what a page of Markdown shows, and compares what it prints with what the page says."""

import contextlib
import gc
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from memorybank_core import MemoryBank

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "memorybank_core" / "demo" / "data" / "dialogues_en.json"


def blocks(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_python(page):
    """Runs the page's Python, in order; a line after "# → " must be printed."""
    namespace = {}
    try:
        for code in blocks(page, "python"):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page, "exec"), namespace)
            promised = re.findall(r"# → (.*)", code)
            lines = printed.getvalue().splitlines()
            assert [line for line in lines if line in promised] == promised, printed.getvalue()
    finally:
        for it in namespace.values():
            if isinstance(it, MemoryBank):
                it.close()
        namespace.clear()
        gc.collect()  # LlamaIndex's own Memory leaves a connection and a loop open


def run_commands(page, folder):
    """Runs the page's commands in a folder with the demo's dialogues; none may fail."""
    shutil.copy(DEMO, folder / "memory_bank.json")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for commands in blocks(page, "console"):
        for command in re.findall(r"^\$ (.*)", commands, re.MULTILINE):
            done = subprocess.run(
                command, shell=True, cwd=folder, capture_output=True, text=True,
                env=os.environ | {"PATH": path}, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert "Traceback" not in done.stderr
