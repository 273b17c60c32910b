"""Whether a model fits into a device's memory: arithmetic on the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from memorybank_core.errors import ConfigurationError

Shapes = Mapping[str, tuple[int, ...]]

QUANTIZED_BYTES = {"8bit": 1.0, "4bit": 0.5 + 4 / 64}
"""Per number of a quantized matrix; in 4 bit each 64 numbers share a scale of 4 bytes."""

_MARGIN = 8
_KEPT = ("embed", "lm_head", "output_layer")  # not quantized


def required_bytes(shapes: Shapes, bytes_per_number: int, quantization: str | None = None) -> int:
    """Bytes that a model takes while it answers.

    Beside its weights that is the cache of keys and values, and room to compute in: an eighth of
    the weights in 16 bit, which for 6 billion parameters is 1.5 GB, or a cache of 3,000 tokens of
    ChatGLM-6B.

    Args:
        shapes: Of every tensor by name.
        bytes_per_number: Of the dtype: 4 for float32, 2 for float16 and bfloat16.
        quantization: "8bit", "4bit" or None. Embeddings, norms and the output keep the dtype.
    """
    weights = sum(
        prod(shape) * _per_number(name, shape, bytes_per_number, quantization)
        for name, shape in shapes.items()
    )
    in_16_bit = 2 * sum(map(prod, shapes.values()))
    return round(weights + in_16_bit / _MARGIN)


def require_memory(
    shapes: Shapes, bytes_per_number: int, quantization: str | None, *, free: int, device: str
) -> None:
    """Refuses a model that is larger than the free memory, and says what would fit.

    Raises:
        ConfigurationError: It does not fit into `free` bytes of `device`.
    """
    needed = required_bytes(shapes, bytes_per_number, quantization)
    if needed <= free:
        return
    ways = {
        'dtype="bfloat16" or "float16"': required_bytes(shapes, 2),
        'quantization="8bit"': required_bytes(shapes, 2, "8bit"),
        'quantization="4bit"': required_bytes(shapes, 2, "4bit"),
    }
    fitting = [f"{way} ({_gb(size)})" for way, size in ways.items() if size <= free]
    fitting.append('device="cpu"')
    raise ConfigurationError(
        f"the model needs {_gb(needed)} with its cache, but {device} has {_gb(free)} free. "
        f"What would fit: {', '.join(fitting)}."
    )


def _per_number(name: str, shape: tuple[int, ...], plain: int, quantization: str | None) -> float:
    if quantization is None or len(shape) != 2 or any(part in name for part in _KEPT):
        return plain
    return QUANTIZED_BYTES[quantization]


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
