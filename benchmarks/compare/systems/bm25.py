"""Plain BM25, as an anchor: bm25s with English stems, Chinese characters and pairs of them."""

import json
import re

import bm25s
import Stemmer
from compare.protocol import Hit

NAME = "BM25 alone"
PACKAGE = "bm25s"
ENVIRONMENT = "anchors"
SETTING = "PyStemmer and stop words as in its README; Chinese characters and pairs of them"
CHOOSES_EMBEDDER = False

_STEMMER = Stemmer.Stemmer("english")
_STOP_WORDS = frozenset(bm25s.stopwords.STOPWORDS_EN)


def _tokens(text):
    parts = re.findall(r"[㐀-鿿]+|[^\W㐀-鿿]+", text.lower())
    words = [word for part in parts for word in _words(part)]
    return _STEMMER.stemWords([word for word in words if word not in _STOP_WORDS])


def _words(part):
    if not "㐀" <= part[0] <= "鿿":
        return [part]
    return [*part, *(part[i : i + 2] for i in range(len(part) - 1))]


class System:
    def __init__(self, folder):
        self._file = folder / "turns.jsonl"
        self._turns, self._indexes = {}, {}
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                user, id, text = json.loads(line)
                self._turns.setdefault(user, {})[id] = text

    def add(self, turns, user):
        with self._file.open("a", encoding="utf-8") as file:
            for turn in turns:
                self._turns.setdefault(user, {})[turn.id] = turn.text
                file.write(json.dumps([user, turn.id, turn.text], ensure_ascii=False) + "\n")
        self._indexes.pop(user, None)

    def search(self, query, user, k, now):
        turns = self._turns.get(user, {})
        if user not in self._indexes:
            self._indexes[user] = bm25s.BM25()
            tokens = [_tokens(text) or [""] for text in turns.values()]
            self._indexes[user].index(tokens, show_progress=False)
        ids = list(turns)
        words = [word for word in _tokens(query) if word in self._indexes[user].vocab_dict]
        if not words:
            return []
        found, scores = self._indexes[user].retrieve(
            [words], k=min(k, len(ids)), show_progress=False
        )
        best = zip(found[0].tolist(), scores[0].tolist(), strict=True)
        return [Hit(turns[ids[i]], ids[i], score) for i, score in best]

    def delete(self, turns, user):
        raise NotImplementedError

    def close(self):
        pass


def open(folder, embedder):
    return System(folder)
