"""Sampling parameters, which control the choice of the next token."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from memorybank_core.errors import ConfigurationError

_RULES: dict[str, tuple[type, Callable[[Any], bool], str]] = {
    "temperature": (Real, lambda value: 0 <= value < math.inf, "a number, 0 or more"),
    "top_p": (Real, lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    "top_k": (Integral, lambda value: value >= 1, "a whole number, 1 or more"),
    "repetition_penalty": (Real, lambda value: 0 < value < math.inf, "more than 0"),
    "num_beams": (Integral, lambda value: value >= 1, "a whole number, 1 or more"),
    "seed": (Integral, lambda value: -(2**63) <= value < 2**64, "a whole number of 64 bits"),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None leaves a parameter to the model's defaults.

    Attributes:
        temperature: Divides the logits; 0 always takes the most likely token.
        top_p: Sample from the most likely tokens with this total probability.
        top_k: Sample from this number of most likely tokens.
        repetition_penalty: Divides the logits of tokens that occurred before; 1 for no penalty.
        num_beams: Number of beams of a beam search; 1 for no beam search.
        seed: Makes sampling repeatable; None for a different answer each time.

    Raises:
        ConfigurationError: If values are invalid; the message names all of them.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    num_beams: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be {rule}, not {value!r}"
            for name, (kind, is_valid, rule) in _RULES.items()
            if (value := getattr(self, name)) is not None
            if not (isinstance(value, kind) and is_valid(value))
        ]
        if faults:
            raise ConfigurationError("; ".join(faults))

    def over(self, defaults: Sampling) -> Sampling:
        """Return these parameters, with None replaced by the value in `defaults`."""
        values = {name: getattr(self, name) for name in self.__slots__}
        overrides = {name: value for name, value in values.items() if value is not None}
        return replace(defaults, **overrides)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for `generate` of transformers."""
        is_sampling = (self.temperature, self.top_p, self.top_k) != (None, None, None)
        arguments = {
            "do_sample": self.temperature != 0 if is_sampling else None,
            "temperature": self.temperature or None,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "num_beams": self.num_beams,
        }
        if self.temperature == 0:
            del arguments["top_p"], arguments["top_k"]
        return {name: value for name, value in arguments.items() if value is not None}
