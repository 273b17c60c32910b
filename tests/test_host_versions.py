"""The extras refuse the next major versions of their hosts, which may break ours."""

import re
from pathlib import Path

import pytest

PROJECT = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
HOSTS = {
    "langchain": "<2",
    "langchain-classic": "<2",
    "langchain-core": "<2",
    "langgraph": "<2",
    "llama-index-core": "<0.15",
    "gradio": "<7",
    "mcp": "<2",
    "openai": "<4",
    "sentence-transformers": "<7",
    "transformers": "<6",
}


@pytest.mark.parametrize("host", HOSTS)
def test_the_next_major_version_is_refused(host):
    bounds = re.findall(rf'"{host}(>=[^"]*)"', PROJECT.partition("[dependency-groups]")[0])
    assert {bound.partition(",")[2] for bound in bounds} == {HOSTS[host]}
