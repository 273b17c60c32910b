"""A memory that counts common words, in one file; it is what the runner of the comparison tests."""

import json

NAME = "words"
PACKAGE = "words"
ENVIRONMENT = None
SETTING = "common words"
CHOOSES_EMBEDDER = False


class System:
    def __init__(self, folder):
        self._file = folder / "turns.jsonl"
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._rows = [json.loads(line) for line in lines]

    def add(self, turns, user):
        rows = [[user, turn.id, turn.text] for turn in turns]
        self._rows += rows
        with self._file.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def search(self, query, user, k, now):
        from compare.protocol import Hit

        words = set(query.lower().split())
        own = [row for row in self._rows if row[0] == user]
        scored = [(len(words & set(text.lower().split())), text, id) for _, id, text in own]
        best = sorted((row for row in scored if row[0]), reverse=True)[:k]
        return [Hit(text, id, float(score)) for score, text, id in best]

    def delete(self, turns, user):
        """Forget the rows, but not their text in the file: the comparison must find it there."""
        ids = {turn.id for turn in turns}
        self._rows = [row for row in self._rows if row[0] != user or row[1] not in ids]

    def close(self):
        pass


def open(folder, embedder):
    return System(folder)
