"""Learn the coefficients of relevance (`ranking_weights.py relevance`).

Few public questions have no answer, so such questions are made of those that have one: without the
memories that answer them, and asked of another person, with the names that occur there. LoCoMo has
questions about the wrong speaker (category 5), which nothing answers.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from memorybank_core.evaluation.questions import Conversation, Question
from memorybank_core.search.ranking import Weights
from memorybank_core.search.relevance import COEFFICIENTS, relevance_features

BEST = 10
"""Number of results of each question to learn from."""
SHARES = {"answered": 1.0, "removed": 0.5, "elsewhere": 1.0, "speaker": 0.3, "unanswered": 0.0}
"""How much each kind of question counts; those that people wrote without an answer only test."""
NAMES = 8
_NAME = re.compile(r"(?<=[a-z,;:'’] )[A-Z][a-z]{2,}")
_NO_NAME = frozenset(
    "January February March April May June July August September October November December Monday"
    " Tuesday Wednesday Thursday Friday Saturday Sunday".split()
)


def ask_elsewhere(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Return each conversation with the questions of the next one, which nothing answers there."""
    chance = random.Random(7)
    result = []
    for conversation, other in zip(
        conversations, [*conversations[1:], *conversations[:1]], strict=True
    ):
        names = find_frequent_names(conversation)
        questions = tuple(
            replace(
                question,
                text=rename(question.text, names, chance),
                evidence=(),
                alternatives=(),
                outdated=(),
            )
            for question in other.questions
            if question.has_answer
        )
        result.append(replace(conversation, questions=questions))
    return result


def ask_about_wrong_speaker(folder: Path, conversations: Sequence[Conversation]) -> list[Any]:
    """Return each conversation of LoCoMo with its questions about the wrong speaker."""
    result = []
    for conversation in conversations:
        data = json.loads((folder / f"{conversation.user_id}.json").read_text(encoding="utf-8"))
        texts = [q["question"] for q in data["qa"] if q["category"] == 5]
        questions = tuple(Question(text, ()) for text in texts)
        result.append(replace(conversation, questions=questions))
    return result


def find_frequent_names(conversation: Conversation) -> list[str]:
    """Return the most frequent words that have a capital within sentences, and only there."""
    text = " ".join(f"{turn.query} {turn.response}" for turn in conversation.turns)
    words = Counter(re.findall(r"\b[a-z]{3,}\b", text))
    names = Counter(name for name in _NAME.findall(text) if name not in _NO_NAME)
    return [name for name, _ in names.most_common() if words[name.lower()] < 2][:NAMES]


def rename(question: str, names: Sequence[str], chance: random.Random) -> str:
    """Return a question with each name replaced."""
    chosen: dict[str, str] = {}

    def choose(match: re.Match[str]) -> str:
        name = match.group()
        if name in _NO_NAME or not names:
            return name
        return chosen.setdefault(name, chance.choice(names))

    return _NAME.sub(choose, question)


def remove_evidence(case: Any) -> Any:
    """Return a case without the memories that answer it."""
    question, found = case.question, case.candidates
    removed = {*question.evidence, *question.alternatives, *question.outdated}
    keep = np.array([id not in removed for id in case.ids], bool)
    columns = {
        field.name: value[keep]
        for field in fields(found)
        if isinstance(value := getattr(found, field.name), np.ndarray)
        and field.name not in ("vectors", "frequencies")
    }
    columns["vectors"] = found.vectors[keep[found.pooled]]
    columns["frequencies"] = found.frequencies - (found.counts[~keep] > 0).sum(axis=0)
    kept = np.flatnonzero(keep).tolist()
    return replace(
        case,
        question=replace(question, evidence=(), alternatives=(), outdated=()),
        candidates=replace(found, **columns, memories=found.memories - int((~keep).sum())),
        retention=case.retention[keep],
        ids=[case.ids[row] for row in kept],
        texts=[case.texts[row] for row in kept],
    )


def fit(features: Any, labels: Any, weights: Any, ridge: float = 1.0) -> Any:
    """Return the coefficients of a logistic regression, by Newton's method."""
    scale = np.where(features.std(axis=0) > 0, features.std(axis=0), 1.0)
    scaled = features / scale
    coefficients = np.zeros(features.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-scaled @ coefficients))
        slope = scaled.T @ (weights * (labels - chance)) - ridge * coefficients
        curve = scaled.T @ (scaled * (weights * chance * (1 - chance))[:, None])
        coefficients += np.linalg.solve(curve + ridge * np.eye(len(coefficients)), slope)
    return coefficients / scale


def area(yes: Any, no: Any) -> float:
    """Return the area under the ROC curve."""
    if not len(yes) or not len(no):
        return math.nan
    return float(np.mean((yes[:, None] > no) + 0.5 * (yes[:, None] == no)))


def read_features(case: Any) -> tuple[Any, Any]:
    """Return the features of the best results, and whether each is evidence."""
    ranking = case.rank(Weights())
    texts = [case.texts[row] for row in ranking.rows]
    features = relevance_features(case.question.text, case.profile, case.candidates, ranking, texts)
    evidence = {*case.question.evidence, *case.question.alternatives}
    return features[:BEST], [case.ids[row] in evidence for row in ranking.rows[:BEST]]


def relevance(cases: Sequence[Any], elsewhere: Sequence[Any], wrong_speaker: Sequence[Any]) -> None:
    """Print fitted coefficients of relevance and the areas under the ROC curve.

    Args:
        cases: The questions of the files.
        elsewhere: The questions of `ask_elsewhere`.
        wrong_speaker: The questions of `ask_about_wrong_speaker`.
    """
    answered = [case for case in cases if case.question.has_answer]
    unanswered = [case for case in cases if not case.question.has_answer]
    removed = [case for case in map(remove_evidence, answered) if case.ids]
    groups = (answered, removed, elsewhere, wrong_speaker, unanswered)
    kinds = [kind for kind, group in zip(SHARES, groups, strict=True) for _ in group]
    every = [case for group in groups for case in group]
    read = [read_features(case) for case in every]
    numbers = np.repeat(np.arange(len(every)), [len(labels) for _, labels in read])
    features = np.concatenate([rows for rows, _ in read])
    labels = np.array([label for _, labels in read for label in labels])
    formats = [case.format for case in answered]
    share = [SHARES[kind] / formats.count(c.format) for kind, c in zip(kinds, every, strict=True)]
    weights = 300.0 * np.array(share)[numbers]
    print("shipped", list(COEFFICIENTS))
    print("fitted ", np.round(fit(features, labels, weights), 2).tolist())
    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    shipped = features[starts] @ np.array(COEFFICIENTS)
    held = np.zeros(len(every))
    files = np.array([case.file for case in every])
    for file in dict.fromkeys(files.tolist()):
        mine = files == file
        own = fit(features[~mine[numbers]], labels[~mine[numbers]], weights[~mine[numbers]])
        held[mine] = (features[starts] @ own)[mine]
    for format in dict.fromkeys(formats):
        for kind in list(SHARES)[1:]:
            here = np.array([case.format == format for case in every])
            yes, no = (here & (np.array(kinds) == name) for name in ("answered", kind))
            if no.any():
                print(
                    f"{format}, answered against {kind} ({int(no.sum())}):"
                    f" shipped {area(shipped[yes], shipped[no]):.3f},"
                    f" held out {area(held[yes], held[no]):.3f}"
                )
