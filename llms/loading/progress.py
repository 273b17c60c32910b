"""The progress bars of transformers and the hub, shown or not while something loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        yield
    finally:
        bars.enable_progress_bar()
