"""How to fine-tune: every number that the result depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from llms.families import LoraDefaults, find_by_loaded_type
from memorybank_core.errors import ConfigurationError

_LENGTH = 1024

_UNCHANGING = ("save_steps", "gradient_checkpointing")
"""What may differ from one run to the one that goes on with it: the result is the same."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fine-tune; the defaults are those of the published SiliconFriend adapters.

    Attributes:
        r: Rank of the adapter's matrices.
        alpha: The adapter counts alpha / r times; None for 32 with ChatGLM and 16 with others.
        dropout: Share of what goes into the adapter that is left out by chance while it learns;
            None for 0.1 with ChatGLM and 0.05 with others.
        targets: Names of the layers that get an adapter, or "all-linear"; None for
            query_key_value of ChatGLM, for all of LLaMA's but o_proj, for every linear layer of
            any other model.
        frame: The name of the frame that makes dialogues prompts; None for the model's own.
        epochs: How often everything is learnt.
        batch_size: How many examples are computed at once.
        accumulate: How many batches make one step.
        learning_rate: At its highest; it rises over the first 3 % of the steps and falls to 0.
        max_length: Tokens of the longest example; None for what the model reads, 1,024 at most.
        gradient_checkpointing: Less memory for a quarter more time.
        seed: Of the adapter's start, of the order of examples, of what is held out, of dropout.
        save_steps: Also saves a checkpoint after every so many steps; None after epochs alone.

    Raises:
        ConfigurationError: A value cannot work; names all that cannot.
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
        whole = ("r", "epochs", "batch_size", "accumulate", "max_length", "save_steps")
        given = {name: getattr(self, name) for name in whole}
        faults = [
            f"{name} must be a whole number of 1 or more, not {value!r}"
            for name, value in given.items()
            if not (value is None and name in ("max_length", "save_steps")) and not _counts(value)
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
        """All values, with those that depend on the model.

        Args:
            family: The `model_type` of its configuration.
            window: How many tokens it reads.

        Raises:
            ConfigurationError: `max_length` is more than the model reads.
        """
        if (self.max_length or 0) > window:
            raise ConfigurationError(
                f"max_length must be at most {window}, which is what the model reads, not "
                f"{self.max_length}"
            )
        row = find_by_loaded_type(family)
        defaults = row.lora if row else LoraDefaults()
        targets = self.targets or defaults.targets
        return {
            **asdict(self),
            "alpha": self.alpha or defaults.alpha,
            "dropout": defaults.dropout if self.dropout is None else self.dropout,
            "max_length": self.max_length or min(_LENGTH, window),
            "targets": targets if isinstance(targets, str) else list(targets),
        }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of two runs' settings differs and would change the result, in words."""
    names = [name for name in sorted({*before, *now}) if name not in _UNCHANGING]
    return [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def recipe_of(options: Mapping[str, Any]) -> Recipe:
    """The recipe of these keywords.

    Raises:
        ConfigurationError: There is no such keyword, or a value cannot work.
    """
    known = [field.name for field in fields(Recipe)]
    if unknown := sorted(options.keys() - set(known)):
        raise ConfigurationError(
            f"fine-tuning knows no {', '.join(unknown)}; it takes {', '.join(known)}"
        )
    targets = options.get("targets")
    if isinstance(targets, Sequence) and not isinstance(targets, str):
        options = {**options, "targets": tuple(targets)}
    return Recipe(**options)


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
