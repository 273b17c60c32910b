"""Model families: a table of everything that differs between families.

To add a family, add a row to `FAMILIES`. It may name a new tokenizer class and a new prompt format.
No other code has to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from memorybank_core.errors import ConfigurationError

from .sampling import Sampling

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Contents of a model's folder, as far as they identify its family.

    Attributes:
        config: config.json; empty if it does not exist.
        tokenizer_config: tokenizer_config.json; empty if it does not exist.
        names: Names of the files in the folder.
        model_names: Names under which the model is known, the most reliable one first.
        read_vocabulary: Returns the vocabulary in tokenizer.json; None if it does not exist.
    """

    config: Config = field(default_factory=dict)
    tokenizer_config: Config = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    model_names: tuple[str, ...] = ()
    read_vocabulary: Callable[[], Container[str] | None] = lambda: None

    @property
    def has_chat_template(self) -> bool:
        """True if the tokenizer has a chat template."""
        return "chat_template" in self.tokenizer_config or "chat_template.jinja" in self.names


@dataclass(frozen=True, slots=True)
class LoraDefaults:
    """Defaults for a new LoRA adapter.

    Attributes:
        targets: Names of the layers that get an adapter, or peft's "all-linear".
        alpha: The adapter's output is scaled by alpha / r.
        dropout: Dropout on the adapter's input while training.
    """

    targets: tuple[str, ...] | str = "all-linear"
    alpha: float = 16.0
    dropout: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Everything that distinguishes a family of models from others.

    Attributes:
        name: Its name, as accepted by `load_tokenizer`.
        title: Name of its best known model, for messages.
        matches_config: Returns whether a config.json is of this family; None to use names only.
        name_pattern: Matches part of the names of its models.
        matches_files: Distinguishes families with the same config.json if the model's names do not.
        tokenizer: Tokenizer class as "module:class"; None for the one of transformers.
        tokenizer_file: A file that only tokenizers of this family have.
        saved_as: `tokenizer_class` in the tokenizer_config.json of its tokenizers, if unique.
        unsupported_tokenizer: Error message, if the family's tokenizer files cannot be read.
        prompt_format: A name in `PROMPT_FORMATS`; None for the tokenizer's chat template.
        sampling: Defaults of the official chat; None for those in the model's files.
        model_class: Model class as "module:class"; None for the one of transformers.
        is_converted: Whether the official weights are converted to transformers' `glm`.
        loaded_type: `model_type` of the configuration once the model is loaded.
        bidirectional_prompt: Whether tokens of a prompt attend to later ones.
        lora: Defaults for a new LoRA adapter.
    """

    name: str
    title: str
    matches_config: Callable[[Config], bool] | None = None
    name_pattern: re.Pattern[str] | None = None
    matches_files: Callable[[ModelFiles], bool] = lambda files: True
    tokenizer: str | None = None
    tokenizer_file: str | None = None
    saved_as: str | None = None
    unsupported_tokenizer: str | None = None
    prompt_format: str | None = None
    sampling: Sampling | None = None
    model_class: str | None = None
    is_converted: bool = False
    loaded_type: str | None = None
    bidirectional_prompt: bool = False
    lora: LoraDefaults = LoraDefaults()

    def matches_name(self, name: str) -> bool:
        """Return whether a model's name mentions the family."""
        return self.name_pattern is not None and self.name_pattern.search(name) is not None


_CHATGLM_FIELDS = {"position_encoding_2d", "inner_hidden_size"}
_CHATGLM2_VOCABULARY = 65_024
_CHATGLM2_LENGTH = 32_768
_GLM4_VOCABULARY = 151_552


def _is_chatglm(config: Config) -> bool:
    return config.get("model_type") == "chatglm" and not _CHATGLM_FIELDS.isdisjoint(config)


def _is_chatglm_2_to_4(config: Config) -> bool:
    has_vocabulary = config.get("padded_vocab_size") is not None
    return config.get("model_type") == "chatglm" and has_vocabulary and not _is_chatglm(config)


def _is_glm4(config: Config) -> bool:
    vocabulary = config.get("padded_vocab_size")
    is_scaled = "rope_ratio" in config and vocabulary != _CHATGLM2_VOCABULARY  # chatglm3-6b-32k
    return _is_chatglm_2_to_4(config) and (is_scaled or vocabulary == _GLM4_VOCABULARY)


def _is_chatglm_2_or_3(config: Config) -> bool:
    """Return whether it is ChatGLM2-6B or ChatGLM3-6B, which differ only in their tokenizers."""
    return _is_chatglm_2_to_4(config) and not _is_glm4(config)


def _has_chatglm2_files(files: ModelFiles) -> bool:
    config = files.tokenizer_config
    has_roles = "chat_template" in config or "<|user|>" in str(config.get("added_tokens_decoder"))
    return files.config.get("seq_length") == _CHATGLM2_LENGTH and not has_roles


def _has_sentencepiece_files(files: ModelFiles) -> bool:
    """Return whether a LLaMA uses the sentencepiece tokenizer of 2023.

    A chat template writes special tokens as text, which only tokenizers of transformers encode. A
    tokenizer.json without the piece <0x0A> belongs to another family, such as Llama 3.
    """
    if files.has_chat_template or not any(name.endswith(".model") for name in files.names):
        return False
    vocabulary = files.read_vocabulary()
    return vocabulary is None or "<0x0A>" in vocabulary


TIKTOKEN_ADVICE = (
    "a tokenizer in tiktoken's format is not supported: use the model in the format of "
    "transformers, with a tokenizer.json; for GLM-4-9B, this is THUDM/glm-4-9b-chat-hf"
)
_CHATGLM_LORA = LoraDefaults(("query_key_value",), alpha=32.0, dropout=0.1)
_GLM_LORA = LoraDefaults(("q_proj", "k_proj", "v_proj"), alpha=32.0, dropout=0.1)
_LLAMA_LORA = LoraDefaults(("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"))

