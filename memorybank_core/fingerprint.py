"""Fingerprint of an embedder: the vector of one fixed sentence, kept in the bank.

It shows that a model with the same name and dimension returns other vectors, as a new version of
its package may.
"""

from __future__ import annotations

import base64
from contextlib import suppress

import numpy as np

from .concurrency import limited_wait
from .errors import EmbedderError, EmbedderMismatchError, StoreError
from .ingest import embed_windows
from .protocols import Embedder, MemoryStore, Vector
from .stores.rules import FINGERPRINT

SENTENCE = "Nora moved to Lisbon in spring. 诺拉春天搬到了里斯本。"
"""The sentence that is embedded as a document."""
MIN_SIMILARITY = 0.99
"""Cosine below which two vectors of it are from different models.

Other processors and libraries change a model's vectors by less.
"""

_WAIT = 2.0
"""Maximum seconds to wait for a connection to the server of an embedder."""


def check_fingerprint(store: MemoryStore, embedder: Embedder, location: str) -> None:
    """Compare the fingerprint in a store with the embedder; write it into a new bank.

    An embedder that fails now is not checked: it will raise its error when it is used.

    Args:
        store: The store.
        embedder: An embedder with the name and dimension of the one that wrote the store.
        location: The path or URL of the bank, for the error.

    Raises:
        EmbedderMismatchError: If the embedder returns other vectors than the one that wrote it.
    """
    try:
        with limited_wait(_WAIT):
            vector = embed_windows([SENTENCE], embedder)[0][0]
    except EmbedderError:
        return
    stored = store.settings.read().get(FINGERPRINT)
    if stored is None:
        if getattr(store, "readonly", False):
            return
        with suppress(StoreError):  # a reader without the right to write
            store.settings.write({FINGERPRINT: _to_text(vector)})
        return
    similarity = float(_from_text(stored) @ vector)
    if not similarity >= MIN_SIMILARITY:
        raise EmbedderMismatchError(
            f"the embedder {embedder.name!r} no longer returns the vectors that {location} was "
            f"written with (cosine {similarity:.3f} for the same sentence): it is another version "
            "of the model. Install the former version, or embed all memories again: "
            f"memorybank reembed {location} --embedder {embedder.name}"
        )


def compare_fingerprint(store: MemoryStore, embedder: Embedder) -> float | None:
    """Return the cosine of the fingerprint in a store and that of an embedder; None without one.

    Raises:
        EmbedderError: If the embedder failed or returned vectors that cannot be used.
    """
    stored = store.settings.read().get(FINGERPRINT)
    if stored is None:
        return None
    return float(_from_text(stored) @ embed_windows([SENTENCE], embedder)[0][0])


def _to_text(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _from_text(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), "<f4")
