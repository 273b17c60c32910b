"""Hashes of the texts deleted in this process, so that no tool of an agent stores them again.

An agent may still have a deleted memory in its messages, as the result of `recall`, and call
`remember` with it. Only keyed hashes are kept, in memory: never the texts, never on disk.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from .forked_processes import call_in_child
from .search.folding import IDEOGRAPHIC, SYLLABIC, fold
from .search.tokenize import stem

MAX_MEMORIES = 1_000
"""Maximum number of memories of one deletion whose texts are kept; the newest."""
MAX_AGE = 3600.0
"""Seconds after a deletion for which its texts are kept."""
_MAX_USERS = 1_000
_MAX_PARTS = 4_000  # of one user
_MIN_WORDS, _MIN_CHARACTERS = 3, 4
"""Minimum length of a part that a longer text may contain; a shorter one must be all of it."""

_Words = tuple[str, ...]
_Part = tuple[int, float]  # its number of words, and the time at which it expires

_PERSON = "@"
_PERSONS = frozenset("i me you he him she they them user 我 你 您 他 她".split())
_OWNERS = frozenset("my mine your yours his her hers their theirs".split())
_BE = frozenset("am is are m s re".split())
_ARTICLES = frozenset("a an the".split())
_WORD = re.compile(rf"用户|[{IDEOGRAPHIC}{SYLLABIC}]|[^\W{IDEOGRAPHIC}{SYLLABIC}]+")
_CHARACTER = re.compile(f"[{IDEOGRAPHIC}{SYLLABIC}]")
_SENTENCE_END = re.compile(r"[.!?。！？；;\n]+(?:\s|$|(?<=[。！？；\n]))")
_CLAUSE_END = re.compile(
    r"[,:，、：]\s*(?:(?:and|but|or|so)\s+|而且|并且|但是?|所以)?|\s+(?:and|but)\s+"
)


class DeletedTexts:
    """Hashes of deleted texts, by user: those of the last hour, deleted in this process."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, OrderedDict[bytes, _Part]] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        call_in_child(self._renew_lock)

    def add(self, user_id: str, texts: Iterable[str]) -> None:
        """Record that these texts of a user were deleted."""
        parts = {self._hash(user_id, part): len(part) for text in texts for part in _parts(text)}
        if not parts:
            return
        expires = time.monotonic() + MAX_AGE
        with self._lock:
            kept = self._users.setdefault(user_id, OrderedDict())
            self._users.move_to_end(user_id)
            for part, length in parts.items():
                kept[part] = length, expires
                kept.move_to_end(part)
            while len(kept) > _MAX_PARTS:
                kept.popitem(last=False)
            while len(self._users) > _MAX_USERS:
                self._users.popitem(last=False)

    def repeats(self, user_id: str, text: str) -> bool:
        """Return whether a text is, or contains, a deleted text or one of its sentences.

        Grammatical persons are equal ("I live in Oslo", "The user lives in Oslo"), and so are forms
        of a word and articles; a negation is another text.
        """
        return bool(self._find(user_id, text))

    def allow(self, user_id: str, text: str) -> None:
        """Forget that what a new message of the user contains was deleted: they say it again."""
        said_again = self._find(user_id, text)
        with self._lock:
            kept = self._users.get(user_id, OrderedDict())
            for part in said_again:
                kept.pop(part, None)

    def _find(self, user_id: str, text: str) -> set[bytes]:
        """Return the hashes of the deleted texts in a text."""
        kept = self._read(user_id)
        if not kept:
            return set()
        words = _words(text)
        hashes = {self._hash(user_id, words)}
        for length in set(kept.values()):
            for start in range(len(words) - length + 1):
                part = words[start : start + length]
                if _is_long(part):
                    hashes.add(self._hash(user_id, part))
        return hashes & kept.keys()

    def _read(self, user_id: str) -> dict[bytes, int]:
        """Return the hashes of a user with their numbers of words, and drop the expired ones."""
        now = time.monotonic()
        with self._lock:
            kept = self._users.get(user_id, OrderedDict())
            for part in [part for part, (_, expires) in kept.items() if expires <= now]:
                del kept[part]
            return {part: length for part, (length, _) in kept.items()}

    def _hash(self, user_id: str, words: _Words) -> bytes:
        content = "\0".join((user_id, *words)).encode(errors="surrogatepass")
        return blake2b(content, digest_size=12, key=self._key).digest()

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()


def _parts(text: str) -> Iterator[_Words]:
    """Yield the words of a text, and of its long sentences and clauses."""
    if words := _words(text):
        yield words
    for sentence in _SENTENCE_END.split(text):
        for part in (sentence, *_CLAUSE_END.split(sentence)):
            if _is_long(words := _words(part)):
                yield words


def _words(text: str) -> _Words:
    """Return the words of a text without what differs between persons."""
    words: list[str] = []
    for word in _WORD.findall(fold(text)):
        if word in _PERSONS or word == "用户":
            words.append(_PERSON)
        elif word in _OWNERS:
            words += (_PERSON, "is")
        elif word in _BE:
            words.append("is")
        elif word not in _ARTICLES:
            words.append(stem(word) or {"has": "have", "does": "do", "were": "was"}.get(word, word))
    return tuple(words)


def _is_long(words: _Words) -> bool:
    has_characters = any(map(_CHARACTER.match, words))
    return len(words) >= (_MIN_CHARACTERS if has_characters else _MIN_WORDS)
