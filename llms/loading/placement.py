"""Placement of a model: its device, dtype, quantization and attention implementation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .memory_check import QUANTIZED_BYTES

if TYPE_CHECKING:
    import torch

_WIDEST_ITEMSIZE = 4


@dataclass(frozen=True)
class Placement:
    """Device, dtype, quantization and attention implementation of a model.

    Attributes:
        device: The device.
        dtype: The dtype; None for the dtype of the weights.
        quantization: "8bit", "4bit" or None.
        attention: The attention implementation; None for the default of transformers.
    """

    device: torch.device
    dtype: torch.dtype | None
    quantization: str | None
    attention: str | None

    @property
    def itemsize(self) -> int:
        """Bytes per number; 4 as the upper limit if the dtype is not known yet."""
        return self.dtype.itemsize if self.dtype else _WIDEST_ITEMSIZE

    @property
    def free_bytes(self) -> int | None:
        """Free memory of the device in bytes; None if the device does not report it."""
        import torch

        return torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else None

    def with_dtype_of(
        self, config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
    ) -> Placement:
        """Return this placement with a dtype.

        Args:
            config: config.json; its dtype is used if the placement has none.
            tensors: The weights; their dtype is used if config.json has none.
        """
        if self.dtype is not None:
            return self
        name = config.get("dtype") or config.get("torch_dtype")
        if isinstance(name, str):
            return replace(self, dtype=_parse_dtype(name))
        floating = (tensor.dtype for tensor in tensors.values() if tensor.is_floating_point())
        return replace(self, dtype=next(floating, None))

    def loading_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `from_pretrained`.

        Raises:
            MissingDependencyError: If accelerate is needed and not installed.
        """
        arguments: dict[str, Any] = {"dtype": self.dtype or "auto"}
        if self.attention:
            arguments["attn_implementation"] = self.attention
        if self.device.type != "cpu" or self.quantization:
            if find_spec("accelerate") is None:
                raise MissingDependencyError.of("accelerate", "transformers")
            arguments["device_map"] = {"": self.device}
        if self.quantization:
            arguments["quantization_config"] = _quantization_config(self.quantization, self.dtype)
        return arguments


def resolve_placement(
    device: Any, dtype: Any, quantization: str | None, attention: str | None
) -> Placement:
    """Resolve the arguments of `load_model` to a placement on this machine.

    Args:
        device: See `load_model`.
        dtype: See `load_model`.
        quantization: See `load_model`.
        attention: The `attn_implementation` of `load_model`.

    Raises:
        ConfigurationError: If a value is unknown, or the device does not exist.
        MissingDependencyError: If bitsandbytes is needed and not installed.
    """
    if quantization is not None and quantization not in QUANTIZED_BYTES:
        known = ", ".join(map(repr, QUANTIZED_BYTES))
        raise ConfigurationError(f"quantization must be {known} or None, not {quantization!r}")
    if quantization and find_spec("bitsandbytes") is None:
        raise MissingDependencyError.of("bitsandbytes", "bitsandbytes")
    import torch

    torch_device = _resolve_device(device)
    torch_dtype: torch.dtype | None
    if dtype is None and torch_device.type == "cpu":
        by_quantization = {"8bit": torch.float16, "4bit": torch.bfloat16}
        torch_dtype = by_quantization[quantization] if quantization else torch.float32
    else:
        torch_dtype = None if dtype in (None, "auto") else _parse_dtype(dtype)
    return Placement(torch_device, torch_dtype, quantization, attention)


def _resolve_device(device: Any) -> torch.device:
    import torch

    if device is None:
        device = next((name for name, available in _accelerators().items() if available), "cpu")
    try:
        torch_device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ConfigurationError(f"torch does not know the device {device!r}: {error}") from error
    if not _accelerators().get(torch_device.type, True):
        raise ConfigurationError(
            f"device {device!r} is not available: torch {torch.__version__} finds no such device. "
            "Omit device to use the available one, or install a torch and a driver for it."
        )
    if torch_device.type == "cuda" and (torch_device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"device {torch_device} does not exist: torch finds {torch.cuda.device_count()} CUDA "
            "devices, numbered from 0"
        )
    return torch_device


def _accelerators() -> dict[str, bool]:
    """Return the accelerators, the preferred one first, and whether each is available."""
    import torch

    return {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


def _parse_dtype(dtype: Any) -> torch.dtype:
    import torch

    parsed = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(parsed, torch.dtype) or not parsed.is_floating_point:
        raise ConfigurationError(
            f'dtype must be "float32", "float16", "bfloat16", "auto" or None, not {dtype!r}'
        )
    return parsed


def _quantization_config(quantization: str, dtype: torch.dtype | None) -> Any:
    from transformers import BitsAndBytesConfig

    options: dict[str, dict[str, Any]] = {
        "8bit": {"load_in_8bit": True},
        "4bit": {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": dtype,
        },
    }
    make_config: Any = BitsAndBytesConfig
    return make_config(**options[quantization])
