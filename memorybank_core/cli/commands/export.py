"""The command `export`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from memorybank_core.bank import MemoryBank
from memorybank_core.cli import options
from memorybank_core.cli.banks import open_existing, require_bank
from memorybank_core.cli.outputs import require_writable
from memorybank_core.terminal import console, plural, print_json


class Target(str, Enum):
    """Formats of an export."""

    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output file; - for stdout.")],
    to: Annotated[
        Target,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="json: everything, for an import; jsonl: a line for each message; markdown: "
            "conversations by day, to read.",
        ),
    ] = Target.JSON,
    users: options.Users = None,
    where: options.Where = None,
    language: options.Language = None,
    timezone: options.Timezone = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
) -> None:
    """Export everything except vectors as JSON of the original MemoryBank, or what was said.

    An earlier export is replaced. With --user or --where, items of a LangGraph store are left out.
    """
    from memorybank_core.json_format import is_export
    from memorybank_core.transcripts import is_jsonl, is_markdown

    is_ours = {Target.JSON: is_export, Target.JSONL: is_jsonl, Target.MARKDOWN: is_markdown}[to]
    if str(file) != "-":
        require_bank(path)
        require_writable(file, is_ours=is_ours, force=force, source=path)
    with open_existing(path, timezone=timezone) as bank:
        if to == Target.JSON:
            counts = _export_all(bank, file, path, users or None, options.merge(where))
        else:
            filters = {"users": users or None, "where": options.merge(where)}
            counts = _export_text(bank, file, path, to, filters, language)
    if str(file) == "-":
        return
    if as_json:
        print_json({"file": str(file), **counts})
        return
    nouns = [
        plural(count, name.removesuffix("s"))
        for name, count in counts.items()
        if count or name != "items"
    ]
    console().print(f"exported {', '.join(nouns)} to {file}", soft_wrap=True)


def _export_all(
    bank: MemoryBank,
    file: Path,
    source: str,
    users: Collection[str] | None,
    where: Mapping[str, Any],
) -> dict[str, int]:
    """Write everything as JSON; return the counts."""
    from memorybank_core.json_format import count_items, count_turns, dump, export_json
    from memorybank_core.json_format.items import users_of

    data = export_json(bank, users=users, where=where)
    if str(file) == "-":
        print_json(data)
    else:
        dump(data, file, source=source)
    people = len(users_of(data))
    return {"users": people, "turns": count_turns(data), "items": count_items(data)}


def _export_text(
    bank: MemoryBank,
    file: Path,
    source: str,
    to: Target,
    filters: Mapping[str, Any],
    language: str | None,
) -> dict[str, int]:
    """Write what was said as JSON lines or Markdown; return the counts."""
    from memorybank_core.json_format.fields import select_users
    from memorybank_core.output_files import replaced
    from memorybank_core.text import without_surrogates
    from memorybank_core.transcripts import iterate_jsonl, iterate_markdown
    from memorybank_core.validation import require_language

    chosen = select_users(bank.users(), filters["users"])
    parts: Iterator[str] = iterate_jsonl(bank, **filters)
    if to == Target.MARKDOWN:
        checked = require_language(language) if language else None
        parts = iterate_markdown(bank, **filters, language=checked)
    if str(file) == "-":
        for part in parts:
            typer.echo(part, nl=False)
    else:
        with replaced(file, source=source) as new, new.open("w", encoding="utf-8") as output:
            output.writelines(map(without_surrogates, parts))
    where, people = filters["where"], {"users": len(chosen)}
    kept = {"kind": "turn", "archived": True, "where": where}
    return {**people, "turns": sum(len(bank.timeline(user_id=user, **kept)) for user in chosen)}
