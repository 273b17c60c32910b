"""Hiding of the progress bars of transformers and the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def hide_progress_bars_unless(visible: bool) -> Iterator[None]:
    """Hide progress bars inside the block unless `visible`, and restore the setting afterwards."""
    from transformers.utils import logging

    settings: Any = logging
    if visible or not settings.is_progress_bar_enabled():
        yield
        return
    settings.disable_progress_bar()
    try:
        with _hide_gguf_bar():
            yield
    finally:
        settings.enable_progress_bar()


@contextmanager
def _hide_gguf_bar() -> Iterator[None]:
    """Disable the bar of transformers' GGUF reader, which ignores the setting, by patching it."""
    from transformers import modeling_gguf_pytorch_utils as reader

    module: Any = reader
    bar = module.tqdm
    module.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        module.tqdm = bar
