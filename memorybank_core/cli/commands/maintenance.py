"""The commands `users`, `stats`, `reembed` and `compact`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich import filesize
from rich.table import Table
from rich.text import Text

from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing
from memorybank_core.configuration import describe_law
from memorybank_core.terminal import (
    clean,
    console,
    plural_memories,
    print_json,
    progress_bar,
    table,
)


def users(path: options.BankPath, as_json: options.AsJson = False) -> None:
    """List the users, with the number of memories of each."""
    with open_existing(path) as bank:
        counts = {user: bank.stats(user_id=user) for user in bank.users()}
    if as_json:
        rows = [{"user_id": user, **asdict(stats)} for user, stats in counts.items()]
        for row in rows:
            del row["users"], row["file_bytes"]  # numbers of the whole file
        print_json({"users": rows})
        return
    lines = table(
        "User", "Memories", "Forgotten", "Recalls", "First day", "Last day",
        numbers=("Memories", "Forgotten", "Recalls"),
    )  # fmt: skip
    for user, stats in counts.items():
        numbers = (f"{n:,}" for n in (stats.memories, stats.archived, stats.recalls))
        days = (str(day or "") for day in (stats.first_day, stats.last_day))
        lines.add_row(Text(clean(user)), *numbers, *days)
    console().print(lines if counts else "no users")


def stats(
    path: options.BankPath, user: options.OptionalUser = None, as_json: options.AsJson = False
) -> None:
    """Count the memories of a bank or of one user, and print the settings that it keeps."""
    with open_existing(path, user=user) as bank:
        counts = bank.stats(user_id=user)
        settings = {
            "embedder": bank.embedder.name,
            "timezone": bank.timezone.key,
            "language": bank.language,
            "law": describe_law(bank.law),
        }
    if as_json:
        print_json({**asdict(counts), **settings})
        return
    rows = {
        "users": f"{counts.users:,}",
        "memories": f"{counts.memories:,}",
        "forgotten": f"{counts.archived:,}",
        "recalls": f"{counts.recalls:,}",
        "first day": str(counts.first_day or ""),
        "last day": str(counts.last_day or ""),
        "file": filesize.decimal(counts.file_bytes),
        "embedder": settings["embedder"],
        "time zone": settings["timezone"],
        "language": settings["language"],
        "law": settings["law"],
    }
    if user:
        del rows["users"], rows["file"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    for name, value in rows.items():
        grid.add_row(name, value)
    console().print(grid)


def reembed(
    path: options.BankPath,
    embedder: Annotated[str, typer.Option("--embedder", help="Name of the new embedder.")],
    as_json: options.AsJson = False,
) -> None:
    """Embed every memory again with another embedder."""
    from memorybank_core.stores.reembed import reembed as reembed_bank

    with open_existing(path) as bank:
        total = bank.stats().memories
    with progress_bar("Embedding", total, "memories") as advance:
        count = reembed_bank(path, embedder, progress=advance)
    if as_json:
        print_json({"memories": count, "embedder": embedder})
        return
    console().print(f"{plural_memories(count)} embedded with {embedder}")


def compact(path: options.BankPath, as_json: options.AsJson = False) -> None:
    """Rewrite the file without the space of deleted data."""
    with open_existing(path) as bank:
        before = bank.stats().file_bytes
        is_done = bank.compact()
        after = bank.stats().file_bytes
    if as_json:
        print_json({"compacted": is_done, "bytes_before": before, "bytes_after": after})
        return
    sizes = f"{filesize.decimal(before)} → {filesize.decimal(after)}"
    console().print(f"compacted: {sizes}")
    if not is_done:
        console().print("another process still reads an older state of the file; try again later")
