"""How the next token is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from memorybank_core.errors import ConfigurationError

_RULES: dict[str, tuple[type, Callable[[Any], bool], str]] = {
    "temperature": (Real, lambda it: 0 <= it < math.inf, "a number, 0 or more"),
    "top_p": (Real, lambda it: 0 < it <= 1, "more than 0 and at most 1"),
    "top_k": (Integral, lambda it: it >= 1, "a whole number, 1 or more"),
    "repetition_penalty": (Real, lambda it: 0 < it < math.inf, "more than 0"),
    "num_beams": (Integral, lambda it: it >= 1, "a whole number, 1 or more"),
    "seed": (Integral, lambda it: -(2**63) <= it < 2**64, "a whole number of 64 bits"),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; None leaves it to the model's own defaults.

    Attributes:
        temperature: Divides the logits; 0 takes the likeliest token always.
        top_p: Samples among the likeliest tokens that have this probability together.
        top_k: Samples among so many likeliest tokens.
        repetition_penalty: Divides the logits of tokens that were there already; 1 for none.
        num_beams: How many continuations are followed at once; 1 for no beam search.
        seed: Makes sampling repeatable; None for another answer each time.

    Raises:
        ConfigurationError: A value cannot work; all such values are named.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    num_beams: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be {rule}, not {value!r}"
            for name, (kind, holds, rule) in _RULES.items()
            if (value := getattr(self, name)) is not None
            if not (isinstance(value, kind) and holds(value))
        ]
        if wrong:
            raise ConfigurationError("; ".join(wrong))

    def over(self, defaults: Sampling) -> Sampling:
        """This one, with `defaults` where it says nothing."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return replace(defaults, **{name: it for name, it in said.items() if it is not None})

    def arguments(self) -> dict[str, Any]:
        """What transformers' `generate` is to be called with."""
        samples = (self.temperature, self.top_p, self.top_k) != (None, None, None)
        chosen = {
            "do_sample": self.temperature != 0 if samples else None,
            "temperature": self.temperature or None,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "repetition_penalty": self.repetition_penalty,
            "num_beams": self.num_beams,
        }
        if self.temperature == 0:
            del chosen["top_p"], chosen["top_k"]
        return {name: value for name, value in chosen.items() if value is not None}
