"""A memory that keeps nothing on disk, returns no ids, and mixes up its users."""

from compare.protocol import Hit

NAME = "forgetful"
PACKAGE = "forgetful"
ENVIRONMENT = None
SETTING = "none"
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, embedder):
        self._embedder, self._texts = embedder, []

    def add(self, turns, user):
        self._texts += [turn.text for turn in turns]

    def search(self, query, user, k, now):
        texts = self._texts
        vectors = self._embedder.embed_documents(texts)
        asked = self._embedder.embed_query(query)
        likeness = [sum(a * b for a, b in zip(asked, v, strict=True)) for v in vectors]
        order = sorted(range(len(texts)), key=lambda i: -likeness[i])
        return [Hit(texts[i]) for i in order[:k]]

    def delete(self, turns, user):
        raise NotImplementedError

    def close(self):
        pass


def open(folder, embedder):
    return System(embedder)
