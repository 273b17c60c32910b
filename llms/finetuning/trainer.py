"""Training of a LoRA adapter with the Trainer of transformers.

Importing this module imports torch, transformers and peft.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from llms.prompt_formats.messages import IGNORED_LABEL
from memorybank_core.errors import ConfigurationError

from .checkpoints import mark_complete
from .examples import Collator, Example

_WARMUP_SHARE = 0.03  # of all steps
_MAX_CHECKPOINTS = 2


def enable_gradient_checkpointing(model: PreTrainedModel) -> None:
    """Recompute activations in the backward pass instead of storing them.

    transformers 5.23 renamed the method that this calls.
    """
    enable: Any = getattr(model, "activation_checkpointing_enable", None)
    (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})


def add_lora_adapter(model: PreTrainedModel, settings: Mapping[str, Any], base: str) -> PeftModel:
    """Add a new LoRA adapter to the model; only the adapter is trainable.

    Args:
        model: The base model, which is changed in place.
        settings: The result of `Recipe.for_model`.
        base: Name of the base model, saved in the adapter's configuration.

    Raises:
        ConfigurationError: If the model does not have the target layers.
    """
    torch.manual_seed(settings["seed"])
    if settings["gradient_checkpointing"]:
        enable_gradient_checkpointing(model)
    config = LoraConfig(
        r=settings["r"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=settings["targets"],
        task_type="CAUSAL_LM",
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            adapted = get_peft_model(model, config)
    except ValueError as error:
        raise ConfigurationError(
            f"cannot add an adapter to {settings['targets']}: {error}"
        ) from error
    adapted.peft_config["default"].base_model_name_or_path = base
    return adapted


def require_finite(model: PeftModel) -> None:
    """Require that all trained weights are finite.

    Raises:
        ConfigurationError: If one is not: the training diverged.
    """
    for weight in model.parameters():
        if weight.requires_grad and not weight.isfinite().all():
            raise ConfigurationError("the training diverged: lower learning_rate and restart")


class AdapterTrainer(Trainer):
    """Trainer that saves only the adapter, and weights all tokens equally in the evaluation loss.

    Args:
        model: The result of `add_lora_adapter`.
        examples: Examples for training.
        held_out: Examples for evaluation; empty for no evaluation.
        collator: Makes batches of examples.
        settings: The result of `Recipe.for_model`, with "dtype".
        output: The folder for checkpoints.
        is_new: Whether training starts from the beginning; the loss is then evaluated first.
        progress: Whether to show a progress bar.
    """

    def __init__(
        self,
        model: PeftModel,
        examples: list[Example],
        held_out: list[Example],
        collator: Collator,
        settings: Mapping[str, Any],
        output: Path,
        *,
        is_new: bool,
        progress: bool,
    ) -> None:
        arguments = _make_arguments(model, len(examples), settings, output)
        arguments.disable_tqdm = not progress
        if held_out:
            arguments.eval_strategy = "epoch"
            arguments.eval_on_start = is_new
        self._adapted = model
        super().__init__(
            model=model,
            args=arguments,
            data_collator=collator,
            train_dataset=examples,
            eval_dataset=held_out or None,
            callbacks=[_CheckpointCallback(settings["seed"], settings["save_steps"])],
        )
        self.remove_callback(ProgressCallback if progress else PrinterCallback)
        if progress:
            self.add_callback(_ProgressBar)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save only the adapter, without embedding layers, so that peft does not access the hub."""
        self._adapted.save_pretrained(
            output_dir or str(self.args.output_dir), save_embedding_layers=False
        )

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the mean loss per held-out token, weighted because batches differ in length."""
        self._adapted.eval()
        total, tokens = 0.0, 0
        loader = self.get_eval_dataloader()
        for batch in loader:
            inputs = self._prepare_inputs(batch)
            count = int((inputs["labels"][:, 1:] != IGNORED_LABEL).sum())
            with self.compute_loss_context_manager():
                total += float(self._adapted(**inputs).loss) * count
            tokens += count
            self.control = self.callback_handler.on_prediction_step(
                self.args, self.state, self.control
            )
        metrics = {"eval_loss": total / tokens}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


class _CheckpointCallback(TrainerCallback):
    """Saves checkpoints so that a resumed run gives the result of an uninterrupted one.

    Dropout depends only on the seed and the step. Checkpoints are saved after the evaluation of an
    epoch and, within an epoch, every `save_steps` steps.
    """

    def __init__(self, seed: int, save_steps: int | None) -> None:
        self._seed, self._save_steps = seed, save_steps

    def on_step_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Seed the random numbers of the step."""
        torch.manual_seed((self._seed << 32) + state.global_step)

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Save a checkpoint within an epoch."""
        ends_epoch = float(state.epoch or 0.0).is_integer()
        if self._save_steps and state.global_step % self._save_steps == 0 and not ends_epoch:
            control.should_save = control.should_log = True
        return control

    def on_epoch_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Save a checkpoint after the epoch."""
        control.should_save = True
        return control

    def on_save(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Record that the checkpoint is complete."""
        mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class _ProgressBar(ProgressCallback):
    """Progress bar with the latest losses, without log lines."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Show the latest losses in the bar."""
        bar: Any = self.training_bar
        if bar is not None:
            bar.set_postfix({name: logs[name] for name in ("loss", "eval_loss") if name in logs})


def _make_arguments(
    model: PeftModel, examples: int, settings: Mapping[str, Any], output: Path
) -> TrainingArguments:
    device = model.device.type
    steps = -(-examples // (settings["batch_size"] * settings["accumulate"])) * settings["epochs"]
    arguments = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=settings["batch_size"],
        per_device_eval_batch_size=settings["batch_size"],
        gradient_accumulation_steps=settings["accumulate"],
        num_train_epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        warmup_steps=int(_WARMUP_SHARE * steps),
        optim="adamw_torch",
        bf16=settings["dtype"] == "bfloat16",
        fp16=settings["dtype"] == "float16",
        seed=settings["seed"],
        data_seed=settings["seed"],
        save_strategy="no",  # `_CheckpointCallback` decides
        save_total_limit=_MAX_CHECKPOINTS,
        logging_strategy="epoch",
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
    )
    arguments.device  # noqa: B018 - sets n_gpu, by which Trainer would split batches
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