FAMILIES: tuple[Family, ...] = (
    Family(
        name="chatglm",
        title="ChatGLM-6B",
        matches_config=_is_chatglm,
        tokenizer="llms.tokenization.chatglm:ChatGLMTokenizer",
        tokenizer_file="ice_text.model",
        prompt_format="chatglm",
        sampling=Sampling(temperature=0.95, top_p=0.7),
        model_class="llms.chatglm:ChatGLMForCausalLM",
        loaded_type="chatglm",
        bidirectional_prompt=True,
        lora=_CHATGLM_LORA,
    ),
    Family(
        name="chatglm2",
        title="ChatGLM2-6B",
        matches_config=_is_chatglm_2_or_3,
        name_pattern=re.compile(r"chatglm-?2", re.IGNORECASE),
        matches_files=_has_chatglm2_files,
        tokenizer="llms.tokenization.chatglm:ChatGLM2Tokenizer",
        saved_as="ChatGLM2Tokenizer",
        prompt_format="chatglm2",
        sampling=Sampling(temperature=0.8, top_p=0.8),
        is_converted=True,
        loaded_type="glm",
        lora=_GLM_LORA,
    ),
    Family(
        name="chatglm3",
        title="ChatGLM3-6B",
        matches_config=_is_chatglm_2_or_3,
        name_pattern=re.compile(r"chatglm-?3", re.IGNORECASE),
        tokenizer="llms.tokenization.chatglm:ChatGLM3Tokenizer",
        saved_as="ChatGLM3Tokenizer",
        prompt_format="chatglm3",
        sampling=Sampling(temperature=0.8, top_p=0.8),
        is_converted=True,
        loaded_type="glm",
        lora=_GLM_LORA,
    ),
    Family(
        name="glm4",
        title="GLM-4-9B",
        matches_config=_is_glm4,
        unsupported_tokenizer=TIKTOKEN_ADVICE,
        sampling=Sampling(temperature=0.8, top_p=0.8),
        is_converted=True,
        loaded_type="glm",
        lora=_GLM_LORA,
    ),
    Family(
        name="llama",
        title="LLaMA",
        matches_config=lambda config: config.get("model_type") == "llama",
        matches_files=_has_sentencepiece_files,
        tokenizer="llms.tokenization.llama:PieceLlamaTokenizer",
        saved_as="PieceLlamaTokenizer",
        loaded_type="llama",
        lora=_LLAMA_LORA,
    ),
    Family(
        name="belle",
        title="BELLE",
        name_pattern=re.compile(r"(?<![a-z])belle", re.IGNORECASE),
        prompt_format="belle",
    ),
)
"""All families. If several match, the first one is used."""


def families_with_config() -> tuple[Family, ...]:
    """Return the families that a config.json identifies."""
    return tuple(family for family in FAMILIES if family.matches_config)


def find_by_config(config: Config) -> Family | None:
    """Return the first family with this config.json; None if no family has it.

    It does not distinguish ChatGLM2-6B from ChatGLM3-6B: the result is "chatglm2" for both.

    Raises:
        ConfigurationError: If it has no model_type, or describes an unknown ChatGLM.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        raise ConfigurationError('config.json has no "model_type": it does not describe a model')
    family = next(
        (row for row in FAMILIES if row.matches_config and row.matches_config(config)), None
    )
    if family is None and model_type == "chatglm":
        raise ConfigurationError(
            'config.json has the model_type "chatglm", but neither inner_hidden_size or '
            "position_encoding_2d (ChatGLM-6B) nor padded_vocab_size (ChatGLM2-6B and later): use "
            "the official config.json"
        )
    return family


def find_by_files(files: ModelFiles) -> Family | None:
    """Return the family whose tokenizer a model needs; None for the tokenizer of transformers.

    The class of a saved tokenizer decides, else a file that only one family has, else config.json.
    If several families have the same config.json, the model's names decide, else `matches_files`.

    Raises:
        ConfigurationError: See `find_by_config`.
    """
    saved_as = files.tokenizer_config.get("tokenizer_class")
    by_class = [family for family in FAMILIES if saved_as and family.saved_as == saved_as]
    by_file = [family for family in FAMILIES if family.tokenizer_file in files.names]
    if by_class or by_file:
        return [*by_class, *by_file][0]
    if not files.config.get("model_type") or find_by_config(files.config) is None:
        return None
    candidates = [
        row for row in FAMILIES if row.matches_config and row.matches_config(files.config)
    ]
    for name, family in product(files.model_names, candidates):
        if family.matches_name(name):
            return family
    return next((family for family in candidates if family.matches_files(files)), None)


def find_by_name(name: str) -> Family | None:
    """Return the family that a model's name mentions, of those without `matches_config`."""
    families = (family for family in FAMILIES if family.matches_config is None)
    return next((family for family in families if family.matches_name(name)), None)


def find_by_tokenizer(tokenizer: object) -> Family | None:
    """Return the family chosen by `load_tokenizer`, or else that of the tokenizer's class."""
    names = [f"{cls.__module__}:{cls.__name__}" for cls in type(tokenizer).__mro__]
    chosen = getattr(tokenizer, "family", None)
    for name, family in product([chosen, *names] if chosen else names, FAMILIES):
        if name in (family.name, family.tokenizer):
            return family
    return None


def find_by_loaded_type(model_type: str) -> Family | None:
    """Return the first family whose models have this `model_type` once they are loaded."""
    return next((row for row in FAMILIES if row.loaded_type == model_type), None)
