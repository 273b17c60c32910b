"""Prompt formats, which encode conversations as the token sequences a model was trained on.

The formats of ChatGLM-6B, ChatGLM2-6B and BELLE have no system messages: a system message becomes
the first line of the next question. Consecutive messages of one role are joined by a newline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llms.families import find_by_name, find_by_tokenizer
from memorybank_core.errors import ConfigurationError

from .base import PromptFormat
from .roles import RoleFormat
from .template import TemplateFormat
from .text import TextFormat, render_belle, render_chatglm, render_chatglm2, render_plain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "PROMPT_FORMATS",
    "PromptFormat",
    "RoleFormat",
    "TemplateFormat",
    "TextFormat",
    "find_prompt_format",
    "get_prompt_format",
]

PROMPT_FORMATS: dict[str, PromptFormat] = {
    "chatglm": TextFormat("chatglm", render_chatglm),
    "chatglm2": TextFormat("chatglm2", render_chatglm2),
    "chatglm3": RoleFormat(),
    "belle": TextFormat("belle", render_belle, separator=" ", stop=("\nHuman:",)),
    "template": TemplateFormat(),
    "plain": TextFormat("plain", render_plain, separator=" ", stop=("\nUser:",)),
}
"""The prompt formats by name."""


def get_prompt_format(name: str) -> PromptFormat:
    """Return the prompt format of a name.

    Raises:
        ConfigurationError: If the name is unknown.
    """
    if name not in PROMPT_FORMATS:
        known = ", ".join(sorted(PROMPT_FORMATS))
        raise ConfigurationError(f"unknown prompt format {name!r}; known: {known}")
    return PROMPT_FORMATS[name]


def find_prompt_format(tokenizer: PreTrainedTokenizerBase, config: Any = None) -> PromptFormat:
    """Return the prompt format of a model.

    The first of these that exists: the format of the tokenizer's family, the tokenizer's chat
    template, the format of a family that the model's name mentions, such as BELLE, and the plain
    format.

    Args:
        tokenizer: A tokenizer, as returned by `load_tokenizer`.
        config: The model's configuration. Its `name_or_path` is considered like the tokenizer's.
    """
    family = find_by_tokenizer(tokenizer)
    if family and family.prompt_format:
        return PROMPT_FORMATS[family.prompt_format]
    if getattr(tokenizer, "chat_template", None):
        return PROMPT_FORMATS["template"]
    family = find_by_name(f"{tokenizer.name_or_path} {getattr(config, 'name_or_path', '')}")
    return PROMPT_FORMATS[(family and family.prompt_format) or "plain"]
