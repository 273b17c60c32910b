"""Text in English, Chinese or both: split into windows or sentences, and estimate tokens.

No function needs the language as an argument: they look at the script of each character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
CJK_CHARACTER = re.compile(f"[{CJK}]")
_BREAK = re.compile(r"(?<=[.!?。！？；;\n])|(?<=[,，、 ])")
QUESTION_END = re.compile(r"[?？][\s\"'”’」』)）]*\Z")
"""A question mark at the end of a text, with the quotes and brackets that close there."""
_ASKING_PARTICLE = re.compile(r"[吗呢][。.~～]*\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_STOP = re.compile(rf"(?:[。｡！？!?]+|[.…]+|(?<=[{CJK}])[~～]+)[”’\"'」』）)\]》〉】»]*")
_INSIDE = re.compile(r"[^“”]{1,200}”|[^《》]{0,40}》|[^（）]{0,80}）|[^()]{0,80}\)")
_TITLE = re.compile(
    r"(?:^|[^\w.])(?:(?i:mrs?|ms|dr|prof|st|sr|jr|vs|approx|e\.g|i\.e)|[A-HJ-Z])\.$"
)
_ABBREVIATION = re.compile(r"(?:^|[^\w.])(?:etc|[ap]\.m|u\.s)\.$", re.IGNORECASE)
_CLAUSE_END = re.compile(rf"(?<=[，；。！？])|(?<=[,;])(?=[\s{CJK}])|(?<=\w\w\w[.!?])(?=\s)")
_SPACE = re.compile(r"(?<=\s)(?=\S)")
_SENTENCE_ENDS = (*".!?。！？", "")
_DANGLING = " ,，;；、:：-—"
_ZERO_WIDTH_JOINER = "\u200d"
_COMBINING = re.compile("[\u0300-\u036f\u200d\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff]")

WINDOW = 220
"""Length of an embedding window, in estimated tokens (MiniLM reads 256, e5 512)."""
OVERLAP = 40
"""Maximum length of the text that two neighbouring windows share, in estimated tokens."""


def split_windows(text: str, size: int = WINDOW, overlap: int = OVERLAP) -> list[str]:
    """Split `text` into overlapping windows of about `size` tokens, at sentence ends or spaces.

    A text up to a quarter longer than `size` stays whole. The windows, joined without their
    overlaps, equal the text, so that every part of it is embedded.
    """
    if estimate_tokens(text) <= size * 1.25:
        return [text]
    pieces = [piece for part in _BREAK.split(text) for piece in _cut(part, size) if piece]
    lengths = [estimate_tokens(piece) for piece in pieces]
    result, start = [], 0
    while start < len(pieces):
        end, length = start, 0.0
        while end < len(pieces) and (end == start or length + lengths[end] <= size):
            length += lengths[end]
            end += 1
        result.append("".join(pieces[start:end]))
        if end == len(pieces):
            break
        shared, back = 0.0, end
        while back - 1 > start and shared + lengths[back - 1] <= overlap:
            back -= 1
            shared += lengths[back]
        start = back
    return result


def split_sentences(text: str) -> list[str]:
    """Return the sentences of `text`, verbatim and in order, without surrounding space.

    A sentence ends at a line break or at an English or Chinese punctuation mark, including the
    quotes and brackets that close there. It does not end within quotes, brackets or titles, or in
    "Mr.", "e.g." or "3.5".
    """
    result = []
    for line in _LINE.findall(text):
        start = 0
        for stop in _STOP.finditer(line):
            if _ends_sentence(line, start, stop):
                result.append(line[start : stop.end()])
                start = stop.end()
        result.append(line[start:])
    return [stripped for sentence in result if (stripped := sentence.strip())]


def clip(text: str, limit: float) -> str:
    """Return the beginning of `text` on one line, at most 1.25 * `limit` estimated tokens.

    It ends after a sentence or, if none is short enough, after a clause or a word and "…".
    """
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    if estimate_tokens(line) <= limit * 1.25:
        return line
    head = line[: int(limit * 6)]
    for pieces, mark in (
        (split_sentences(line), ""),
        (_CLAUSE_END.split(head), "…"),
        (_SPACE.split(head), "…"),
    ):
        kept = _longest_prefix(line, pieces, limit)
        if estimate_tokens(kept) >= limit / 3:
            return kept if kept[-1:] in _SENTENCE_ENDS else kept.rstrip(_DANGLING) + mark
    return _cut_anywhere(line, limit) + "…"


def is_question(sentence: str) -> bool:
    """Return whether a sentence ends with a question mark or an asking particle, such as 吗."""
    return bool(QUESTION_END.search(sentence) or _ASKING_PARTICLE.search(sentence))


def estimate_tokens(text: str) -> float:
    """Estimate the tokens of a multilingual model: 1 per CJK character, 1/4 per other one."""
    cjk = len(CJK_CHARACTER.findall(text))
    return cjk + (len(text) - cjk) / 4


def without_surrogates(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 cannot encode, replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _ends_sentence(line: str, start: int, stop: re.Match[str]) -> bool:
    """Return whether the sentence that begins at `start` ends with these marks."""
    mark, end = stop.group()[0], stop.end()
    after = line[end : end + 1]
    if not after or _INSIDE.match(line, end):
        return not after
    if mark in "。｡！？~～" or CJK_CHARACTER.match(after):
        return not stop.group().startswith(("…", ".."))
    if not after.isspace():
        return after in "“‘「『《（(" if mark in ".…" else after.isupper()
    continues = line[end : end + 8].lstrip()[:1].islower()
    if mark == ".":
        preceding = line[max(start, stop.start() - 8) : end]
        if _TITLE.search(preceding) or (continues and _ABBREVIATION.search(preceding)):
            return False
    return not continues or (stop.group()[-1] in ".!?" and not stop.group().endswith(".."))


def _cut(part: str, size: int) -> list[str]:
    """Split text without sentence ends and spaces into pieces of `size` tokens."""
    step = size if CJK_CHARACTER.search(part) else size * 4
    return [part[i : i + step] for i in range(0, len(part), step)]


def _longest_prefix(line: str, pieces: Sequence[str], limit: float) -> str:
    """Return the longest prefix of `line` that ends with one of its `pieces` and fits `limit`."""
    end = 0
    for piece in pieces:
        next_end = line.index(piece, end) + len(piece)
        if estimate_tokens(line[:next_end]) > limit:
            break
        end = next_end
    return line[:end].rstrip()


def _cut_anywhere(line: str, limit: float) -> str:
    """Return the beginning of a `line` without spaces or punctuation; keep emoji intact."""
    end = next(i for i in range(1, len(line) + 1) if estimate_tokens(line[: i + 1]) > limit)
    while end < len(line) and (_COMBINING.match(line, end) or line[end - 1] == _ZERO_WIDTH_JOINER):
        end += 1
    return line[:end]
