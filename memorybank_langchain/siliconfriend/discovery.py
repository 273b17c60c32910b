"""Discovery of language models that the user could choose: nothing is chosen, loaded or sent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from .ollama import list_ollama_models

_MAX_LISTED = 3  # of a kind
_CHAT_ARCHITECTURES = ("ForCausalLM", "ForConditionalGeneration", "ChatGLMModel")


class FoundModel(NamedTuple):
    """A model that could be chosen with `--llm`.

    Attributes:
        name: Name for `--llm`.
        kind: "ollama", "folder", or "sends" if messages leave this machine.
        host: Host that receives the messages.
    """

    name: str
    kind: Literal["ollama", "folder", "sends"]
    host: str = ""


def find_models() -> list[FoundModel]:
    """Return models on Ollama, models in local folders, and OpenAI if its environment is set.

    Local folders are those in the working directory, in `models` there, and in the cache of the
    Hugging Face hub. Only this machine is asked, within 0.3 seconds.
    """
    on_ollama = list_ollama_models()[:_MAX_LISTED]
    local = [FoundModel(f"ollama:{model.name}", "ollama") for model in on_ollama]
    local += [FoundModel(name, "folder") for name in _find_folders()]
    return [*local, *_find_openai()]


def _find_folders() -> list[str]:
    """Return the folders and names of local models."""
    folders = [f"./{path}" for path in (*Path().glob("*"), *Path("models").glob("*"))]
    names = [folder for folder in folders if _is_chat_model(Path(folder))]
    return [*names[:_MAX_LISTED], *list(_find_cached())[:_MAX_LISTED]]


def _find_cached() -> Iterator[str]:
    """Yield the names of models in the cache of the Hugging Face hub."""
    home = os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    for folder in sorted(hub.glob("models--*--*")):
        if any(map(_is_chat_model, folder.glob("snapshots/*"))):
            yield folder.name.removeprefix("models--").replace("--", "/", 1)


def _is_chat_model(folder: Path) -> bool:
    """Return whether a folder has the configuration and the weights of a language model."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = config.get("architectures") or ()
        has_weights = any(folder.glob("*.safetensors")) or any(folder.glob("*.bin"))
        return has_weights and any(str(name).endswith(_CHAT_ARCHITECTURES) for name in names)
    except (OSError, ValueError, AttributeError):
        return False


def _find_openai() -> list[FoundModel]:
    """Return OpenAI, or the server at OPENAI_BASE_URL, if the environment names it."""
    url = os.environ.get("OPENAI_BASE_URL")
    if not (url or os.environ.get("OPENAI_API_KEY")):
        return []
    host = (urlsplit(url).hostname if url else None) or "api.openai.com"
    return [FoundModel("openai", "sends", host)]
