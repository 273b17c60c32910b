"""GGUF files, read once: transformers reads one anew for each thing that it wants to know of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

_lock = threading.RLock()
_names = ("GGUFReader", "get_tensor_name_map")


@contextmanager
def cache_gguf_reads() -> Iterator[None]:
    """Inside of it, what gguf reads of a file or makes of a kind of model is kept.

    Loading SmolLM2 takes 4 readings of a second or three each, and 397 equal maps of names.
    """
    if find_spec("gguf") is None:
        yield
        return
    import gguf

    module: Any = gguf
    with _lock:  # one after another, so that each finds the module as it was
        before = {name: getattr(module, name) for name in _names}
        try:
            for name, function in before.items():
                setattr(module, name, cache(function))
            yield
        finally:
            for name, function in before.items():
                setattr(module, name, function)
