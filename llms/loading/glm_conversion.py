"""Conversion of ChatGLM2-6B, ChatGLM3-6B and GLM-4-9B to the `glm` architecture of transformers.

The three have the same architecture, and `glm` computes identical numbers. It has other names for
the tensors, and separate tensors for query, key and value, which the official code fuses into one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

from .weights import list_tensor_names

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GlmConfig

_MAX_NAMES = 3
_THETA = 10_000.0
_COMPUTED_TENSOR = "transformer.rotary_pos_emb.inv_freq"
_LAYER = re.compile(r"transformer\.encoder\.layers\.(\d+)\.")
_OUTER_MODULES = {
    "transformer.embedding.word_embeddings": ["model.embed_tokens"],
    "transformer.encoder.final_layernorm": ["model.norm"],
    "transformer.output_layer": ["lm_head"],
}
_LAYER_MODULES = {
    "input_layernorm": ["input_layernorm"],
    "self_attention.query_key_value": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention.dense": ["self_attn.o_proj"],
    "post_attention_layernorm": ["post_attention_layernorm"],
    "mlp.dense_h_to_4h": ["mlp.gate_up_proj"],  # both have the gate's rows first
    "mlp.dense_4h_to_h": ["mlp.down_proj"],
}
_FIXED_FIELDS = {  # options that glm does not have, with the values that it implements
    "rmsnorm": True,
    "post_layer_norm": True,
    "add_bias_linear": False,
    "apply_residual_connection_post_layernorm": False,
    "original_rope": True,
    "pre_seq_len": None,
    "quantization_bit": 0,
    "vision_config": None,
}


def convert_config(config: Mapping[str, Any]) -> GlmConfig:
    """Convert a configuration to that of transformers.

    Args:
        config: The official config.json; missing fields have the official default.

    Raises:
        ConfigurationError: If `glm` cannot express the model; the message lists all such fields.
    """
    from transformers import GlmConfig

    _require_expressible(config)
    heads = config.get("num_attention_heads", 32)
    is_by_head = not config.get("multi_query_attention", False)
    fields: dict[str, Any] = {
        "vocab_size": config.get("padded_vocab_size", 65_024),
        "hidden_size": config.get("hidden_size", 4096),
        "intermediate_size": config.get("ffn_hidden_size", 13_696),
        "num_hidden_layers": config.get("num_layers", 28),
        "num_attention_heads": heads,
        "num_key_value_heads": heads if is_by_head else config.get("multi_query_group_num", 1),
        "head_dim": config.get("kv_channels", 128),
        "attention_bias": bool(config.get("add_qkv_bias", False)),
        "attention_dropout": config.get("attention_dropout", 0.0),
        "max_position_embeddings": config.get("seq_length", 2048),
        "rms_norm_eps": config.get("layernorm_epsilon", 1e-5),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": _THETA * config.get("rope_ratio", 1),
            "partial_rotary_factor": 0.5,
        },
        "tie_word_embeddings": False,
        "use_cache": config.get("use_cache", True),
        "dtype": config.get("torch_dtype", config.get("dtype")),
        "eos_token_id": config.get("eos_token_id", 2),
        "pad_token_id": config.get("pad_token_id", 0),
        "bos_token_id": config.get("bos_token_id"),
        "fused_by_head": is_by_head,
    }
    return GlmConfig(**fields)


def convert_weights(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any] | GlmConfig
) -> dict[str, Tensor]:
    """Convert weights to those of `GlmForCausalLM`; they are views of `tensors` where possible.

    Args:
        tensors: The official weights by their official names.
        config: The official config.json, or the result of `convert_config`.

    Raises:
        ConfigurationError: If a tensor does not belong to this architecture or has another shape.
    """
    layout = _FusedLayout.from_config(config)
    unknown = [name for name in tensors if name != _COMPUTED_TENSOR and _find_modules(name) is None]
    if unknown:
        raise ConfigurationError(
            f"ChatGLM2, ChatGLM3 and GLM-4 have no tensors {list_tensor_names(unknown, _MAX_NAMES)}"
        )
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name != _COMPUTED_TENSOR:
            converted.update(_convert_tensor(name, tensor, layout))
    return converted


def convert_lora(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any] | GlmConfig
) -> dict[str, Tensor]:
    """Convert a LoRA adapter of the official model to one for `GlmForCausalLM`.

    The adapter adds B·A to the fused layer, so query, key and value each take their rows of B and
    all of A.

    Args:
        tensors: Tensors by names such as
            "transformer.encoder.layers.0.self_attention.query_key_value.lora_A.weight".
        config: The official config.json, or the configuration of the model in transformers.

    Returns:
        Tensors by names such as "model.layers.0.self_attn.q_proj.lora_A.weight". No two of them
        share memory.

    Raises:
        ConfigurationError: If a tensor does not belong to this architecture or has another shape.
    """
    converted = convert_weights(tensors, config)
    return {name: tensor.clone() for name, tensor in converted.items()}


@dataclass(frozen=True)
class _FusedLayout:
    """Layout of query, key and value in the fused official tensor.

    Attributes:
        rows: Number of rows of the query, the key and the value.
        heads: None with multi-query attention: the rows of the query come first, then the key, then
            the value. Otherwise the number of heads: the rows are grouped by head, each with its
            query, key and value.
    """

    rows: tuple[int, int, int]
    heads: int | None

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | GlmConfig) -> _FusedLayout:
        glm: Any = convert_config(config) if isinstance(config, Mapping) else config
        heads, width = glm.num_attention_heads, glm.head_dim
        keys = glm.num_key_value_heads * width
        is_by_head = getattr(glm, "fused_by_head", False)
        return cls((heads * width, keys, keys), heads if is_by_head else None)

    def split(self, tensor: Tensor) -> list[Tensor]:
        """Return query, key and value of a fused tensor."""
        if self.heads is None:
            return list(tensor.split_with_sizes(self.rows))
        columns = tensor.shape[1:]
        by_head = tensor.view(self.heads, 3, -1, *columns)
        return [part.reshape(-1, *columns) for part in by_head.unbind(1)]


def _convert_tensor(name: str, tensor: Tensor, layout: _FusedLayout) -> dict[str, Tensor]:
    modules, parameter = _find_modules(name) or ([], name)
    if len(modules) == 1 or parameter.startswith("lora_A."):
        return {f"{module}.{parameter}": tensor for module in modules}
    if tensor.shape[0] != sum(layout.rows):
        counts = " + ".join(map(str, layout.rows))
        raise ConfigurationError(
            f"{name} has {tensor.shape[0]} rows, but query, key and value of config.json have "
            f"{counts} = {sum(layout.rows)}: the weights belong to another model"
        )
    parts = zip(modules, layout.split(tensor), strict=True)
    return {f"{module}.{parameter}": part for module, part in parts}


def _find_modules(name: str) -> tuple[list[str], str] | None:
    """Return the target modules and the parameter name of an official tensor; None if unknown."""
    layer = _LAYER.match(name)
    targets, path = (_LAYER_MODULES, name[layer.end() :]) if layer else (_OUTER_MODULES, name)
    prefix = f"model.layers.{layer[1]}." if layer else ""
    for official, modules in targets.items():
        if path.startswith(f"{official}."):
            return [prefix + module for module in modules], path[len(official) + 1 :]
    return None


def _require_expressible(config: Mapping[str, Any]) -> None:
    unsupported = [
        f"{field}={config[field]!r}"
        for field, default in _FIXED_FIELDS.items()
        if bool(config.get(field, default)) != bool(default)
    ]
    origin, ratio = str(config.get("_name_or_path", "")), config.get("rope_ratio", 1)
    if "chatglm2" in origin and ratio != 1:  # it scales positions; later models scale theta
        unsupported.append(f"rope_ratio={ratio!r} of {origin}")
    heads, groups = config.get("num_attention_heads", 32), config.get("multi_query_group_num", 1)
    if config.get("multi_query_attention") and (groups < 1 or heads % groups):
        unsupported.append(f"multi_query_group_num={groups!r} with num_attention_heads={heads!r}")
    if unsupported:
        raise ConfigurationError(
            f"config.json has {', '.join(unsupported)}, which glm cannot express. Use the original "
            "ChatGLM2-6B, ChatGLM3-6B or GLM-4-9B, not quantized and without a prefix."
        )
