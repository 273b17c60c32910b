"""The commands `db init`, `db upgrade` and `move`."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing
from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import scheme_of, without_password
from memorybank_core.registry import STORES, load_plugin
from memorybank_core.terminal import console, plural_memories, print_json, progress_bar

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
            help="Embedder of the bank; default the best that is installed.",
        ),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions", min=0, help="Partitions of each table; 0 for none, default 8."
        ),
    ] = None,
    citus: Annotated[
        bool,
        typer.Option("--citus", help="Distribute the tables with Citus, without partitions."),
    ] = False,
    row_security: Annotated[
        bool,
        typer.Option(
            "--row-level-security",
            help="Restrict each connection to the rows of the user that it is set to.",
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Create the tables of a bank in a PostgreSQL database."""
    from memorybank_core.embedders import embedder_named

    _require_url(url)
    model = embedder_named(embedder)
    postgres = load_plugin(STORES, "postgresql")
    if partitions is None:
        partitions = postgres.PARTITIONS
    layout = postgres.Layout(
        model.name,
        model.dimension,
        0 if citus else partitions,
        citus=citus,
        row_security=row_security,
    )
    with warnings.catch_warnings(record=True) as notes:
        is_new = postgres.init(url, layout)
    for note in notes:
        typer.echo(note.message, err=True)
    if as_json:
        print_json(
            {"made": is_new, "url": without_password(url), **(asdict(layout) if is_new else {})}
        )
        return
    if is_new:
        outcome = f"created a bank at {without_password(url)} for {model.name}"
    else:
        outcome = f"there is already a bank at {without_password(url)}; it was not changed"
    console().print(outcome, soft_wrap=True)


def upgrade(url: Url, as_json: options.AsJson = False) -> None:
    """Upgrade the tables of a bank, while others use it. Run it again after an interruption."""
    _require_url(url)
    postgres = load_plugin(STORES, "postgresql")
    with progress_bar("Upgrading", postgres.count_to_upgrade(url), "memories") as advance:
        before, after = postgres.upgrade(url, progress=advance)
    if as_json:
        print_json({"url": without_password(url), "before": before, "after": after})
        return
    outcome = f"upgraded from {before} to {after}" if before < after else "up to date"
    console().print(f"{without_password(url)}: schema version {after}, {outcome}", soft_wrap=True)


def move(
    source: Annotated[str, typer.Argument(metavar="FROM", help="File or URL of a bank.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="File or URL of an empty bank, or of a copy to continue."
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Copy a bank to another file or database and compare both; can be stopped and repeated."""
    from memorybank_core.moving import move as copy

    with open_existing(source) as bank:
        total = bank.stats().memories
    with progress_bar("Moving", 2 * total, "memories") as advance:
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
    earlier = receipt.memories - receipt.moved
    previous = f", {plural_memories(earlier)} had been moved before" if earlier else ""
    out.print(f"moved {plural_memories(receipt.moved)}{previous}; the source was not changed")


def _require_url(url: str) -> None:
    if scheme_of(url) not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"{url} is not the URL of a PostgreSQL database: write postgresql://user@host/database"
        )
