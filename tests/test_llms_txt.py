"""llms.txt and llms-full.txt, which the documentation's build makes for language models."""

import re
import sys
from pathlib import Path

import pytest
from pages import ROOT, blocks

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def nav():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    text = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    return yaml.safe_load("nav:\n" + text)["nav"]


@pytest.fixture
def llms_txt(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    import llms_txt

    yield llms_txt
    del sys.modules["llms_txt"]


def test_the_index_links_to_every_written_page_of_both_languages(llms_txt, nav):
    text = "\n".join(llms_txt.make_index(nav, DOCS, "A memory.", "https://host/memorybank"))
    assert text.startswith("# MemoryBank\n\n> A memory.\n")
    linked = re.findall(r"\(https://host/memorybank/raw/main/docs/(\S+?)\)", text)
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert set(linked) == {page for page in pages if not page.startswith("api/")} - {"changes.md"}
    assert len(linked) == len(set(linked))
    quickstart = "https://host/memorybank/raw/main/docs/quickstart.md"
    assert f"- [Quickstart]({quickstart}): Store turns, search them," in text
    assert "= MemoryBank.open" not in text
    descriptions = re.findall(r"^- .*?\): (.*)$", text, re.MULTILINE)
    assert len(descriptions) > 0.8 * len(linked)
    assert max(map(len, descriptions)) <= 200
    assert not any("](" in description for description in descriptions)


def test_the_full_text_has_the_guides_and_every_signature(llms_txt, nav):
    text = "\n".join(llms_txt.make_full_text(nav, DOCS))
    for page in ("docs/quickstart.md", "docs/use/langchain.md", "docs/how-to/time.md"):
        assert all(block in text for block in blocks(page, "python"))
    assert Path(ROOT, "tests/data/public_api.txt").read_text("utf-8").rstrip() in text
    assert "# 快速上手" not in text
    assert ":::" not in text
