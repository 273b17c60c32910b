"""Fine-tuning from a folder with a model and a file of dialogues to a folder with an adapter."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llms.families import find_by_loaded_type
from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .checkpoints import begin, step_of
from .dialogues import Dialogue, digest_of, read_dialogues
from .examples import Collator, Cutter, Examples, check_examples
from .recipe import recipe_of
from .report import FinetuneReport, epoch_losses

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def finetune(
    model: str | PathLike[str],
    data: str | PathLike[str],
    output: str | PathLike[str],
    *,
    evaluation: float | str | PathLike[str] | None = 0.1,
    dtype: str | None = None,
    device: str | None = None,
    resume: bool = True,
    progress: bool = True,
    **recipe: Any,
) -> FinetuneReport:
    """Teaches a model to answer as in dialogues; what it learns is a LoRA adapter.

    Only the tokens of answers are learnt, and those that end them, after the very prompt that
    `LocalModel` makes of a conversation. Killed and called again with the same arguments, it goes
    on from its last checkpoint, and gives what it would have given (on a GPU: as far as its sums
    come out the same twice).

    Args:
        model: What `load_model` takes.
        data: JSON lines, a dialogue a line: {"turns": [{"query", "response"}, ...]}, with a
            "system" or without, or {"messages": [{"role", "content"}, ...]}.
        output: The folder for the adapter and for the checkpoints. `load_adapter` takes both, and
            so does peft.
        evaluation: What to measure on before training and after each epoch: a share of the
            dialogues, which are held out, or a file of others; None measures nothing.
        dtype: float32, bfloat16 or float16; None for bfloat16 on CUDA where the card has it, else
            float16, and for float32 on any other device.
        device: None for CUDA where there is one, else the CPU.
        resume: Whether to go on with a fine-tuning that was begun in `output`. False begins anew.
        progress: Whether to show a bar.
        recipe: The fields of `Recipe`: r, epochs, learning_rate and others.

    Raises:
        FormatError: A line of the data is no dialogue; nothing was trained.
        ConfigurationError: An argument cannot work, a fine-tuning in `output` was begun with other
            ones, the memory of the device is too small, or the training diverged.
        MissingDependencyError: torch, transformers or peft is not installed.
    """
    chosen = recipe_of(recipe)
    dialogues, held_out = _split(read_dialogues(Path(data)), evaluation, chosen.seed)
    try:
        import peft  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingDependencyError.of(str(error.name), "lora") from error
    place, kind = device_and_dtype(device, dtype)
    base = _loaded(model, place, kind, progress=progress)
    settings = {
        **chosen.for_model(base.config.model_type, _window(base)),
        "model": fspath(model),
        "data": digest_of(dialogues),
        "held_out": digest_of(held_out),
        "dtype": kind,
    }
    try:
        return _trained(base, dialogues, held_out, settings, Path(output), resume, progress)
    except torch.OutOfMemoryError as error:
        raise ConfigurationError(
            f"the memory of {place} is too small: lower batch_size (and raise accumulate) or "
            f"max_length, or keep gradient_checkpointing ({error})"
        ) from error


def device_and_dtype(device: str | None, dtype: str | None) -> tuple[str, str]:
    """Where to train, and in which numbers.

    Raises:
        ConfigurationError: There is no such dtype, or not on this device.
    """
    import torch

    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    cuda = place.startswith("cuda")
    if dtype is None:
        dtype = "float32"
        if cuda:
            dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    kinds = ("float32", "bfloat16", "float16") if cuda else ("float32", "bfloat16")
    if dtype not in kinds:
        raise ConfigurationError(f"dtype on {place} must be one of {', '.join(kinds)}, not {dtype}")
    return place, dtype


def _split(
    dialogues: list[Dialogue], evaluation: float | str | PathLike[str] | None, seed: int
) -> tuple[list[Dialogue], list[Dialogue]]:
    """The dialogues to learn from, and those to measure on."""
    if evaluation is None:
        return dialogues, []
    if not isinstance(evaluation, (int, float)):
        return dialogues, read_dialogues(Path(evaluation))
    if not 0.0 < evaluation < 1.0 or len(dialogues) < 2:
        raise ConfigurationError(
            f"evaluation must be a share in (0, 1) of several dialogues, a file of others, or None "
            f"for no evaluation; not {evaluation!r} of {len(dialogues)}"
        )
    count = min(max(1, round(evaluation * len(dialogues))), len(dialogues) - 1)
    chosen = set(random.Random(seed).sample(range(len(dialogues)), count))  # noqa: S311
    rest = [one for at, one in enumerate(dialogues) if at not in chosen]
    return rest, [dialogues[at] for at in sorted(chosen)]


def _loaded(
    model: str | PathLike[str], device: str, dtype: str, *, progress: bool
) -> PreTrainedModel:
    import torch

    from llms.loading import load_model

    return load_model(model, dtype=getattr(torch, dtype), device=device, progress=progress)


def _window(model: PreTrainedModel) -> int:
    from llms.local_model import window_of

    return window_of(model)


def _trained(
    base: PreTrainedModel,
    dialogues: Sequence[Dialogue],
    held_out: Sequence[Dialogue],
    settings: Mapping[str, Any],
    output: Path,
    resume: bool,
    progress: bool,
) -> FinetuneReport:
    from llms.tokenization import load_tokenizer

    from .trainer import AdapterTrainer, check_finite, with_adapter

    tokenizer = load_tokenizer(settings["model"])
    learnt, measured = _examples(base, tokenizer, (dialogues, held_out), settings)
    learning = with_adapter(base, settings, settings["model"])
    checkpoint = begin(output, settings, resume=resume)
    trainer = AdapterTrainer(
        learning,
        learnt.all,
        measured.all,
        _collator(base, tokenizer),
        settings,
        output,
        begins=checkpoint is None,
        progress=progress,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    check_finite(learning)
    trainer.save_model()
    return FinetuneReport(
        adapter=str(output),
        examples=len(learnt.all),
        held_out=len(measured.all),
        shortened=learnt.shortened + measured.shortened,
        left_out=learnt.left_out + measured.left_out,
        tokens=sum(example.taught for example in learnt.all),
        steps=trainer.state.global_step,
        resumed_at=step_of(checkpoint) if checkpoint else 0,
        losses=epoch_losses(trainer.state.log_history),
    )


def _examples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parts: tuple[Sequence[Dialogue], Sequence[Dialogue]],
    settings: Mapping[str, Any],
) -> tuple[Examples, Examples]:
    """What to learn from and what to measure on."""
    from llms.prompt_formats import find_prompt_format, get_prompt_format

    name = settings["frame"]
    frame = get_prompt_format(name) if name else find_prompt_format(tokenizer, model.config)
    longest = settings["max_length"]
    cutter = Cutter(tokenizer, frame, longest)
    learnt, measured = (cutter.cut(part) for part in parts)
    check_examples(learnt, longest, model)
    if parts[1]:
        check_examples(measured, longest, model)
    return learnt, measured


def _collator(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Collator:
    pad = tokenizer.pad_token_id
    return Collator(tokenizer.eos_token_id if pad is None else pad, _reads_both_ways(model))


def _reads_both_ways(model: PreTrainedModel) -> bool:
    """Whether it is ChatGLM-6B, which takes what is on the left for padding, and nothing else."""
    family = find_by_loaded_type(model.config.model_type)
    return family is not None and family.bidirectional_prompt
