"""Training a LoRA adapter with transformers' Trainer.

Needs torch, transformers and peft from its first line on.
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

from memorybank_core.errors import ConfigurationError

from .checkpoints import mark_whole
from .examples import Collator, Example

_WARMING = 0.03  # of all steps
_KEPT = 2  # checkpoints


def enable_gradient_checkpointing(model: PreTrainedModel) -> None:
    """Has a model forget what it can compute again; 5.23 has a new name for the switch."""
    new: Any = getattr(model, "activation_checkpointing_enable", None)
    (new or model.gradient_checkpointing_enable)({"use_reentrant": False})


def with_adapter(model: PreTrainedModel, settings: Mapping[str, Any], base: str) -> PeftModel:
    """The model with a new LoRA adapter in it, which alone learns.

    Args:
        model: Is changed in place.
        settings: As `Recipe.for_model` gives them.
        base: What the adapter's configuration shall name as its model.

    Raises:
        ConfigurationError: The model has no such layers.
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
            learning = get_peft_model(model, config)
    except ValueError as error:
        raise ConfigurationError(f"no adapter for {settings['targets']}: {error}") from error
    learning.peft_config["default"].base_model_name_or_path = base
    return learning


def check_finite(model: PeftModel) -> None:
    """That what was learnt are numbers.

    Raises:
        ConfigurationError: Some are infinite or none: the training diverged.
    """
    for weight in model.parameters():
        if weight.requires_grad and not weight.isfinite().all():
            raise ConfigurationError("the training diverged: lower learning_rate, and begin anew")


class AdapterTrainer(Trainer):
    """Saves the adapter alone, and measures a loss for each token that counts the same.

    Args:
        model: As `with_adapter` gives it.
        examples: To learn from.
        held_out: To measure on; empty for not at all.
        collator: Makes batches.
        settings: As `Recipe.for_model` gives them, with "dtype".
        output: Where checkpoints are saved.
        begins: Whether nothing was learnt yet.
        progress: Whether to show a bar.
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
        begins: bool,
        progress: bool,
    ) -> None:
        arguments = _arguments(model, len(examples), settings, output)
        arguments.disable_tqdm = not progress
        if held_out:
            arguments.eval_strategy = "epoch"
            arguments.eval_on_start = begins
        self._learning = model
        super().__init__(
            model=model,
            args=arguments,
            data_collator=collator,
            train_dataset=examples,
            eval_dataset=held_out or None,
            callbacks=[_Keeper(settings["seed"], settings["save_steps"])],
        )
        self.remove_callback(ProgressCallback if progress else PrinterCallback)
        if progress:
            self.add_callback(_Bar)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Saves the adapter; as it is asked here, peft asks the hub for nothing."""
        self._learning.save_pretrained(
            output_dir or str(self.args.output_dir), save_embedding_layers=False
        )

    @torch.no_grad()
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss of the held-out answers' tokens; batches are of unequal length."""
        self._learning.eval()
        total, tokens = 0.0, 0
        loader = self.get_eval_dataloader()
        for batch in loader:
            inputs = self._prepare_inputs(batch)
            count = int((inputs["labels"][:, 1:] != -100).sum())
            with self.compute_loss_context_manager():
                total += float(self._learning(**inputs).loss) * count
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


class _Keeper(TrainerCallback):
    """Makes a run that was killed and goes on give what one gives that was not.

    Dropout follows from the seed and the step alone, whatever was drawn before; checkpoints are
    saved after an epoch was measured, and, between, after every so many steps.
    """

    def __init__(self, seed: int, save_steps: int | None) -> None:
        self._seed, self._save_steps = seed, save_steps

    def on_step_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        torch.manual_seed((self._seed << 32) + state.global_step)

    def on_step_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        ends_epoch = float(state.epoch or 0.0).is_integer()
        if self._save_steps and state.global_step % self._save_steps == 0 and not ends_epoch:
            control.should_save = control.should_log = True
        return control

    def on_epoch_end(
        self, args: Any, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save = True
        return control

    def on_save(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class _Bar(ProgressCallback):
    """A bar alone: losses are told at the end."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        bar: Any = self.training_bar
        if bar is not None:
            told = {name: logs[name] for name in ("loss", "eval_loss") if name in logs}
            bar.set_postfix(told)


def _arguments(
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
        warmup_steps=int(_WARMING * steps),
        optim="adamw_torch",
        bf16=settings["dtype"] == "bfloat16",
        fp16=settings["dtype"] == "float16",
        seed=settings["seed"],
        data_seed=settings["seed"],
        save_strategy="no",  # it is up to `_Keeper`
        save_total_limit=_KEPT,
        logging_strategy="epoch",
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        use_cpu=device == "cpu",
        dataloader_pin_memory=device == "cuda",
    )
    arguments.device  # noqa: B018 - counts the devices; several would share each batch
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
