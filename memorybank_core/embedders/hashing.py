"""HashingEmbedder: words hashed into a vector, without a model or a download."""

from __future__ import annotations

import itertools
import re
import unicodedata
import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import snowballstemmer

from memorybank_core.protocols import Matrix, Vector
from memorybank_core.text import CJK

# The tokenization is separate from that of lexical search, which improves with time: the vectors
# of an embedder with this name are in users' banks and must stay as they are.
_RUN = re.compile(rf"([{CJK}]+)|([^\W_{CJK}]+)(?:['’][^\W\d_{CJK}]+)?")
_STOP_WORDS = frozenset(
    "a an the and or of to in on at by for from with as is are was were be been am do does did "
    "have has had i you he she it we they me him them my your his her its our their this that "
    "these those what which who whom how when where why s t d m ll re ve not".split()
)


class HashingEmbedder:
    """Bag of words: each term of a text adds 1 to the dimension that its checksum selects.

    Texts that share words are similar; synonyms are not. For tests, trials and machines too small
    for a model.

    Args:
        dimension: The length of the vectors.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.name = "hashing" if dimension == 256 else f"hashing-{dimension}"

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), dimension)."""
        return np.array([self.embed_query(text) for text in texts], np.float32).reshape(
            len(texts), self.dimension
        )

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (dimension,)."""
        vector = np.zeros(self.dimension, np.float32)
        for term in list(_find_terms(text)) or [""]:
            vector[zlib.crc32(term.encode()) % self.dimension] += 1.0
        result: Vector = vector / np.float32(np.linalg.norm(vector))
        return result


def _find_terms(text: str) -> Iterator[str]:
    """Return the stems of the words, and the characters of Chinese text and pairs of them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())
        text = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", text))
    for characters, word in _RUN.findall(text.lower() if text.isascii() else text):
        yield from characters
        yield from map("".join, itertools.pairwise(characters))
        if word and word not in _STOP_WORDS:
            yield _stem(word)


@lru_cache(maxsize=32_768)
def _stem(word: str) -> str:
    return str(_STEMMER.stemWord(word)) if word.isascii() else word


_STEMMER = snowballstemmer.stemmer("english")


def hashing() -> HashingEmbedder:
    """Return the embedder "hashing", of dimension 256."""
    return HashingEmbedder()
