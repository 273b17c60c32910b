"""Long queries: a pasted log or article, reduced to the windows that say what is asked.

In a long message, the user's own words stand at the beginning or at the end. Searching with all of
it would take long, and would drown these words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from memorybank_core.text import CJK, QUESTION_END, WINDOW, estimate_tokens, split_windows

MAX_WINDOWS = 3
"""Maximum number of windows, and of embeddings, of a query."""
_MAX_LENGTH = 100_000  # characters; of a longer text, both ends are read
_LEAST = 4.0  # estimated tokens of a paragraph that stands alone
_WORD = re.compile(rf"[^\W\d_{CJK}]{{3,}}|[{CJK}]{{2}}")


def select_windows(query: str) -> list[str]:
    """Return the parts of a query to search with: the whole query, or at most three windows.

    If the first or the last paragraph of a long query is a question, it is searched with alone:
    the rest is what was pasted. Otherwise the windows are the first paragraph, the last one, and
    the most distinctive window in between, whose words are the rarest in the query.
    """
    if estimate_tokens(query[: WINDOW * 8]) <= WINDOW * 1.25 and len(query) < WINDOW * 8:
        return [query]
    text = query
    if len(query) > _MAX_LENGTH:
        text = f"{query[: _MAX_LENGTH // 2]}\n{query[-_MAX_LENGTH // 2 :]}"
    paragraphs = [line.strip() for line in text.splitlines() if estimate_tokens(line) >= _LEAST]
    if len(paragraphs) > 1:
        ends = split_windows(paragraphs[0])[0], split_windows(paragraphs[-1])[-1]
        if asking := [end for end in ends if QUESTION_END.search(end)]:
            return asking
        if len(paragraphs) >= MAX_WINDOWS:
            middle = split_windows("\n".join(paragraphs[1:-1]))
            return [ends[0], _find_most_distinctive(middle), ends[1]]
    windows = split_windows(text)
    if len(windows) <= MAX_WINDOWS:
        return windows
    return [windows[0], _find_most_distinctive(windows[1:-1]), windows[-1]]


def _find_most_distinctive(windows: Sequence[str]) -> str:
    """Return the window with the largest sum of its words' rarity; the first if all are equal."""
    words = [set(_WORD.findall(window.lower())) for window in windows]
    frequencies = Counter(word for members in words for word in members)
    rarity = {word: math.log(len(windows) / n) for word, n in frequencies.items()}
    scores = [math.fsum(rarity[word] for word in members) for members in words]
    return windows[scores.index(max(scores))]
