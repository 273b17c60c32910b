"""ChatGLM-6B as a transformers model that reads the official files and supports `generate`.

Du et al. 2022, "GLM: General Language Model Pretraining with Autoregressive Blank Infilling"
(arXiv 2103.10360); Zeng et al. 2022, "GLM-130B" (arXiv 2210.02414). Attention is bidirectional in
the prompt, so keys and values cannot be reused from one turn of a conversation to the next.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.generation.utils import GenerationMixin
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.utils.output_capturing import capture_outputs

from .configuration import ChatGLMConfig
from .layers import Attention, Layer, PrefixEncoder
from .positions import compute_positions, non_padding_mask, rotary_angles

_LAST_POSITIONS = "last_positions"  # attribute of a cache: positions of its last token


class ChatGLMPreTrainedModel(PreTrainedModel):
    """Base class with the class attributes that transformers reads."""

    config_class = ChatGLMConfig
    config: ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Layer"]  # noqa: RUF012 - as transformers declares it
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq$"]  # noqa: RUF012
    _can_record_outputs = {  # noqa: RUF012 - as transformers declares it
        "hidden_states": Layer,
        "attentions": Attention,
    }


class ChatGLMModel(ChatGLMPreTrainedModel):
    """The model without its output layer over the vocabulary."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.word_embeddings: nn.Module = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.prefix_encoder = PrefixEncoder(config) if config.pre_seq_len else None
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the word embedding."""
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embedding."""
        self.word_embeddings = value

    @capture_outputs
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Compute the hidden states of the last layer.

        Args:
            input_ids: int64 [B, S], padded on the left, with `<sop>` in each row.
            attention_mask: [B, past + S], 0 for padding; None masks the pad tokens on the left, in
                the first call only.
            position_ids: int64 [2, B, S], see `positions.compute_positions`; None computes them
                from `input_ids` or, with a filled cache, continues from the previous call.
            past_key_values: Cached keys and values of earlier tokens.
            inputs_embeds: [B, S, hidden_size] instead of `input_ids`; requires `position_ids`.
            use_cache: Whether to cache keys and values; None for the configuration's value.
            kwargs: Arguments of the attention implementation.

        Raises:
            ValueError: If neither or both of `input_ids` and `inputs_embeds` are passed, or the
                positions cannot be computed.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("pass either input_ids or inputs_embeds")
        if past_key_values is None and (self.config.use_cache if use_cache is None else use_cache):
            past_key_values = DynamicCache(config=self.config)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if attention_mask is None and input_ids is not None and not past:
            attention_mask = non_padding_mask(input_ids, self.config)
        if position_ids is None or position_ids.ndim != 3:
            position_ids = self._continue_positions(input_ids, attention_mask, past_key_values)
        hidden = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        mask = build_attention_mask(
            self.config, hidden, attention_mask, past_key_values, position_ids
        )
        rotation = rotary_angles(position_ids, self.config.head_dim, hidden.dtype)
        prefixes = self.prefix_encoder() if self.prefix_encoder else [None] * len(self.layers)
        for layer, prefix in zip(self.layers, prefixes, strict=True):
            hidden = layer(
                hidden,
                attention_mask=mask,
                rotation=rotation,
                prefix=prefix,
                past_key_values=past_key_values,
                **kwargs,
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.final_layernorm(hidden), past_key_values=past_key_values
        )

    def _continue_positions(
        self,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        cache: Cache | None,
    ) -> torch.Tensor:
        """Return the positions of the input, and store the last ones in the cache.

        The next call continues from the stored positions.
        """
        if input_ids is None:
            raise ValueError("inputs_embeds requires position_ids of shape [2, B, S]")
        if cache is not None and cache.get_seq_length():
            last: torch.Tensor | None = getattr(cache, _LAST_POSITIONS, None)
            if last is None:
                raise ValueError(
                    "a cache filled by generate requires position_ids of shape [2, B, S]"
                )
            positions = last + torch.arange(1, input_ids.shape[1] + 1, device=input_ids.device)
        else:
            if attention_mask is None or attention_mask.ndim != 2:
                attention_mask = non_padding_mask(input_ids, self.config)
            positions = compute_positions(input_ids, attention_mask, self.config)
        if cache is not None:
            setattr(cache, _LAST_POSITIONS, positions[..., -1:])
        return positions


