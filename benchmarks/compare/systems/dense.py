"""Plain embeddings, as an anchor: the cosine of every turn, by numpy."""

import json

import numpy as np
from compare.protocol import Hit

NAME = "embeddings alone"
PACKAGE = "numpy"
ENVIRONMENT = "anchors"
SETTING = "cosine of the question and each turn, exact"
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._folder, self._embedder, self._users = folder, embedder, {}
        for file in folder.glob("*.jsonl"):
            rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            vectors = np.fromfile(file.with_suffix(".f32"), np.float32)
            shape = (len(rows), embedder.dimension)
            self._users[file.stem] = rows, list(vectors[: shape[0] * shape[1]].reshape(shape))

    def add(self, turns, user):
        vectors = self._embedder.embed_documents([turn.text for turn in turns])
        rows, matrix = self._users.setdefault(user, ([], []))
        matrix.extend(np.array(vectors, np.float32))
        rows.extend([turn.id, turn.text] for turn in turns)
        with (self._folder / f"{user}.f32").open("ab") as file:
            file.write(np.array(vectors, np.float32).tobytes())
        with (self._folder / f"{user}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([turn.id, turn.text]) + "\n" for turn in turns)

    def search(self, query, user, k, now):
        rows, matrix = self._users[user]
        scores = np.stack(matrix) @ np.array(self._embedder.embed_query(query), np.float32)
        best = np.argsort(-scores, kind="stable")[:k]
        return [Hit(rows[i][1], rows[i][0], float(scores[i])) for i in best]

    def delete(self, turns, user):
        raise NotImplementedError

    def close(self):
        pass


def open(folder, embedder):
    return System(folder, embedder)
