"""Hyperparameters of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from llms.families import LoraDefaults, find_by_loaded_type
from memorybank_core.errors import ConfigurationError

_DEFAULT_MAX_LENGTH = 1024

_NEUTRAL_SETTINGS = ("save_steps", "gradient_checkpointing")
"""Settings that may differ when a run is resumed, because the result is the same."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyperparameters; the defaults are those of the published SiliconFriend adapters.

    Attributes:
        r: Rank of the adapter's matrices.
        alpha: The adapter's output is scaled by alpha / r; None for 32 with ChatGLM and 16 with
            other models.
        dropout: Dropout on the adapter's input while training; None for 0.1 with ChatGLM and 0.05
            with other models.
        targets: Names of the layers that get an adapter, or "all-linear"; None for
            query_key_value of ChatGLM, all layers of LLaMA except o_proj, and every linear layer
            of other models.
        frame: Name of the prompt format; None for the model's own.
        epochs: Number of passes over the examples.
        batch_size: Number of examples per batch.
        accumulate: Number of batches per optimizer step.
        learning_rate: Peak learning rate; it rises over the first 3 % of the steps, then falls to
            0.
        max_length: Maximum number of tokens of an example; None for the model's context window, but
            at most 1,024.
        gradient_checkpointing: Whether to save memory at the cost of about a quarter more time.
        seed: Seed for the initial adapter, the order of examples, the held-out dialogues and
            dropout.
        save_steps: Number of steps between checkpoints within an epoch; None to save only after
            each epoch.

    Raises:
        ConfigurationError: If values are invalid; the message lists all of them.
    """

    r: int = 8
    alpha: float | None = None
    dropout: float | None = None
    targets: str | tuple[str, ...] | None = None
    frame: str | None = None
    epochs: int = 3
    batch_size: int = 4
    accumulate: int = 4
    learning_rate: float = 2e-4
    max_length: int | None = None
    gradient_checkpointing: bool = True
    seed: int = 0
    save_steps: int | None = None

    def __post_init__(self) -> None:
        counts = ("r", "epochs", "batch_size", "accumulate", "max_length", "save_steps")
        optional = ("max_length", "save_steps")
        values = {name: getattr(self, name) for name in counts}
        faults = [
            f"{name} must be a whole number of 1 or more, not {value!r}"
            for name, value in values.items()
            if not (value is None and name in optional) and not _is_count(value)
        ]
        if not 0.0 <= (self.dropout or 0.0) < 1.0:
            faults.append(f"dropout must be in [0, 1), not {self.dropout!r}")
        if not self.learning_rate > 0.0 or not (self.alpha is None or self.alpha > 0.0):
            faults.append(
                f"learning_rate and alpha must be more than 0, not {self.learning_rate!r} and "
                f"{self.alpha!r}"
            )
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            faults.append(f"seed must be a whole number in [0, 2**32), not {self.seed!r}")
        if faults:
            raise ConfigurationError("; ".join(faults))

    def for_model(self, family: str, window: int) -> dict[str, Any]:
        """Return all values, with the defaults for a model filled in.

        Args:
            family: The `model_type` of the loaded model's configuration.
            window: The model's context window in tokens.

        Raises:
            ConfigurationError: If `max_length` exceeds the context window.
        """
        if (self.max_length or 0) > window:
            raise ConfigurationError(
                f"max_length must be at most {window}, the model's context window, not "
                f"{self.max_length}"
            )
        known_family = find_by_loaded_type(family)
        defaults = known_family.lora if known_family else LoraDefaults()
        targets = self.targets or defaults.targets
        return {
            **asdict(self),
            "alpha": self.alpha or defaults.alpha,
            "dropout": defaults.dropout if self.dropout is None else self.dropout,
            "max_length": self.max_length or min(_DEFAULT_MAX_LENGTH, window),
            "targets": targets if isinstance(targets, str) else list(targets),
        }


def list_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe each difference between the settings of two runs that changes the result."""
    names = [name for name in sorted({*before, *now}) if name not in _NEUTRAL_SETTINGS]
    return [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def make_recipe(options: Mapping[str, Any]) -> Recipe:
    """Make a recipe from keyword arguments.

    Raises:
        ConfigurationError: If a keyword is unknown or a value is invalid.
    """
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(options.keys() - set(known)):
        raise ConfigurationError(
            f"fine-tuning has no option {', '.join(unknown)}; the options are {', '.join(known)}"
        )
    targets = options.get("targets")
    if isinstance(targets, Sequence) and not isinstance(targets, str):
        options = {**options, "targets": tuple(targets)}
    return Recipe(**options)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
