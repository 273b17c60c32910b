"""The command `memorybank finetune`, which memorybank_core finds by an entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memorybank_core.cli.options import AsJson
from memorybank_core.terminal import console, plural, print_json, table

from .report import FinetuneReport


def finetune(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Dialogues, as JSON lines.")],
    *,
    model: Annotated[str, typer.Option("--model", help="A folder, or a name on the hub.")],
    output: Annotated[Path, typer.Option("--output", help="The folder for the adapter.")],
    evaluation: Annotated[
        str, typer.Option("--evaluation", help="A share to hold out, a file of others, or none.")
    ] = "0.1",
    frame: Annotated[
        str | None, typer.Option("--frame", help="How dialogues become prompts, such as belle.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", help="How often all is learnt.")] = 3,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Its highest.")] = 2e-4,
    r: Annotated[int, typer.Option("--r", help="The adapter's rank.")] = 8,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="Default 32 for ChatGLM, 16 for others.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option("--dropout", help="Default 0.1 for ChatGLM, 0.05 for others.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="A layer to adapt; repeat for more.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option("--max-length", help="Tokens of an example; default 1024.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Examples at once.")] = 4,
    accumulate: Annotated[int, typer.Option("--accumulate", help="Batches of a step.")] = 4,
    gradient_checkpointing: Annotated[
        bool, typer.Option(help="Less memory for a quarter more time.")
    ] = True,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32, bfloat16 or float16.")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cuda or cpu.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all that is left to chance.")] = 0,
    save_steps: Annotated[
        int | None, typer.Option("--save-steps", help="Steps between checkpoints; else epochs.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--anew", help="Go on from the last checkpoint.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Teach a model to answer as in dialogues (LoRA); may be stopped and repeated."""
    from . import run

    targets = target[0] if target == ["all-linear"] else tuple(target or ()) or None
    report = run.finetune(
        model,
        data,
        output,
        evaluation=_evaluation(evaluation),
        dtype=dtype,
        device=device,
        resume=resume,
        frame=frame,
        epochs=epochs,
        learning_rate=learning_rate,
        r=r,
        alpha=alpha,
        dropout=dropout,
        targets=targets,
        max_length=max_length,
        batch_size=batch_size,
        accumulate=accumulate,
        gradient_checkpointing=gradient_checkpointing,
        seed=seed,
        save_steps=save_steps,
    )
    if as_json:
        print_json(report)
    else:
        _print(report)


def _evaluation(told: str) -> float | str | None:
    """A share where it is a number; none, or a file."""
    if told == "none":
        return None
    try:
        return float(told)
    except ValueError:
        return told


def _print(report: FinetuneReport) -> None:
    out = console()
    shown = table("Epoch", "Training", "Held out", numbers=("Epoch", "Training", "Held out"))
    for one in report.losses:
        shown.add_row(str(one.epoch), _number(one.training), _number(one.held_out))
    out.print(shown)
    for count, what in (
        (report.shortened, "lost their oldest turns, which did not fit --max-length"),
        (report.left_out, "left out: too long for --max-length by themselves"),
    ):
        if count:
            out.print(f"{count:,} {what}")
    resumed = f", resumed at {report.resumed_at:,}" if report.resumed_at else ""
    learnt = f"{plural(report.examples, 'example')} in {plural(report.steps, 'step')}{resumed}"
    out.print(f"learnt {learnt}: {report.adapter}", soft_wrap=True)


def _number(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"
