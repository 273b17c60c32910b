"""Loading of models with the sentence-transformers package, for embedders and rerankers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import ConfigurationError, MissingDependencyError
from .forked_processes import limit_threads, set_torch_threads


def load_model(class_name: str, kind: str, model: str, device: str | None) -> Any:
    """Return a model of a class of sentence-transformers.

    Args:
        class_name: "SentenceTransformer" or "CrossEncoder".
        kind: What the model is, for messages.
        model: Its name on the hub, or the path of its folder.
        device: The device it runs on; None lets the package choose.

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
        return getattr(sentence_transformers, class_name)(model, device=device)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot load the {kind} {model!r}: {error}. Without a network, download it elsewhere "
            "and pass the path of its folder."
        ) from error


def short_name(model: str) -> str:
    """Return the name of a model on the hub, or the name of its folder."""
    return Path(model).name if Path(model).exists() else model
