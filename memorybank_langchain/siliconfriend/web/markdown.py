"""Markdown of the companion's answers as HTML; HTML, scripts and pictures in it stay text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from memorybank_core.web.html_text import Strings, escape, escape_template

_WEB_OR_MAIL = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_FORMATTER = HtmlFormatter(nowrap=True)


def render_markdown(text: str, strings: Strings) -> str:
    """Return Markdown as HTML that is safe to show.

    HTML is escaped, pictures stay text, as they would be loaded from other servers, and links to
    other than web and mail addresses are text too. A code block has its language and a button that
    copies it.

    Args:
        text: Markdown of a model, also unfinished.
        strings: Texts of the page.
    """
    html: str = _parser().render(text, {"copy": strings["copy"], "copied": strings["copied"]})
    return escape_template(html)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    parser.enable(["table", "strikethrough"]).disable(["image"])
    parser.validateLink = _is_web_or_mail  # type: ignore[assignment,method-assign]
    for name, rule in (
        ("fence", _render_code), ("code_block", _render_code), ("link_open", _open_link),
        ("heading_open", _render_heading), ("heading_close", _render_heading),
    ):  # fmt: skip
        parser.add_render_rule(name, rule)
    return parser


def _is_web_or_mail(address: str) -> bool:
    return _WEB_OR_MAIL.match(address.strip()) is not None


def _render_code(
    renderer: Any, tokens: Sequence[Token], index: int, options: Any, labels: dict[str, str]
) -> str:
    """Render a code block, with colours if its language is known."""
    code, words = tokens[index].content, tokens[index].info.split()
    language = words[0] if words else ""
    try:
        body = highlight(code, get_lexer_by_name(language), _FORMATTER)
    except ClassNotFound:
        body = escape(code)
    return (
        f'<div class="mb-code"><div class="mb-code-head"><span>{escape(language)}</span>'
        f'<button type="button" class="mb-do" data-copy="{escape(code)}" '
        f'data-done="{escape(labels["copied"])}">{escape(labels["copy"])}</button></div>'
        f'<pre tabindex="0"><code>{body}</code></pre></div>'
    )


def _open_link(
    renderer: Any, tokens: Sequence[Token], index: int, options: Any, labels: dict[str, str]
) -> str:
    """Open links in a new tab that learns nothing about this page."""
    address = escape(str(tokens[index].attrGet("href") or ""))
    return f'<a href="{address}" target="_blank" rel="noopener noreferrer nofollow">'


def _render_heading(
    renderer: Any, tokens: Sequence[Token], index: int, options: Any, labels: dict[str, str]
) -> str:
    """Render headings as bold lines: an answer adds none to the outline of the page."""
    return "<p><strong>" if tokens[index].nesting == 1 else "</strong></p>"
