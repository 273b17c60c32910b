"""What a speaker states in a text, and which of it tells of themself; English and Chinese.

A statement is a verbatim piece of the text, freed of what is only talk: "Hi,", "好的，",
"…, what do you think?". The wordings that tell talk from statement are in `talk_wordings` and
`self_wordings`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from memorybank_core.text import CJK, estimate_tokens, sentences

from . import self_wordings, talk_wordings

WHOLE = 12
"""From how many estimated tokens on a statement counts in full."""
JOINED = 45
"""Up to how many estimated tokens a sentence that refers back is joined to the one before."""

_HEAD = 400  # so many characters of a sentence are looked at: more than is ever quoted
_OPENER = 60  # so many of a clause that may be a greeting
_STARTS = 50  # so many statements of a turn are tried as the beginning of a quote

_COMMA = re.compile(rf"(?<=[，；])|(?<=[,;])(?=[\s{CJK}])")
_CUT = re.compile(rf"(?<=[，；。！？])|(?<=[,;])(?=[\s{CJK}])|(?<=\w\w\w[.!?])(?=\s)")
_SPACE = re.compile(r"(?<=\s)(?=\S)")
_ENDS = (*".!?。！？", "")
_DANGLING = " ,，;；、:：-—"
_JOINER = "\u200d"
_CLINGING = re.compile("[\u0300-\u036f\u200d\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff]")
_LETTER = re.compile(r"[^\W\d_]")


class Statement(NamedTuple):
    """A piece of a text that states something.

    Attributes:
        start: Where in the text it begins.
        end: Where it ends.
        worth: How much it tells of what happened, in (0, 1].
        of_self: How much it tells of the speaker: 0 nothing, 1 what they did or think, 2 a
            feeling, plan or habit, 3 who they are and what they like.
        role: "whole", "leaning" ("It was great.") or "talk" with the companion ("Thank you!").
    """

    start: int
    end: int
    worth: float
    of_self: int
    role: str


def statements(text: str) -> list[Statement]:
    """What `text` states, in order; questions and greetings are left out."""
    found: list[Statement] = []
    at = 0
    for sentence in sentences(text):
        begin = text.index(sentence, at)
        at = begin + len(sentence)
        if not (piece := _without_talk(sentence)):
            continue
        statement = _weighed(piece, text.index(piece, begin))
        joined = _joined(text, found[-1], statement) if found else None
        if joined:
            found[-1] = joined
        else:
            found.append(statement)
    return found


def telling(text: str, limit: float) -> str:
    """The most telling piece of `text`, of about `limit` estimated tokens.

    Statements side by side that are worth most together; where nothing is stated, its beginning.
    """
    found = statements(text)
    if not found:
        return clip(text, limit)
    starts = sorted(range(len(found)), key=lambda i: -found[i].worth)[:_STARTS]
    best, most = found[starts[0]], 0.0
    for i in sorted(starts):
        first = last = found[i]
        worth = 0.0
        for following in islice(found, i, None) if first.role == "whole" else ():
            if following != first and not _continues(text, first, last, following, limit):
                break
            worth, last = worth + following.worth, following
        if worth > most:
            best, most = first._replace(end=last.end), worth
    return clip(text[best.start : best.end], limit)


def clip(text: str, limit: float) -> str:
    """The beginning of `text`, of at most a quarter more than `limit` estimated tokens, one line.

    It ends where a sentence does, or else after a clause or a word, which "…" then shows.
    """
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    if estimate_tokens(line) <= limit * 1.25:
        return line
    head = line[: int(limit * 6)]
    for pieces, mark in ((sentences(line), ""), (_CUT.split(head), "…"), (_SPACE.split(head), "…")):
        kept = _fitting(line, pieces, limit)
        if estimate_tokens(kept) >= limit / 3:
            return kept if kept[-1:] in _ENDS else kept.rstrip(_DANGLING) + mark
    return _chopped(line, limit) + "…"


def fullness(text: str) -> float:
    """How much is said, by length alone: in (0, 1], 1 from `WHOLE` estimated tokens on."""
    return min(1.0, max(estimate_tokens(text), 1.0) / WHOLE)


def _without_talk(sentence: str) -> str:
    """The stating part of `sentence`, or nothing."""
    parts = _COMMA.split(sentence)
    first, last = 0, len(parts)
    if talk_wordings.QUESTION.search(sentence):
        while last > 1 and talk_wordings.NAME.fullmatch(parts[last - 1]):
            last -= 1
        asking = (i for i, part in enumerate(parts[:last]) if talk_wordings.ASKS.search(part))
        last = min(next(asking, last), last - 1)
    while last > 1 and talk_wordings.TALK.search(parts[last - 1]):
        last -= 1
    while first < last and talk_wordings.OPENING.fullmatch(parts[first][:_OPENER]):
        first += 1
    while 0 < first < last and talk_wordings.NAME.fullmatch(parts[first]):
        first += 1
    piece = "".join(parts[first:last]).strip()
    if link := talk_wordings.LINK.match(piece):
        piece = piece[link.end() :]
    is_cut = last < len(parts)
    if is_cut:
        piece = piece.rstrip(_DANGLING)
    return piece if _is_whole(piece, is_cut) else ""


def _is_whole(piece: str, is_cut: bool) -> bool:
    """Whether `piece` can stand alone: it says something, and no main clause was cut off."""
    if not _LETTER.search(piece) or talk_wordings.FILLER.fullmatch(piece):
        return False
    return not (is_cut and (self_wordings.SUBORDINATE.search(piece) or estimate_tokens(piece) < 3))


def _weighed(piece: str, start: int) -> Statement:
    """`piece` with what it is worth and what it tells of the speaker."""
    end, piece = start + len(piece), piece[:_HEAD]
    worth = fullness(piece)
    says_nothing = worth < 1.0 and talk_wordings.VAGUE.search(piece)
    if says_nothing or talk_wordings.TALK.search(piece):
        return Statement(start, end, 0.1 * worth, 0, "talk")
    leans = bool(self_wordings.BACK.search(piece))
    factors = (
        (0.3, leans),
        (0.4, self_wordings.PROMISE.search(piece)),
        (0.6, self_wordings.SECOND_PERSON.search(piece)),
        (0.7, not self_wordings.FIRST_PERSON.search(piece)),
        (0.7, not self_wordings.TIME.search(piece)),
    )
    for factor, applies in factors:
        worth *= factor if applies else 1.0
    if leans:
        return Statement(start, end, worth, 0, "leaning")
    return Statement(start, end, worth, _of_self(piece), "whole")


def _of_self(piece: str) -> int:
    """What `piece` tells of its speaker, 0 to 3."""
    if self_wordings.OPINION.search(piece):
        return 1
    if self_wordings.SECOND_PERSON.search(piece):
        return 0
    return next((level for level, pattern in self_wordings.SELF if pattern.search(piece)), 0)


def _continues(
    text: str, first: Statement, last: Statement, following: Statement, limit: float
) -> bool:
    """Whether `following` can be told in one breath with those from `first` to `last`."""
    fits = estimate_tokens(text[first.start : following.end]) <= limit
    return fits and following.role != "talk" and _adjoin(text, last, following)


def _joined(text: str, before: Statement, after: Statement) -> Statement | None:
    """Both as one where the later leans on the earlier and they are short together."""
    if after.role == "leaning" and _continues(text, before, before, after, JOINED):
        return before._replace(end=after.end) if before.role == "whole" else None
    return None


def _adjoin(text: str, one: Statement, other: Statement) -> bool:
    """Whether nothing but space, and no new line, lies between two statements of `text`."""
    gap = text[one.end : other.start]
    return not gap.strip() and len(f"{gap}.".splitlines()) == 1


def _fitting(line: str, pieces: Sequence[str], limit: float) -> str:
    """As much of the beginning of `line` as those of its `pieces` that fit in `limit` together."""
    end = 0
    for piece in pieces:
        next_end = line.index(piece, end) + len(piece)
        if estimate_tokens(line[:next_end]) > limit:
            break
        end = next_end
    return line[:end].rstrip()


def _chopped(line: str, limit: float) -> str:
    """The beginning of a `line` that has no place to break at; no emoji is torn."""
    end = next(i for i in range(1, len(line) + 1) if estimate_tokens(line[: i + 1]) > limit)
    while end < len(line) and (_CLINGING.match(line, end) or line[end - 1] == _JOINER):
        end += 1
    return line[:end]
