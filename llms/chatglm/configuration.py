"""Configuration of ChatGLM-6B, with the fields of its official config.json."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

RESIDUAL_LAYERS = 28
"""Number of layers in the residual weight sqrt(2 * 28), independent of `num_layers`."""


class ChatGLMConfig(PreTrainedConfig):
    """Configuration of a ChatGLM-6B model; reads the official config.json unchanged.

    Attributes:
        vocab_size: Number of rows of the embedding, which is tied to the output layer.
        hidden_size: Width of the hidden states.
        num_layers: Number of layers.
        num_attention_heads: Number of heads of a layer. The rotary embedding rotates one half of
            each head by the position and the other by the block position.
        inner_hidden_size: Width of the MLP's hidden layer; 0 for four times `hidden_size`.
        layernorm_epsilon: Added to the variance in every LayerNorm.
        max_sequence_length: Number of tokens of prompt and answer that the model was trained for.
        bos_token_id: `<sop>`, the start of the answer.
        eos_token_id: `<eop>`, the end of the answer.
        mask_token_id: `[MASK]`, marks a short span to generate.
        gmask_token_id: `[gMASK]`, marks a text to generate at the end.
        pad_token_id: Padding, added on the left.
        pre_seq_len: Length of the P-Tuning v2 prefix; None for no prefix.
        prefix_projection: Whether an MLP computes the prefix.
        use_cache: Whether to cache keys and values by default.
        tie_word_embeddings: Whether the output layer shares the weights of the embedding.
        initializer_range: Standard deviation of the initial weights.
    """

    model_type = "chatglm"
    keys_to_ignore_at_inference = ("past_key_values",)
    attribute_map = {  # noqa: RUF012 - as transformers declares it
        "num_hidden_layers": "num_layers",
        "max_position_embeddings": "max_sequence_length",
        "intermediate_size": "inner_hidden_size",
    }

    vocab_size: int = 130528
    hidden_size: int = 4096
    num_layers: int = 28
    num_attention_heads: int = 32
    inner_hidden_size: int = 0
    layernorm_epsilon: float = 1e-5
    max_sequence_length: int = 2048
    bos_token_id: int = 130004
    eos_token_id: int | list[int] | None = 130005
    mask_token_id: int = 130000
    gmask_token_id: int = 130001
    pad_token_id: int = 3
    pre_seq_len: int | None = None
    prefix_projection: bool = False
    use_cache: bool = True
    tie_word_embeddings: bool = True
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self.inner_hidden_size = self.inner_hidden_size or 4 * self.hidden_size
        super().__post_init__(**kwargs)

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def residual_weight(self) -> float:
        """Factor of a layer's normalized input in the residual connection."""
        return float((2 * RESIDUAL_LAYERS) ** 0.5)
