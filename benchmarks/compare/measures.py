"""Measures of one question's results, and their means over questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from memorybank_core.evaluation.questions import Question
from memorybank_core.text import estimate_tokens

KS = (1, 3, 5, 10)
Json = dict[str, Any]


def measure(question: Mapping[str, Any], answer: Mapping[str, Any]) -> Json:
    """Return the measures of one question: recall, prompts, order, and the best score."""
    parsed = Question(
        question["text"],
        tuple(question["evidence"]),
        tuple(question["alternatives"]),
        question["is_capped"],
        outdated=tuple(question["outdated"]),
    )
    result: Json = {"category": question["category"], "score": answer["score"]}
    if parsed.has_answer:
        result["recall"] = [round(parsed.recall(answer["ids"], k), 4) for k in KS]
        result["prompts"] = {
            budget: round(parsed.coverage(dict.fromkeys(ids, 1.0)), 4)
            for budget, ids in prompts_of(answer).items()
        }
        if (newest := parsed.is_newest_first(answer["ids"])) is not None:
            result["newest_first"] = newest
    return result


def prompts_of(answer: Mapping[str, Any], budgets: Sequence[int] = (500, 1500)) -> dict[str, list]:
    """Return the turns in a prompt of each budget: the system's own, or its results in order."""
    if "prompts" in answer:
        return answer["prompts"]
    return {str(budget): fill(answer["texts"], budget) for budget in budgets}


def fill(texts: Iterable[Sequence[str]], budget: int) -> list[str]:
    """Return the ids of the first texts that fit; a text that is too long ends the prompt."""
    ids, used = [], 0.0
    for id, text in texts:
        used += estimate_tokens(text)
        if used > budget:
            break
        ids.append(id)
    return ids


def summarize(measured: Sequence[Mapping[str, Any]]) -> Json:
    """Return the means over questions, by category too."""
    answered = [m for m in measured if "recall" in m]
    ordered = [m["newest_first"] for m in answered if "newest_first" in m]
    categories = sorted({m["category"] for m in answered if m["category"]})
    unanswered = [m["score"] for m in measured if "recall" not in m]
    return {
        "questions": len(answered),
        **_means(answered),
        "newest first": [sum(ordered), len(ordered)],
        "not said": auroc([m["score"] for m in answered], unanswered),
        "categories": {
            name: {
                "questions": len(some := [m for m in answered if m["category"] == name]),
                **_means(some),
            }
            for name in categories
        },
    }


def _means(measured: Sequence[Mapping[str, Any]]) -> Json:
    means: Json = {
        f"recall@{k}": round(fmean(m["recall"][i] for m in measured), 4) for i, k in enumerate(KS)
    }
    for budget in measured[0]["prompts"]:
        means[f"prompt {budget}"] = round(fmean(m["prompts"][budget] for m in measured), 4)
    return means


def auroc(yes: Sequence[float | None], no: Sequence[float | None]) -> float | None:
    """Return how often an answered question scores above an unanswered one; None if unknown.

    A question without results has the lowest score; a system without scores has no figure.
    """
    if not yes or not no or all(score is None for score in yes):
        return None
    lowest = float("-inf")
    pairs = [(lowest if y is None else y, lowest if n is None else n) for y in yes for n in no]
    wins = sum((y > n) + 0.5 * (y == n) for y, n in pairs)
    return round(wins / len(pairs), 4)
