"""Where a model goes, and in which numbers: the arguments that `from_pretrained` takes for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .memory_check import QUANTIZED_BYTES

if TYPE_CHECKING:
    import torch

_WIDEST = 4


@dataclass(frozen=True)
class Placing:
    """Where a model goes, and in which numbers.

    Attributes:
        device: The device.
        dtype: Of the numbers; None for what the weights are in.
        quantization: "8bit", "4bit" or None.
        attention: The attention's implementation; None for transformers' choice.
    """

    device: torch.device
    dtype: torch.dtype | None
    quantization: str | None
    attention: str | None

    @property
    def name(self) -> str:
        """The device's, for people."""
        return str(self.device)

    @property
    def itemsize(self) -> int:
        """Bytes of a number; of the widest where that is not known yet."""
        return self.dtype.itemsize if self.dtype else _WIDEST

    @property
    def free(self) -> int | None:
        """The device's free bytes; None where nobody counts them."""
        import torch

        return torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else None

    def with_dtype_of(
        self, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
    ) -> Placing:
        """This one with a dtype: its own, or that of config.json, or that of the weights."""
        if self.dtype is not None:
            return self
        said = config.get("dtype") or config.get("torch_dtype")
        if isinstance(said, str):
            return replace(self, dtype=_dtype_named(said))
        floating = (tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
        return replace(self, dtype=next(floating, None))

    def arguments(self) -> dict[str, Any]:
        """What `from_pretrained` is to be called with."""
        arguments: dict[str, Any] = {"dtype": self.dtype or "auto"}
        if self.attention:
            arguments["attn_implementation"] = self.attention
        if self.device.type != "cpu" or self.quantization:
            if find_spec("accelerate") is None:
                raise MissingDependencyError.of("accelerate", "transformers")
            arguments["device_map"] = {"": self.device}
        if self.quantization:
            arguments["quantization_config"] = _quantization(self.quantization, self.dtype)
        return arguments


def placing(device: Any, dtype: Any, quantization: str | None, attention: str | None) -> Placing:
    """What the arguments of `load_model` mean on this machine.

    Raises:
        ConfigurationError: A value is unknown, or the device is not there.
        MissingDependencyError: bitsandbytes is not installed.
    """
    if quantization is not None and quantization not in QUANTIZED_BYTES:
        known = ", ".join(map(repr, QUANTIZED_BYTES))
        raise ConfigurationError(f"quantization must be {known} or None, not {quantization!r}")
    if quantization and find_spec("bitsandbytes") is None:
        raise MissingDependencyError.of("bitsandbytes", "bitsandbytes")
    import torch

    place = _device(device)
    chosen: torch.dtype | None
    if dtype is None and place.type == "cpu":
        by_quantization = {"8bit": torch.float16, "4bit": torch.bfloat16}
        chosen = by_quantization[quantization] if quantization else torch.float32
    else:
        chosen = None if dtype in (None, "auto") else _dtype_named(dtype)
    return Placing(place, chosen, quantization, attention)


def _device(device: Any) -> torch.device:
    import torch

    if device is None:
        device = next((name for name, there in _there().items() if there), "cpu")
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigurationError(f"device {device!r} is none that torch knows: {error}") from error
    if not _there().get(place.type, True):
        raise ConfigurationError(
            f"device {device!r} is not there: torch {torch.__version__} sees none. Leave device "
            "out for what there is, or install a torch and a driver for it."
        )
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"there is no {place}: torch sees {torch.cuda.device_count()} devices, from cuda:0 on"
        )
    return place


def _there() -> dict[str, bool]:
    import torch

    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


def _dtype_named(dtype: Any) -> torch.dtype:
    import torch

    found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ConfigurationError(
            f'dtype must be "float32", "float16", "bfloat16", "auto" or None, not {dtype!r}'
        )
    return found


def _quantization(quantization: str, dtype: torch.dtype | None) -> Any:
    from transformers import BitsAndBytesConfig

    options: dict[str, dict[str, Any]] = {
        "8bit": {"load_in_8bit": True},
        "4bit": {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": dtype,
        },
    }
    make: Any = BitsAndBytesConfig
    return make(**options[quantization])
