"""Models of Ollama on this machine, by its own interface."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

OLLAMA_URL = "http://127.0.0.1:11434"
"""Address of Ollama on this machine."""

_TIMEOUT = 0.3  # seconds that Ollama has to answer
_SIZE_PATTERN = re.compile(r"([\d.]+)\s*([KMBT])", re.IGNORECASE)
_UNITS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class OllamaModel(NamedTuple):
    """A chat model that Ollama has on this machine.

    Attributes:
        name: Its name, such as "llama3.2:latest".
        parameters: Its number of parameters; None if Ollama does not say.
    """

    name: str
    parameters: int | None


def list_ollama_models() -> list[OllamaModel]:
    """Return the chat models of Ollama, the latest first; none if it does not run."""
    opener = build_opener(ProxyHandler({}))  # a proxy cannot reach this machine
    try:
        with opener.open(f"{OLLAMA_URL}/api/tags", timeout=_TIMEOUT) as response:
            models = json.load(response)["models"]
        return [_read(model) for model in models if not _only_embeds(model)]
    except (OSError, URLError, ValueError, KeyError, TypeError, AttributeError):
        return []


def find_parameters(name: str) -> int | None:
    """Return the number of parameters of a model of Ollama; None if it is not known."""
    full_name = name if ":" in name else f"{name}:latest"
    counts = {model.name: model.parameters for model in list_ollama_models()}
    return counts.get(full_name)


def _read(model: Mapping[str, Any]) -> OllamaModel:
    size = _SIZE_PATTERN.fullmatch(str(_details(model).get("parameter_size", "")))
    parameters = int(float(size[1]) * _UNITS[size[2].upper()]) if size else None
    return OllamaModel(str(model["name"]), parameters)


def _only_embeds(model: Mapping[str, Any]) -> bool:
    """Return whether a model returns vectors only: a BERT, or one that its name calls so."""
    return "bert" in str(_details(model).get("family", "")) or "embed" in str(model["name"])


def _details(model: Mapping[str, Any]) -> Mapping[str, Any]:
    return model.get("details") or {}
