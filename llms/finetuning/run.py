"""Fine-tuning run: from a model and a file of dialogues to a folder with an adapter."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llms.families import find_by_loaded_type
from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .checkpoints import prepare_output, saved_step
from .dialogues import Dialogue, hash_dialogues, read_dialogues
from .examples import Collator, DialogueSplitter, ExampleSet, require_trainable
from .recipe import make_recipe
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
    """Train a LoRA adapter on dialogues and save it.

    Only the tokens of answers and those that end them count in the loss. Each answer follows the
    prompt that `LocalModel` creates for the conversation before it. If the process is killed, the
    same call continues from the last checkpoint and gives the same result, apart from differences
    in rounding on a GPU.

    Args:
        model: A folder or name, as for `load_model`.
        data: JSON lines, one dialogue per line: {"turns": [{"query", "response"}, ...]} with an
            optional "system", or {"messages": [{"role", "content"}, ...]}.
        output: The folder for the adapter and the checkpoints. `load_adapter` and peft can load
            both.
        evaluation: Data for measuring the loss before training and after each epoch: a share of the
            dialogues, which are held out, or another file; None for no evaluation.
        dtype: "float32", "bfloat16" or "float16". None selects bfloat16 on CUDA devices that
            support it, float16 on other CUDA devices, and float32 elsewhere.
        device: The device; None for CUDA if available, otherwise the CPU.
        resume: Whether to continue a run that was started in `output`; False restarts it.
        progress: Whether to show a progress bar.
        recipe: The fields of `Recipe`, such as r, epochs and learning_rate.

    Raises:
        FormatError: If a line of the data is not a dialogue; nothing is trained then.
        ConfigurationError: If an argument is invalid, the run in `output` was started with other
            settings, the device's memory is too small, or the training diverged.
        MissingDependencyError: If torch, transformers or peft is not installed.
    """
    hyperparameters = make_recipe(recipe)
    dialogues = read_dialogues(Path(data))
    training, held_out = _split(dialogues, evaluation, hyperparameters.seed)
    try:
        import peft  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingDependencyError.of(str(error.name), "lora") from error
    device, dtype = choose_device_and_dtype(device, dtype)
    base = _load_base(model, device, dtype, progress=progress)
    settings = {
        **hyperparameters.for_model(base.config.model_type, _context_window(base)),
        "model": fspath(model),
        "data": hash_dialogues(training),
        "held_out": hash_dialogues(held_out),
        "dtype": dtype,
    }
    try:
        return _train(base, training, held_out, settings, Path(output), resume, progress)
    except torch.OutOfMemoryError as error:
        raise ConfigurationError(
            f"the memory of {device} is too small: lower batch_size (and raise accumulate) or "
            f"max_length, or keep gradient_checkpointing ({error})"
        ) from error


def choose_device_and_dtype(device: str | None, dtype: str | None) -> tuple[str, str]:
    """Return the device and the dtype to train with.

    Args:
        device: See `finetune`.
        dtype: See `finetune`.

    Raises:
        ConfigurationError: If the dtype is unknown or not supported on this device.
    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    is_cuda = device.startswith("cuda")
    if dtype is None:
        dtype = "float32"
        if is_cuda:
            dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    supported = ("float32", "bfloat16", "float16") if is_cuda else ("float32", "bfloat16")
    if dtype not in supported:
        raise ConfigurationError(
            f"dtype on {device} must be one of {', '.join(supported)}, not {dtype}"
        )
    return device, dtype


def _split(
    dialogues: list[Dialogue], evaluation: float | str | PathLike[str] | None, seed: int
) -> tuple[list[Dialogue], list[Dialogue]]:
    """Return the dialogues for training and those for evaluation."""
    if evaluation is None:
        return dialogues, []
    if not isinstance(evaluation, (int, float)):
        return dialogues, read_dialogues(Path(evaluation))
    if not 0.0 < evaluation < 1.0 or len(dialogues) < 2:
        raise ConfigurationError(
            "evaluation must be a share in (0, 1) of two or more dialogues, another file, or None "
            f"for no evaluation; not {evaluation!r} of {len(dialogues)}"
        )
    count = min(max(1, round(evaluation * len(dialogues))), len(dialogues) - 1)
    held_out = set(random.Random(seed).sample(range(len(dialogues)), count))  # noqa: S311
    training = [dialogue for index, dialogue in enumerate(dialogues) if index not in held_out]
    return training, [dialogues[index] for index in sorted(held_out)]


def _load_base(
    model: str | PathLike[str], device: str, dtype: str, *, progress: bool
) -> PreTrainedModel:
    import torch

    from llms.loading import load_model

    return load_model(model, dtype=getattr(torch, dtype), device=device, progress=progress)


def _context_window(model: PreTrainedModel) -> int:
    from llms.model_runner import find_context_window

    return find_context_window(model)


def _train(
    base: PreTrainedModel,
    training: Sequence[Dialogue],
    held_out: Sequence[Dialogue],
    settings: Mapping[str, Any],
    output: Path,
    resume: bool,
    progress: bool,
) -> FinetuneReport:
    from llms.tokenization import load_tokenizer

    from .trainer import AdapterTrainer, add_lora_adapter, require_finite

    tokenizer = load_tokenizer(settings["model"])
    train_set, held_out_set = _make_examples(base, tokenizer, (training, held_out), settings)
    model = add_lora_adapter(base, settings, settings["model"])
    checkpoint = prepare_output(output, settings, resume=resume)
    trainer = AdapterTrainer(
        model,
        train_set.examples,
        held_out_set.examples,
        _make_collator(base, tokenizer),
        settings,
        output,
        is_new=checkpoint is None,
        progress=progress,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    require_finite(model)
    trainer.save_model()
    return FinetuneReport(
        adapter=str(output),
        examples=len(train_set.examples),
        held_out=len(held_out_set.examples),
        shortened=train_set.shortened + held_out_set.shortened,
        left_out=train_set.left_out + held_out_set.left_out,
        tokens=sum(example.target_count for example in train_set.examples),
        steps=trainer.state.global_step,
        resumed_at=saved_step(checkpoint) if checkpoint else 0,
        losses=epoch_losses(trainer.state.log_history),
    )


def _make_examples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parts: tuple[Sequence[Dialogue], Sequence[Dialogue]],
    settings: Mapping[str, Any],
) -> tuple[ExampleSet, ExampleSet]:
    """Return the examples for training and for evaluation."""
    from llms.prompt_formats import find_prompt_format, get_prompt_format

    name = settings["frame"]
    prompt_format = get_prompt_format(name) if name else find_prompt_format(tokenizer, model.config)
    max_length = settings["max_length"]
    splitter = DialogueSplitter(tokenizer, prompt_format, max_length)
    train_set, held_out_set = (splitter.split(part) for part in parts)
    require_trainable(train_set, max_length, model)
    if parts[1]:
        require_trainable(held_out_set, max_length, model)
    return train_set, held_out_set


def _make_collator(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Collator:
    pad_id = tokenizer.pad_token_id
    return Collator(tokenizer.eos_token_id if pad_id is None else pad_id, _pads_left(model))


def _pads_left(model: PreTrainedModel) -> bool:
    """Return whether the model requires padding on the left, as ChatGLM-6B does."""
    family = find_by_loaded_type(model.config.model_type)
    return family is not None and family.bidirectional_prompt