class ChatGLMForCausalLM(ChatGLMPreTrainedModel, GenerationMixin):
    """ChatGLM-6B with its output layer, whose weights are tied to the embedding."""

    _tied_weights_keys = {  # noqa: RUF012 - as transformers declares it
        "lm_head.weight": "transformer.word_embeddings.weight"
    }

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """Return the output layer."""
        output: nn.Module = self.lm_head
        return output

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Compute the logits [B, S, vocab_size] and, with labels, the loss.

        Args:
            input_ids: See `ChatGLMModel.forward`.
            attention_mask: See `ChatGLMModel.forward`.
            position_ids: See `ChatGLMModel.forward`.
            past_key_values: See `ChatGLMModel.forward`.
            inputs_embeds: See `ChatGLMModel.forward`.
            labels: int64 [B, S], -100 for tokens that do not count in the loss. They are shifted
                by one token here.
            use_cache: See `ChatGLMModel.forward`.
            logits_to_keep: Number of tokens, from the end, to compute logits for; 0 for all.
            kwargs: Arguments of the attention implementation.
        """
        outputs = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        logits = self.lm_head(outputs.last_hidden_state[:, -logits_to_keep:])
        return CausalLMOutputWithPast(
            loss=None if labels is None else self._compute_loss(logits, labels, **kwargs),
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _compute_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, **kwargs: Any
    ) -> torch.Tensor:
        loss: torch.Tensor = self.loss_function(
            logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs
        )
        return loss

    def _prepare_position_ids_for_generation(
        self, inputs_tensor: torch.Tensor, model_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        ids = model_kwargs.get("input_ids", inputs_tensor)
        mask = model_kwargs.get("attention_mask")
        if mask is None:
            mask = non_padding_mask(ids, self.config)
        return compute_positions(ids, mask, self.config)

    @staticmethod
    def create_masks_for_generate(
        config: ChatGLMConfig,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor | None,
        past_key_values: Cache | None,
        position_ids: torch.Tensor,
        **_: Any,
    ) -> torch.Tensor | None:
        """Build the attention mask for a static cache, outside the compiled graph."""
        return _mask_without_prefix(
            config, inputs_embeds, attention_mask, past_key_values, position_ids
        )


def build_attention_mask(
    config: ChatGLMConfig,
    hidden: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cache: Cache | None,
    position_ids: torch.Tensor,
) -> torch.Tensor | None:
    """Build the attention mask: bidirectional in the prompt, causal in the answer.

    All tokens attend to the prefix of P-Tuning v2, if the model has one.

    Args:
        config: The configuration.
        hidden: [B, S, hidden_size], the input of the first layer.
        attention_mask: [B, past + S], 0 for padding; None for no padding.
        cache: Cached keys and values of earlier tokens.
        position_ids: int64 [2, B, S], see `positions.compute_positions`.
    """
    mask = _mask_without_prefix(config, hidden, attention_mask, cache, position_ids)
    if mask is None or not config.pre_seq_len:
        return mask
    visible = True if mask.dtype == torch.bool else 0.0
    return nn.functional.pad(mask, (config.pre_seq_len, 0), value=visible)


def _mask_without_prefix(
    config: ChatGLMConfig,
    hidden: torch.Tensor,
    attention_mask: torch.Tensor | None,
    cache: Cache | None,
    position_ids: torch.Tensor,
) -> torch.Tensor | None:
    is_single = hidden.shape[1] == 1
    create_mask: Any = create_causal_mask
    mask: torch.Tensor | None = create_mask(
        config=config,
        inputs_embeds=hidden,
        attention_mask=attention_mask,
        past_key_values=cache,
        block_sequence_ids=None if is_single else position_ids[1].clamp(max=1).neg(),
        allow_is_causal_skip=is_single,
    )
    return mask
