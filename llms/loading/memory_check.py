"""Check that a model fits into a device's memory, from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from memorybank_core.errors import ConfigurationError

Shapes = Mapping[str, tuple[int, ...]]

QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}
"""Bytes per number of a quantized matrix; in 4 bit, 64 numbers share a scale of 4 bytes."""

_MARGIN_DIVISOR = 8
_NOT_QUANTIZED = ("embed", "lm_head", "output_layer")


def required_bytes(shapes: Shapes, bytes_per_number: int, quantization: str | None = None) -> int:
    """Return the bytes that a model needs for inference.

    The result is the size of the weights plus a margin for the key/value cache and activations: an
    eighth of the weights' size in 16 bit. For 6 billion parameters the margin is 1.5 GB, enough for
    a cache of 3,000 tokens of ChatGLM-6B.

    Args:
        shapes: Shapes of all tensors by name.
        bytes_per_number: Size of the dtype: 4 for float32, 2 for float16 and bfloat16.
        quantization: "8bit", "4bit" or None. Embeddings, norms and the output layer keep the dtype.
    """
    weights = sum(
        prod(shape) * _bytes_per_number(name, shape, bytes_per_number, quantization)
        for name, shape in shapes.items()
    )
    in_16_bit = 2 * sum(map(prod, shapes.values()))
    return round(weights + in_16_bit / _MARGIN_DIVISOR)


def require_memory(
    shapes: Shapes, bytes_per_number: int, quantization: str | None, *, free: int, device: str
) -> None:
    """Require that a model fits into the free memory.

    Args:
        shapes: Shapes of all tensors by name.
        bytes_per_number: Size of the dtype.
        quantization: "8bit", "4bit" or None.
        free: Free memory of the device in bytes.
        device: Name of the device, for the error message.

    Raises:
        ConfigurationError: If the model needs more than `free` bytes; the message lists the options
            that fit.
    """
    required = required_bytes(shapes, bytes_per_number, quantization)
    if required <= free:
        return
    alternatives = {
        'dtype="bfloat16" or "float16"': required_bytes(shapes, 2),
        'quantization="8bit"': required_bytes(shapes, 2, "8bit"),
        'quantization="4bit"': required_bytes(shapes, 2, "4bit"),
    }
    options = [f"{option} ({_gb(size)})" for option, size in alternatives.items() if size <= free]
    options.append('device="cpu"')
    raise ConfigurationError(
        f"the model needs {_gb(required)} including its cache, but {device} has {_gb(free)} free. "
        f"Options that fit: {', '.join(options)}."
    )


def _bytes_per_number(
    name: str, shape: tuple[int, ...], unquantized: int, quantization: str | None
) -> float:
    if quantization is None or len(shape) != 2 or any(part in name for part in _NOT_QUANTIZED):
        return unquantized
    return QUANTIZED_BYTES[quantization]


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
