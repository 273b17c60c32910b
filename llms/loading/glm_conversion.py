"""ChatGLM2-6B, ChatGLM3-6B and GLM-4-9B as transformers' own `glm`, number for number.

The three are one architecture, in which transformers has other names for the tensors, and has
apart what the official code keeps in one: query, key and value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GlmConfig

_THETA = 10_000.0
_COMPUTED = "transformer.rotary_pos_emb.inv_freq"
_LAYER = re.compile(r"transformer\.encoder\.layers\.(\d+)\.")
_OUTSIDE = {
    "transformer.embedding.word_embeddings": ["model.embed_tokens"],
    "transformer.encoder.final_layernorm": ["model.norm"],
    "transformer.output_layer": ["lm_head"],
}
_IN_LAYER = {
    "input_layernorm": ["input_layernorm"],
    "self_attention.query_key_value": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention.dense": ["self_attn.o_proj"],
    "post_attention_layernorm": ["post_attention_layernorm"],
    "mlp.dense_h_to_4h": ["mlp.gate_up_proj"],  # the gate's rows first, in both
    "mlp.dense_4h_to_h": ["mlp.down_proj"],
}
_BUILT_IN = {  # what glm has no choice of, with the official default of each field
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
    """The configuration of the same model in transformers.

    Args:
        config: The official config.json; a field that it leaves out has the official default.

    Raises:
        ConfigurationError: The model has what `glm` cannot express; every such field is named.
    """
    from transformers import GlmConfig

    _require_expressible(config)
    heads = config.get("num_attention_heads", 32)
    by_head = not config.get("multi_query_attention", False)
    fields: dict[str, Any] = {
        "vocab_size": config.get("padded_vocab_size", 65_024),
        "hidden_size": config.get("hidden_size", 4096),
        "intermediate_size": config.get("ffn_hidden_size", 13_696),
        "num_hidden_layers": config.get("num_layers", 28),
        "num_attention_heads": heads,
        "num_key_value_heads": heads if by_head else config.get("multi_query_group_num", 1),
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
        "fused_by_head": by_head,
    }
    return GlmConfig(**fields)


def convert_weights(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any] | GlmConfig
) -> dict[str, Tensor]:
    """The weights under the names of `GlmForCausalLM`: views of `tensors` wherever that can be.

    Args:
        tensors: The official weights by their official names.
        config: The official config.json, or what `convert_config` made of it.

    Raises:
        ConfigurationError: A tensor is not one of this architecture, or has another shape.
    """
    fused = _Fused.of(config)
    unknown = [name for name in tensors if name != _COMPUTED and _places(name) is None]
    if unknown:
        raise ConfigurationError(
            f"ChatGLM2, ChatGLM3 and GLM-4 have no tensor {', '.join(unknown[:3])}"
            + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        )
    converted: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name != _COMPUTED:
            converted.update(_converted(name, tensor, fused))
    return converted


def convert_lora(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any] | GlmConfig
) -> dict[str, Tensor]:
    """The tensors of a LoRA adapter of the official model, for the same model in transformers.

    What query, key and value add is B·A, of which each takes its own rows of B and all of A.

    Args:
        tensors: By names such as
            "transformer.encoder.layers.0.self_attention.query_key_value.lora_A.weight".
        config: The official config.json, or the configuration of the model in transformers.

    Returns:
        Tensors by names such as "model.layers.0.self_attn.q_proj.lora_A.weight", none of which
        shares its memory with another.

    Raises:
        ConfigurationError: A tensor is not one of this architecture, or has another shape.
    """
    converted = convert_weights(tensors, config)
    return {name: tensor.clone() for name, tensor in converted.items()}


@dataclass(frozen=True)
class _Fused:
    """How query, key and value lie in the one official tensor.

    Attributes:
        rows: How many are of the query, the key and the value.
        heads: With multi-query attention None: all rows of the query come first. Without it, the
            rows lie head by head, each with its own query, key and value.
    """

    rows: tuple[int, int, int]
    heads: int | None

    @classmethod
    def of(cls, config: Mapping[str, Any] | GlmConfig) -> _Fused:
        glm: Any = convert_config(config) if isinstance(config, Mapping) else config
        heads, width = glm.num_attention_heads, glm.head_dim
        keys = glm.num_key_value_heads * width
        by_head = getattr(glm, "fused_by_head", False)
        return cls((heads * width, keys, keys), heads if by_head else None)

    def apart(self, tensor: Tensor) -> list[Tensor]:
        if self.heads is None:
            return list(tensor.split_with_sizes(self.rows))
        rest = tensor.shape[1:]
        return [part.reshape(-1, *rest) for part in tensor.view(self.heads, 3, -1, *rest).unbind(1)]


def _converted(name: str, tensor: Tensor, fused: _Fused) -> dict[str, Tensor]:
    modules, parameter = _places(name) or ([], name)
    if len(modules) == 1 or parameter.startswith("lora_A."):
        return {f"{module}.{parameter}": tensor for module in modules}
    if tensor.shape[0] != sum(fused.rows):
        parts = " + ".join(map(str, fused.rows))
        raise ConfigurationError(
            f"{name} has {tensor.shape[0]} rows, but query, key and value by config.json {parts} = "
            f"{sum(fused.rows)}: the two do not belong together"
        )
    apart = zip(modules, fused.apart(tensor), strict=True)
    return {f"{module}.{parameter}": part for module, part in apart}


def _places(name: str) -> tuple[list[str], str] | None:
    """The modules that get an official tensor, and what it is in them; None if it is unknown."""
    layer = _LAYER.match(name)
    known, inside = (_IN_LAYER, name[layer.end() :]) if layer else (_OUTSIDE, name)
    prefix = f"model.layers.{layer[1]}." if layer else ""
    for official, modules in known.items():
        if inside.startswith(f"{official}."):
            return [prefix + module for module in modules], inside[len(official) + 1 :]
    return None


def _require_expressible(config: Mapping[str, Any]) -> None:
    wrong = [
        f"{field}={config[field]!r}"
        for field, built_in in _BUILT_IN.items()
        if bool(config.get(field, built_in)) != bool(built_in)
    ]
    origin, ratio = str(config.get("_name_or_path", "")), config.get("rope_ratio", 1)
    if "chatglm2" in origin and ratio != 1:  # it divides positions; later ones multiply theta
        wrong.append(f"rope_ratio={ratio!r} of {origin}")
    heads, groups = config.get("num_attention_heads", 32), config.get("multi_query_group_num", 1)
    if config.get("multi_query_attention") and (groups < 1 or heads % groups):
        wrong.append(f"multi_query_group_num={groups!r} with num_attention_heads={heads!r}")
    if wrong:
        raise ConfigurationError(
            f"config.json has {', '.join(wrong)}, which transformers' glm cannot express. Take the "
            "plain ChatGLM2-6B, ChatGLM3-6B or GLM-4-9B, not quantized and without a prefix."
        )
