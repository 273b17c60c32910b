"""The progress bars of transformers and the hub, shown or not while something loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def shown(wanted: bool) -> Iterator[None]:
    """Hides the bars inside of it unless `wanted`, and leaves the setting as it was."""
    from transformers.utils import logging

    bars: Any = logging
    if wanted or not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()
    try:
        with _gguf_bar_hidden():
            yield
    finally:
        bars.enable_progress_bar()


@contextmanager
def _gguf_bar_hidden() -> Iterator[None]:
    """The bar of transformers' GGUF reader asks no setting, so it is silenced where it stands."""
    from transformers import modeling_gguf_pytorch_utils as reader

    module: Any = reader
    bar = module.tqdm
    module.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        module.tqdm = bar
