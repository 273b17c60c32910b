"""Layers of ChatGLM-6B, with the parameter names of the official files."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration import ChatGLMConfig
from .positions import apply_rotary

KeysAndValues = tuple[torch.Tensor, torch.Tensor]


class Attention(nn.Module):
    """Multi-head attention with a rotary embedding of the position and the block position."""

    is_causal = True

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = config.head_dim
        self.scaling = self.head_dim**-0.5
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rotation: tuple[torch.Tensor, torch.Tensor],
        prefix: KeysAndValues | None,
        past_key_values: Cache | None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the output [B, S, hidden_size] and, if available, the attention weights."""
        by_head = self.query_key_value(hidden).unflatten(-1, (-1, 3 * self.head_dim))
        query, key, value = by_head.transpose(1, 2).chunk(3, dim=-1)  # [B, H, S, D] each
        query, key = apply_rotary(query, *rotation), apply_rotary(key, *rotation)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        if prefix is not None:
            key = torch.cat((prefix[0].expand(len(key), -1, -1, -1), key), dim=2)
            value = torch.cat((prefix[1].expand(len(value), -1, -1, -1), value), dim=2)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation,
            eager_attention,
        )
        mixed, weights = attend(
            self, query, key, value, attention_mask, scaling=self.scaling, **kwargs
        )
        return self.dense(mixed.flatten(2)), weights


class MLP(nn.Module):
    """Plain MLP with tanh-approximated GELU; the official class is called GLU but has no gate."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return hidden states [B, S, hidden_size]."""
        inner = nn.functional.gelu(self.dense_h_to_4h(hidden), approximate="tanh")
        return self.dense_4h_to_h(inner)  # type: ignore[no-any-return]


class Layer(GradientCheckpointingLayer):
    """Attention and MLP; each one's residual connection adds its weighted, normalized input."""

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.residual_weight = config.residual_weight
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = Attention(config, layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(
            config.hidden_size, eps=config.layernorm_epsilon
        )
        self.mlp = MLP(config)

    def forward(self, hidden: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Return hidden states [B, S, hidden_size]; `kwargs` are those of `Attention`."""
        normed = self.input_layernorm(hidden)
        hidden = normed * self.residual_weight + self.attention(normed, **kwargs)[0]
        normed = self.post_attention_layernorm(hidden)
        return normed * self.residual_weight + self.mlp(normed)  # type: ignore[no-any-return]


class PrefixEncoder(nn.Module):
    """Keys and values of the learned prefix of P-Tuning v2, for every layer.

    Liu et al. 2021, "P-Tuning v2" (arXiv 2110.07602).
    """

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        length, width = config.pre_seq_len or 0, 2 * config.num_layers * config.hidden_size
        self.shape = (length, config.num_layers, 2, config.num_attention_heads, config.head_dim)
        self.trans: nn.Module = nn.Identity()
        if config.prefix_projection:
            self.embedding = nn.Embedding(length, config.hidden_size)
            self.trans = nn.Sequential(
                nn.Linear(config.hidden_size, config.hidden_size),
                nn.Tanh(),
                nn.Linear(config.hidden_size, width),
            )
        else:
            self.embedding = nn.Embedding(length, width)

    def forward(self) -> list[KeysAndValues]:
        """Return keys and values [1, H, pre_seq_len, D] for each layer."""
        all_layers = self.trans(self.embedding.weight).view(self.shape)
        keys, values = all_layers.permute(2, 1, 3, 0, 4).unbind(0)
        return [(key[None], value[None]) for key, value in zip(keys, values, strict=True)]


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> KeysAndValues:
    """Compute attention with plain operations; returns the output and the weights."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2), weights
