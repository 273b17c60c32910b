"""Escaping of text for the page's HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping

Strings = Mapping[str, str]
"""Texts of the page in one language."""

_TEMPLATE_CHARACTERS = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escape(text: str) -> str:
    """Escape `text` for HTML and for gradio's templates, which interpret `${…}` and `{{…}}`."""
    return escape_template(html.escape(text))


def escape_template(markup: str) -> str:
    """Escape the characters of HTML that gradio's templates interpret."""
    return markup.translate(_TEMPLATE_CHARACTERS)
