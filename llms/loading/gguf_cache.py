"""Cache for GGUF files, because transformers reads the same file several times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

_lock = threading.RLock()
_CACHED_FUNCTIONS = ("GGUFReader", "get_tensor_name_map")


@contextmanager
def cache_gguf_reads() -> Iterator[None]:
    """Cache the files and tensor name maps that the package gguf reads inside the block.

    Without it, loading SmolLM2 reads its file 4 times, one to three seconds each, and builds the
    same name map 397 times.
    """
    if find_spec("gguf") is None:
        yield
        return
    import gguf

    module: Any = gguf
    with _lock:  # only one thread at a time patches and restores the module
        originals = {name: getattr(module, name) for name in _CACHED_FUNCTIONS}
        try:
            for name, function in originals.items():
                setattr(module, name, cache(function))
            yield
        finally:
            for name, function in originals.items():
                setattr(module, name, function)
