"""Measure the portrait that is made without a language model.

python benchmarks/portrait.py CONVERSATION.json…

A file has `turns` (`id`, `at`, `session`, `query`, `response`) and `questions` (`q`, `category`,
`evidence`, `outdated`); beside it, `NAME.answers.tsv` has an answer for each question. All judging
is mechanical:

- A *fact* is a question in the first person with one evidence turn. It is in the portrait if one
  of its sentences has at least 60% of the terms that the answer and the evidence share.
- A sentence is a *fragment* if it does not name the user (the user, I, my, 用户, 我), begins with a
  pronoun, ends with "…", or has no verb after its subject.
- A sentence is *outdated* if at least 80% of its terms are those of a turn that a question lists
  as outdated, and fewer are those of the turn that holds now.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from common import describe_machine

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.search.tokenize import tokenize
from memorybank_core.text import split_sentences

_FACT, _OUTDATED = 0.6, 0.8
_WITHOUT_FACT = {"not-said", "assistant-said", "count", "temporal-order", "multi-hop", "date"}
_FIRST_PERSON = re.compile(r"\b(?:I|my|me|we|our)\b|我", re.IGNORECASE)
_LABEL = re.compile(r"^\s*(?:- )?(?:[A-Z]\w+: (?=\S)|[\u4e00-\u9fff]{2,4}：)?“?")
_NAMES_USER = re.compile(r"\b(?:the user|I|I['’]\w+|my|we|our)\b|用户|我", re.IGNORECASE)
_PRONOUN = re.compile(
    r"^(?:he|she|it|they|that|this|those|these|his|her|its|because|and|but|so|which)\b|"
    "^(?:他|她|它|这|那|因为|所以|但)",
    re.IGNORECASE,
)
_NO_VERB = re.compile(
    r"^(?:the user['’]s|my|our)(?: (?!(?:is|are|was|were|has|had)\b)\w+){0,4}[.]?$"
    r"|^(?:用户|我)[^，。]*的[^，。]{0,4}。?$",
    re.I,
)


def measure(file: Path, folder: Path) -> dict[str, Any]:
    """Return the figures of one conversation."""
    data = json.loads(file.read_text())
    answers = [
        row.split("\t")[-1] for row in file.with_suffix(".answers.tsv").read_text().splitlines()
    ][-len(data["questions"]) :]
    turns = {turn["id"]: turn for turn in data["turns"]}
    with MemoryBank.open(
        folder / f"{file.stem}.db", embedder=HashingEmbedder(), timezone=data["timezone"]
    ) as bank:
        bank.add([_make_turn(turn) for turn in data["turns"]], user_id="user")
        start = time.perf_counter()
        bank.summarize(user_id="user")
        seconds = time.perf_counter() - start
        portrait = bank.portrait(user_id="user")
    text = portrait.text if portrait else ""
    sentences = list(_find_sentences(text))
    facts = list(_find_facts(data["questions"], answers, turns))
    return {
        "file": file.name,
        "lines": max(len(text.splitlines()) - 1, 0),
        "sentences": len(sentences),
        "facts": len(facts),
        "facts_in_portrait": sum(_is_in(fact, sentences) for fact in facts),
        "fragments": sum(map(_is_fragment, sentences)),
        "outdated": sum(_is_outdated(s, data["questions"], turns) for s in sentences),
        "summarize_s": round(seconds, 2),
        "portrait": text.splitlines(),
    }


def _make_turn(turn: dict[str, Any]) -> Turn:
    at = datetime.fromisoformat(turn["at"])
    return Turn(turn["query"], turn["response"], at, id=turn["id"], session=turn["session"])


def _find_sentences(portrait: str) -> Iterator[str]:
    for line in portrait.splitlines()[1:]:
        yield from split_sentences(_LABEL.sub("", line).rstrip("”"))


def _find_facts(
    questions: list[dict[str, Any]], answers: list[str], turns: dict[str, dict[str, Any]]
) -> Iterator[set[str]]:
    """Yield the terms that the answer and the evidence of each fact share."""
    for question, answer in zip(questions, answers, strict=True):
        is_own = _FIRST_PERSON.search(question["q"]) and question["category"] not in _WITHOUT_FACT
        if is_own and len(question["evidence"]) == 1:
            shared = _terms(answer) & _terms(turns[question["evidence"][0]]["query"])
            if shared:
                yield shared


def _is_in(fact: set[str], sentences: list[str]) -> bool:
    return any(len(fact & _terms(sentence)) >= _FACT * len(fact) for sentence in sentences)


def _is_fragment(sentence: str) -> bool:
    return bool(
        not _NAMES_USER.search(sentence)
        or _PRONOUN.search(sentence)
        or sentence.rstrip("”").endswith("…")
        or _NO_VERB.search(sentence)
    )


def _is_outdated(
    sentence: str, questions: list[dict[str, Any]], turns: dict[str, dict[str, Any]]
) -> bool:
    terms = _terms(sentence)
    for question in questions:
        if question["category"] not in ("update", "negation") or not terms:
            continue
        now = max(
            (len(terms & _terms(turns[id]["query"])) for id in question["evidence"]), default=0
        )
        for id in question.get("outdated") or ():
            shared = len(terms & _terms(turns[id]["query"]))
            if shared >= _OUTDATED * len(terms) and shared > now:
                return True
    return False


def _terms(text: str) -> set[str]:
    ignored = set(tokenize("the user 用户 he she it they is are was and of to in a an 的 了 是 我"))
    return set(tokenize(text)) - ignored


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(file), Path(folder)) for file in sys.argv[1:]]
    print(
        json.dumps({"machine": describe_machine(), "portraits": rows}, indent=2, ensure_ascii=False)
    )


if __name__ == "__main__":
    main()
