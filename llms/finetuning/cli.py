"""The command `memorybank finetune`, registered with memorybank_core as an entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memorybank_core.cli.options import AsJson
from memorybank_core.terminal import console, plural, print_json, table

from .report import FinetuneReport

Data = Annotated[Path, typer.Argument(metavar="DATA", help="File of dialogues, as JSON lines.")]
Model = Annotated[str, typer.Option("--model", help="A folder, or a name on the Hugging Face hub.")]
Output = Annotated[Path, typer.Option("--output", help="Folder for the adapter.")]
Evaluation = Annotated[
    str,
    typer.Option(
        "--evaluation", help='Share of the dialogues to hold out, another file, or "none".'
    ),
]
Frame = Annotated[str | None, typer.Option("--frame", help="Prompt format, for example belle.")]
Epochs = Annotated[int, typer.Option("--epochs", help="Passes over the dialogues.")]
LearningRate = Annotated[float, typer.Option("--learning-rate", help="Peak learning rate.")]
Rank = Annotated[int, typer.Option("--r", help="Rank of the adapter.")]
Alpha = Annotated[
    float | None, typer.Option("--alpha", help="Default 32 for ChatGLM, 16 for other models.")
]
Dropout = Annotated[
    float | None,
    typer.Option("--dropout", help="Default 0.1 for ChatGLM, 0.05 for other models."),
]
Target = Annotated[
    list[str] | None, typer.Option("--target", help="A layer to adapt; repeat for more.")
]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", help="Tokens per example; default 1024.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Examples per batch.")]
Accumulate = Annotated[int, typer.Option("--accumulate", help="Batches per step.")]
GradientCheckpointing = Annotated[
    bool, typer.Option(help="Save memory; takes about a quarter more time.")
]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32, bfloat16 or float16.")]
Device = Annotated[str | None, typer.Option("--device", help="cuda or cpu.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the random numbers.")]
SaveSteps = Annotated[
    int | None,
    typer.Option("--save-steps", help="Steps between checkpoints; default one per epoch."),
]
Resume = Annotated[
    bool, typer.Option("--resume/--restart", help="Continue from the last checkpoint.")
]


def finetune(
    data: Data,
    *,
    model: Model,
    output: Output,
    evaluation: Evaluation = "0.1",
    frame: Frame = None,
    epochs: Epochs = 3,
    learning_rate: LearningRate = 2e-4,
    r: Rank = 8,
    alpha: Alpha = None,
    dropout: Dropout = None,
    target: Target = None,
    max_length: MaxLength = None,
    batch_size: BatchSize = 4,
    accumulate: Accumulate = 4,
    gradient_checkpointing: GradientCheckpointing = True,
    dtype: Dtype = None,
    device: Device = None,
    seed: Seed = 0,
    save_steps: SaveSteps = None,
    resume: Resume = True,
    as_json: AsJson = False,
) -> None:
    """Train a LoRA adapter on dialogues. Repeat the command to continue an interrupted run."""
    from . import run

    targets = target[0] if target == ["all-linear"] else tuple(target or ()) or None
    report = run.finetune(
        model,
        data,
        output,
        evaluation=_parse_evaluation(evaluation),
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
        _print_report(report)


def _parse_evaluation(text: str) -> float | str | None:
    """Return a share as a number, a file name as it is, and None for "none"."""
    if text == "none":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _print_report(report: FinetuneReport) -> None:
    out = console()
    losses = table("Epoch", "Training", "Held out", numbers=("Epoch", "Training", "Held out"))
    for loss in report.losses:
        losses.add_row(str(loss.epoch), _format_loss(loss.training), _format_loss(loss.held_out))
    out.print(losses)
    for count, message in (
        (
            report.shortened,
            "examples were shortened: their oldest turns did not fit into --max-length",
        ),
        (report.left_out, "answers were left out: they and their question exceed --max-length"),
    ):
        if count:
            out.print(f"{count:,} {message}")
    resumed = f", resumed at {report.resumed_at:,}" if report.resumed_at else ""
    work = f"{plural(report.examples, 'example')} in {plural(report.steps, 'step')}{resumed}"
    out.print(f"trained on {work}: {report.adapter}", soft_wrap=True)


def _format_loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3f}"
