"""Which tokenizer a model's folder needs: "chatglm", "chatglm2", "chatglm3", "llama", or None.

None stands for transformers' own. All of ChatGLM call themselves "chatglm", and the second and the
third generation differ in their tokenizers alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llms.loading.generations import generation_of
from llms.loading.model_files import read_json_object, read_model_config
from memorybank_core.errors import ConfigurationError

TIKTOKEN_ADVICE = (
    "a tokenizer in tiktoken's form is not read here: take the model in transformers' own form, "
    "with a tokenizer.json; that of GLM-4-9B is THUDM/glm-4-9b-chat-hf"
)
_SAVED = {
    "ChatGLMTokenizer": None,  # so the official ones of all generations call themselves as well
    "ChatGLM2Tokenizer": "chatglm2",
    "ChatGLM3Tokenizer": "chatglm3",
    "PieceLlamaTokenizer": "llama",
}
_NAMED = re.compile(r"chatglm-?([23])", re.IGNORECASE)
_LENGTH_OF_CHATGLM2 = 32_768


def generation_in(folder: Path, name: str = "") -> str | None:
    """The tokenizer that the model in `folder` was trained with.

    ChatGLM2 and ChatGLM3 are told apart by the first of these that says something: the names
    in config.json and tokenizer_config.json, the name of the folder, a role mark or a chat template
    in tokenizer_config.json (ChatGLM3), a `seq_length` of 32,768 (ChatGLM2). Where nothing does it
    is ChatGLM3, whose tokenizer gives every text the same ids as ChatGLM2's.

    Args:
        folder: With the files of a tokenizer, and config.json.
        name: Under which the folder was downloaded.

    Raises:
        ConfigurationError: It is GLM-4-9B for remote code, or a file of JSON is damaged.
    """
    known = _object_in(folder, "tokenizer_config.json")
    if saved := _SAVED.get(str(known.get("tokenizer_class"))):
        return saved
    if (folder / "ice_text.model").is_file():
        return "chatglm"
    config = read_model_config(folder) if (folder / "config.json").is_file() else {}
    if config.get("model_type") == "chatglm":
        return _chatglm(folder, config, known, name or folder.name)
    if config.get("model_type") == "llama" and _is_of_2023(folder, known):
        return "llama"
    return None


def _chatglm(folder: Path, config: Mapping[str, Any], known: Mapping[str, Any], name: str) -> str:
    generation = generation_of(config)
    if generation == "glm4":
        raise ConfigurationError(f"{folder}: {TIKTOKEN_ADVICE}")
    if generation == "chatglm":
        return generation
    for said in (config.get("_name_or_path"), known.get("name_or_path"), name):
        if found := _NAMED.search(str(said)):
            return f"chatglm{found[1]}"
    has_roles = "chat_template" in known or "<|user|>" in str(known.get("added_tokens_decoder"))
    is_second = config.get("seq_length") == _LENGTH_OF_CHATGLM2 and not has_roles
    return "chatglm2" if is_second else "chatglm3"


def _is_of_2023(folder: Path, known: Mapping[str, Any]) -> bool:
    """Whether a LLaMA has the sentencepiece file of 2023 and nothing that overrides it.

    A chat template writes marks as text, which only transformers' tokenizers find; and
    a tokenizer.json without <0x0A>, a piece of sentencepiece's, is of another family, such as
    Llama 3.
    """
    if not any(folder.glob("*.model")):
        return False
    if "chat_template" in known or (folder / "chat_template.jinja").is_file():
        return False
    fast = _object_in(folder, "tokenizer.json").get("model", {}).get("vocab")
    return fast is None or "<0x0A>" in fast


def _object_in(folder: Path, name: str) -> dict[str, Any]:
    return read_json_object(folder / name) if (folder / name).is_file() else {}
