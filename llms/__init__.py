"""Models for MemoryBank: local language models, and models of OpenAI-compatible servers.

from llms import LocalModel, OpenAIChat, OpenAIEmbedder, as_llm
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import MissingDependencyError

if TYPE_CHECKING:
    from .adapters import load_adapter, merge_adapter, use_adapter
    from .custom_model import as_llm
    from .finetuning import finetune
    from .generation_request import Answer
    from .loading import load_model
    from .local_model import LocalModel
    from .openai import OpenAIChat
    from .openai_embedder import OpenAIEmbedder
    from .sampling import Sampling
    from .tokenization import load_tokenizer

__all__ = [
    "Answer",
    "LocalModel",
    "OpenAIChat",
    "OpenAIEmbedder",
    "Sampling",
    "as_llm",
    "finetune",
    "load_adapter",
    "load_model",
    "load_tokenizer",
    "merge_adapter",
    "use_adapter",
]

_MODULES = {
    "Answer": "generation_request",
    "LocalModel": "local_model",
    "OpenAIChat": "openai",
    "OpenAIEmbedder": "openai_embedder",
    "Sampling": "sampling",
    "as_llm": "custom_model",
    "finetune": "finetuning",
    "load_adapter": "adapters",
    "load_model": "loading",
    "load_tokenizer": "tokenization",
    "merge_adapter": "adapters",
    "use_adapter": "adapters",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_MODULES[name]}", __name__)
    except ModuleNotFoundError as error:
        extra = "lora" if error.name == "peft" else "transformers"
        raise MissingDependencyError.of(str(error.name), extra) from error
    return getattr(module, name)
