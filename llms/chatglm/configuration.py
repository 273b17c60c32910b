"""The configuration of ChatGLM-6B: the fields of its official config.json."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

RESIDUAL_LAYERS = 28
"""What the residual's weight is made of, sqrt(2 * 28), however many layers a model has."""


class ChatGLMConfig(PreTrainedConfig):
    """What a ChatGLM-6B is made of; takes the official config.json as it is.

    Attributes:
        vocab_size: Rows of the embedding, which is also the output's.
        hidden_size: Width of a layer.
        num_layers: How many layers.
        num_attention_heads: Heads of a layer; each half of a head turns by a position of its own.
        inner_hidden_size: Width inside of the MLP; 0 for four times `hidden_size`.
        layernorm_epsilon: Added to the variance in every LayerNorm.
        max_sequence_length: Tokens that the model was made for, prompt and answer.
        bos_token_id: `<sop>`, the start of the answer.
        eos_token_id: `<eop>`, the end of the answer.
        mask_token_id: `[MASK]`: what is answered stands in a sentence.
        gmask_token_id: `[gMASK]`: what is answered stands at the end.
        pad_token_id: Fills a batch on the left.
        pre_seq_len: Length of the p-tuning prefix; None for none.
        prefix_projection: Whether the prefix goes through an MLP.
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
        """What a layer's normalized input is multiplied by before its output is added."""
        return float((2 * RESIDUAL_LAYERS) ** 0.5)
