"""The command `import`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, open_or_create, resolve_moment
from memorybank_core.cli.group import UsageError
from memorybank_core.importers.detection import OURS, find_format
from memorybank_core.importers.sources import Source
from memorybank_core.registry import bank_exists
from memorybank_core.reports import ImportReceipt
from memorybank_core.terminal import console, plural, plural_memories, print_json, progress_bar

_Users = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        "-u",
        help="User whose memories these are; of a source that names users, only this one's. "
        "Repeat only for an export of a MemoryBank.",
    ),
]


def import_(
    path: options.BankPath,
    file: Annotated[str, typer.Argument(metavar="SOURCE", help="File, folder or database URL.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help="Format of the source, such as chatgpt; by default recognized by the contents.",
        ),
    ] = None,
    users: _Users = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            help="Only this user, session, thread or namespace of the source; repeat for more.",
        ),
    ] = None,
    metadata: options.TurnMetadata = None,
    at: options.UndatedAt = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start forgetting now, not at the time of each turn."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only print what would come and what would be left out."),
    ] = False,
    embedder: options.EmbedderName = None,
    timezone: options.Timezone = None,
    as_json: options.AsJson = False,
) -> None:
    """Import another program's memories, or an export; creates the bank if it does not exist.

    Importing the same source again changes nothing, and completes an interrupted import. --user
    names the user whose memories they are, unless the source does. The next `forget` archives old
    memories unless --fresh is passed; it asks first.
    """
    with (
        Source(file) as source,
        _open_target(path, dry_run, lambda: format or find_format(source), embedder, timezone) as (
            bank,
            name,
        ),
    ):
        if name == OURS:
            _require_none(select, metadata, at)
            _import_ours(bank, source, users or None, fresh, dry_run, as_json)
            return
        source.zone = bank.timezone
        settings: dict[str, Any] = {
            "user_id": _only_user(users),
            "select": select or (),
            "metadata": options.merge(metadata),
            "at": resolve_moment(at, bank) if at else None,
            "fresh": fresh,
            "dry_run": dry_run,
        }
        receipt = _import_source(bank, source, name, settings)
        is_dated = not as_json and not dry_run and receipt.added
        faded = _count_faded(bank, receipt.users) if is_dated else 0
    if as_json:
        print_json(receipt.to_dict())
    else:
        _print_receipt(receipt, faded)


@contextmanager
def _open_target(
    path: str,
    dry_run: bool,
    find_name: Callable[[], str],
    embedder: str | None,
    timezone: str | None,
) -> Iterator[tuple[MemoryBank, str]]:
    """Open the bank after the format is known; a dry run creates no bank and loads no embedder."""
    name = find_name()
    if not dry_run:
        with open_or_create(path, embedder=embedder, timezone=timezone) as bank:
            yield bank, name
    elif bank_exists(path):
        with open_existing(path, timezone=timezone) as bank:
            yield bank, name
    else:
        with (
            TemporaryDirectory() as folder,
            MemoryBank.open(Path(folder, "b.db"), embedder="hashing", timezone=timezone) as bank,
        ):
            yield bank, name


def _require_none(*values: Any) -> None:
    if any(values):
        raise UsageError(
            "--select, --metadata and --at do not apply to an export of a MemoryBank; choose users "
            "with --user"
        )


def _only_user(users: list[str] | None) -> str | None:
    if users and len(users) > 1:
        raise UsageError("pass --user once: the memories become those of this user")
    return users[0] if users else None


def _import_source(
    bank: MemoryBank, source: Source, name: str, settings: Mapping[str, Any]
) -> ImportReceipt:
    """Import a source, with a progress bar in percent of the bytes that are read, if known."""
    from memorybank_core.importers.transfer import import_source, make_options

    options = make_options(source, **settings)
    total = 100 if source.size else None
    with progress_bar("Importing", total, "%" if total else "turns") as bar:
        shown = 0

        def advance(turns: int) -> None:
            nonlocal shown
            step = (
                turns
                if total is None
                else total * source.done // (source.total or source.size) - shown
            )
            shown += step
            bar(step)

        return import_source(bank, source, name, options, advance)


def _print_receipt(receipt: ImportReceipt, faded: int) -> None:
    """Print what an import stored, what it left out, and what to do next."""
    out, verb = console(), "would import" if receipt.dry_run else "imported"
    counts = [
        plural(receipt.added, "turn"),
        *(f"{receipt.unchanged:,} already known" for _ in range(receipt.unchanged > 0)),
        *(f"{receipt.replaced:,} replaced by newer ones" for _ in range(receipt.replaced > 0)),
    ]
    span = f", {receipt.first:%Y-%m-%d} to {receipt.last:%Y-%m-%d}" if receipt.first else ""
    people = plural(len(receipt.users), "user")
    out.print(f"{verb} from {receipt.format}, {people}: {', '.join(counts)}{span}", soft_wrap=True)
    if receipt.left_out:
        left = ", ".join(f"{count:,} {kind}" for kind, count in receipt.left_out.items())
        out.print(f"left out: {left}", soft_wrap=True)
    for fault in receipt.faults:
        out.print(f"cannot read {fault}", soft_wrap=True)
    if receipt.undated:
        out.print(f"{plural(receipt.undated, 'turn')} without a time got that of the file, or --at")
    _print_faded(faded)


def _print_faded(faded: int) -> None:
    if faded:
        console().print(
            f"{plural_memories(faded)} faded long ago: the next forget would archive them. "
            "To count from today instead, import into a new bank with --fresh"
        )


def _import_ours(
    bank: MemoryBank,
    source: Source,
    users: list[str] | None,
    fresh: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import JSON of the original MemoryBank, such as an export."""
    from memorybank_core.importers.own_export import load_export
    from memorybank_core.json_format import count_turns, import_json
    from memorybank_core.json_format.fields import resolve_user_id
    from memorybank_core.json_format.items import users_of

    data = load_export(source)
    with progress_bar("Importing", count_turns(data, users=users), "turns") as advance:
        report = import_json(
            bank, data, users=users, fresh=fresh, progress=advance, dry_run=dry_run
        )
    if as_json:
        print_json(report)
        return
    extras = [
        f"{count:,} {label}"
        for count, label in (
            (report.events, "daily summaries"),
            (report.digests, "portraits and overall summaries"),
            (report.items, "stored items"),
            (report.unchanged, "already known"),
            (report.empty, "empty and skipped"),
        )
        if count
    ]
    counts = ", ".join([plural(report.turns, "turn"), *extras])
    verb = "would import" if dry_run else "imported"
    console().print(f"{verb} {plural(report.users, 'user')}: {counts}")
    if report.turns and not dry_run:
        imported = {resolve_user_id(key, entry) for key, entry in users_of(data).items()}
        _print_faded(_count_faded(bank, imported if not users else imported & set(users)))


def _count_faded(bank: MemoryBank, users: Collection[str]) -> int:
    """Return how many memories of the imported users `forget` would archive now."""
    return sum(
        len(bank.forget(user_id=user_id, dry_run=True).forgotten)
        for user_id in sorted(set(users) & set(bank.users()))
    )
