"""Loading of models with the sentence-transformers package, for embedders and rerankers."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import ConfigurationError, MissingDependencyError
from .forked_processes import limit_threads, set_torch_threads

_BACKENDS = {"torch": "torch", "onnx": "optimum.onnxruntime", "openvino": "optimum.intel"}
"""Backends of sentence-transformers, and the module that each needs."""


def require_backend(backend: str, file: str | None) -> None:
    """Check a backend and the name of a model's file.

    Raises:
        ConfigurationError: If the backend is unknown, or torch gets the name of a file.
        MissingDependencyError: If what the backend needs is not installed.
    """
    if backend not in _BACKENDS:
        raise ConfigurationError(f"backend must be one of {', '.join(_BACKENDS)}, not {backend!r}")
    if file and backend == "torch":
        raise ConfigurationError(f"the file {file!r} needs a backend: onnx or openvino")
    package, _, module = _BACKENDS[backend].partition(".")
    if module and not (find_spec(package) and find_spec(f"{package}.{module}")):
        raise MissingDependencyError(
            f"the backend {backend} is not installed. Run: pip install "
            f'"sentence-transformers[{backend}]"'
        )


def load_model(class_name: str, kind: str, model: str, device: str | None, **options: Any) -> Any:
    """Return a model of a class of sentence-transformers.

    Args:
        class_name: "SentenceTransformer" or "CrossEncoder".
        kind: What the model is, for messages.
        model: Its name on the hub, or the path of its folder.
        device: The device it runs on; None lets the package choose.
        options: Further arguments of the class.

    Raises:
        MissingDependencyError: If sentence-transformers is not installed.
        ConfigurationError: If the model cannot be loaded.
    """
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingDependencyError.of("sentence-transformers", "sentence-transformers") from error
    limit_threads(set_torch_threads)
    try:
        return getattr(sentence_transformers, class_name)(model, device=device, **options)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot load the {kind} {model!r}: {error}. Without a network, download it elsewhere "
            "and pass the path of its folder."
        ) from error


def short_name(model: str) -> str:
    """Return the name of a model on the hub, or the name of its folder."""
    return Path(model).name if Path(model).exists() else model
