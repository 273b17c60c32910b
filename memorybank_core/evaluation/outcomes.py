"""Outcomes of questions, and their means over a dataset or a category."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one question: what a search and a context found.

    Attributes:
        category: The question's category.
        has_answer: Whether any turn answers the question.
        recalls: Recall at each k, if the question has an answer.
        coverages: Share of the evidence in a context of each budget, if it has an answer.
        newest_first: Whether the evidence ranked above outdated turns; None without such turns.
        relevance: Relevance of the best result; 0 without results.
    """

    category: str | None
    has_answer: bool
    recalls: tuple[float, ...] = ()
    coverages: tuple[float, ...] = ()
    newest_first: bool | None = None
    relevance: float = 0.0


def summarize_outcomes(
    outcomes: Sequence[Outcome], ks: Sequence[int], budgets: Sequence[int]
) -> dict[str, float]:
    """Return means over the questions with an answer, and the AUROC of those without.

    Keys are "recall@k", "coverage@budget", "newest_first" (the share of questions with outdated
    turns whose evidence ranked above them) and "not_said_auroc"; a measure without questions is
    absent.
    """
    answered = [outcome for outcome in outcomes if outcome.has_answer]
    columns: dict[str, list[float]] = {
        **_columns("recall", ks, [outcome.recalls for outcome in answered]),
        **_columns("coverage", budgets, [outcome.coverages for outcome in answered]),
        "newest_first": [float(o.newest_first) for o in answered if o.newest_first is not None],
    }
    means = {name: round(fmean(values), 4) for name, values in columns.items() if values}
    area = not_said_auroc(outcomes)
    return means if area is None else {**means, "not_said_auroc": round(area, 4)}


def summarize_categories(
    outcomes: Sequence[Outcome], ks: Sequence[int], budgets: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return the number of questions and their means by category, for questions with an answer."""
    names = sorted({o.category for o in outcomes if o.category is not None and o.has_answer})
    return {
        name: {
            "questions": len(members),
            **summarize_outcomes(members, ks, budgets),
            "newest_first_of": sum(o.newest_first is not None for o in members),
        }
        for name in names
        if (members := [o for o in outcomes if o.category == name and o.has_answer])
    }


def not_said_auroc(outcomes: Iterable[Outcome]) -> float | None:
    """Return the probability that an answered question's best result is the more relevant one.

    That is the area under the ROC curve of the best result's relevance; ties count half. It is
    None if all or no questions have an answer.
    """
    relevances: dict[bool, list[float]] = {True: [], False: []}
    for outcome in outcomes:
        relevances[outcome.has_answer].append(outcome.relevance)
    pairs = list(product(relevances[True], relevances[False]))
    return fmean((a > b) + 0.5 * (a == b) for a, b in pairs) if pairs else None


def _columns(
    name: str, cutoffs: Sequence[int], rows: Sequence[Sequence[float]]
) -> dict[str, list[float]]:
    """Return the values of each cut-off over the rows, by "name@cutoff"."""
    return {f"{name}@{c}": [row[i] for row in rows] for i, c in enumerate(cutoffs)}
