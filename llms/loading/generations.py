"""Which generation of model a folder has: all of ChatGLM call themselves "chatglm"."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from llms.sampling import Sampling
from memorybank_core.errors import ConfigurationError

from .model_files import find_gguf, read_model_config, resolve_model_path

SAMPLING: dict[str, Sampling] = {
    "chatglm": Sampling(temperature=0.95, top_p=0.7),
    "chatglm2": Sampling(temperature=0.8, top_p=0.8),
    "glm4": Sampling(temperature=0.8, top_p=0.8),
}
"""How each generation samples in its official chat."""

_GLM4_VOCABULARY = 151_552
_CHATGLM2_VOCABULARY = 65_024  # chatglm3-6b-32k has a rope_ratio too


def generation_of(config: Mapping[str, Any]) -> str:
    """The generation that a config.json tells of.

    Returns:
        "chatglm" (ChatGLM-6B), "chatglm2" (ChatGLM2-6B and ChatGLM3-6B, which are the same but for
        their tokenizers), "glm4" (GLM-4-9B for remote code), or else the `model_type`.

    Raises:
        ConfigurationError: There is no model_type, or no known generation has these fields.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise ConfigurationError('config.json has no "model_type": it is not a model\'s')
    if model_type != "chatglm":
        return model_type
    vocabulary = config.get("padded_vocab_size")
    if "position_encoding_2d" in config or "inner_hidden_size" in config:
        return "chatglm"
    if vocabulary is None:
        raise ConfigurationError(
            'config.json says "chatglm" but has neither inner_hidden_size or position_encoding_2d '
            "(ChatGLM-6B) nor padded_vocab_size (ChatGLM2-6B and later): take the official one"
        )
    is_glm4 = "rope_ratio" in config and vocabulary != _CHATGLM2_VOCABULARY
    return "glm4" if is_glm4 or vocabulary == _GLM4_VOCABULARY else "chatglm2"


def generation_at(folder_or_name: str | PathLike[str]) -> str:
    """The generation of the model in a folder or of a name on the hub; "gguf" for a GGUF file.

    Raises:
        ConfigurationError: There is no such folder or name, or its config.json cannot be used.
    """
    folder = resolve_model_path(folder_or_name)
    return "gguf" if find_gguf(folder) else generation_of(read_model_config(folder))
