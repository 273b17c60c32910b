"""Hook for MkDocs: llms.txt and llms-full.txt, the documentation for language models.

Format: llmstxt.org. The index links to the Markdown of each page; the full file contains the
English guides one after the other, and the signatures of all public names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SIGNATURES = Path("tests", "data", "public_api.txt")
"""Signatures of all public names, which a test compares with the code."""

_START = (
    "Install: `pip install memorybank-llm`. Import: `from memorybank_core import MemoryBank, Turn`."
)
_TITLE = re.compile(r"\A# .*\n+")
_MARKUP = re.compile(r"^(```|#|!\[|\[|\||:::|--8<--|<)")
_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)(\{[^}]*\})?")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LENGTH = 200  # characters of a description


def on_post_build(config: Any) -> None:
    """Write both files into the site."""
    site, docs = Path(config.site_dir), Path(config.docs_dir)
    index = "\n".join(make_index(config.nav, docs, config.site_description, config.repo_url))
    (site / "llms.txt").write_text(index, "utf-8")
    (site / "llms-full.txt").write_text("\n".join(make_full_text(config.nav, docs)), "utf-8")


def make_index(
    nav: Sequence[Mapping[str, Any]], docs: Path, description: str, repository: str
) -> Iterator[str]:
    """Yield the lines of llms.txt: the pages of each section, with their first sentences.

    Args:
        nav: The navigation of mkdocs.yml.
        docs: The folder of the pages.
        description: One line about the project.
        repository: The address of the repository.
    """
    yield f"# MemoryBank\n\n> {description}\n"
    yield f"{_START}\n"
    for section, pages in _sections(nav):
        yield f"## {section}\n"
        for title, page in pages:
            text = _describe((docs / page).read_text("utf-8"))
            yield f"- [{title}]({repository}/raw/main/docs/{page}){text and f': {text}'}"
        yield ""


def make_full_text(nav: Sequence[Mapping[str, Any]], docs: Path) -> Iterator[str]:
    """Yield the English pages, without the API, and the signatures of all public names."""
    for _, pages in _sections(nav):
        for _, page in pages:
            if not page.startswith("zh/"):
                yield (docs / page).read_text("utf-8")
    yield "# Public names\n\n```text"
    yield (docs.parent / SIGNATURES).read_text("utf-8").rstrip()
    yield "```\n"


def _sections(nav: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the title of each section with its pages, without those made from the code."""
    for entry in nav:
        ((section, content),) = entry.items()
        pages = [(section, content)] if isinstance(content, str) else _pages(content)
        written = [page for page in pages if not page[1].startswith("api/")]
        if written := [page for page in written if page[1] != "changes.md"]:
            yield section, written


def _pages(content: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    return [page for entry in content for page in entry.items()]


def _describe(markdown: str) -> str:
    """Return the first paragraph of a page, without links and cut at the end of a sentence."""
    for paragraph in _FENCED.sub("", _TITLE.sub("", markdown)).split("\n\n"):
        if paragraph.strip() and not _MARKUP.match(paragraph.strip()):
            text = " ".join(_LINK.sub(r"\1", paragraph).split())
            end = max(text.rfind(stop, 0, _LENGTH) for stop in ".。:：")
            return text if len(text) <= _LENGTH else text[: end + 1]
    return ""
