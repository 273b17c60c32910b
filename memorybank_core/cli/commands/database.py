"""A bank on PostgreSQL: db init, db upgrade; and from one place to another: move."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from memorybank_core.cli import options
from memorybank_core.cli.banks import opened
from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import scheme_of, without_password
from memorybank_core.registry import STORES, load_plugin
from memorybank_core.terminal import console, memories, print_json, progress_bar, times

Url = Annotated[
    str, typer.Argument(metavar="URL", help="postgresql://user@host/database[?schema=NAME]")
]


def init(
    url: Url,
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder",
            envvar="MEMORYBANK_EMBEDDER",
            help="Whose vectors the bank will hold; default the best that is installed.",
        ),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", min=0, help="Of each table; 0 for none. Default 8."),
    ] = None,
    citus: Annotated[
        bool, typer.Option("--citus", help="Distribute the tables with Citus instead.")
    ] = False,
    walls: Annotated[
        bool,
        typer.Option(
            "--row-level-security", help="Let a connection see only the user that it is set to."
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Make the tables of a bank in a PostgreSQL database with pgvector; once."""
    from memorybank_core.embedders import embedder_named

    _require_url(url)
    chosen = embedder_named(embedder)
    postgres = load_plugin(STORES, "postgresql")
    split = postgres.PARTITIONS if partitions is None else partitions
    layout = postgres.Layout(
        chosen.name, chosen.dimension, 0 if citus else split, citus=citus, walls=walls
    )
    is_new = postgres.init(url, layout)
    if as_json:
        print_json(
            {"made": is_new, "url": without_password(url), **(asdict(layout) if is_new else {})}
        )
        return
    if not is_new:
        told = f"there is a bank at {without_password(url)} already; it was left as it is"
    else:
        told = f"made a bank at {without_password(url)} for {chosen.name}"
    console().print(told, soft_wrap=True)


def upgrade(url: Url, as_json: options.AsJson = False) -> None:
    """Bring the tables of a bank to what this version of the package needs."""
    _require_url(url)
    postgres = load_plugin(STORES, "postgresql")
    before, after = postgres.upgrade(url)
    if as_json:
        print_json({"url": without_password(url), "before": before, "after": after})
        return
    told = f"upgraded from {before} to {after}" if before < after else "up to date"
    console().print(f"{without_password(url)}: schema version {after}, {told}", soft_wrap=True)


def move(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A bank's file or URL.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="An empty place, or one begun.")],
    as_json: options.AsJson = False,
) -> None:
    """Copy a bank to another place and compare the two; may be stopped and repeated."""
    from memorybank_core.moving import move as copy

    with opened(source) as bank:
        total = bank.stats().memories
    with progress_bar("Moving", 2 * total) as advance:
        receipt = copy(source, target, progress=advance)
    if as_json:
        print_json(receipt)
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    for name in ("users", "memories", "vectors", "recalls", "digests", "items"):
        grid.add_row(name, f"{getattr(receipt, name):,}")
    grid.add_row("checksum", receipt.checksum)
    out = console()
    out.print(f"{receipt.target} is equal to {receipt.source}:", soft_wrap=True)
    out.print(grid, soft_wrap=True)
    there = receipt.memories - receipt.moved
    known = f", {times(there, 'memory', 'memories')} were there before" if there else ""
    out.print(f"moved {memories(receipt.moved)}{known}; the source is as it was")


def _require_url(url: str) -> None:
    if scheme_of(url) not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"{url} is no URL of a PostgreSQL database: write postgresql://user@host/database"
        )
