"""Generation of the answers to a batch of prompts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel, StaticCache, StoppingCriteria, StoppingCriteriaList

from .sampling import Sampling
from .stream_decoder import StreamDecoder

if TYPE_CHECKING:
    from peft import PeftModel

_BLOCK = 512  # the size of a static cache is a multiple of it, to limit the number of compilations


class ReusableCache:
    """Key-value cache of fixed size, reused by later runs.

    With a static cache transformers compiles the decoding step on CUDA, once for each size. On
    other devices, in a beam search and with quantized weights the usual growing cache is used.
    """

    def __init__(self) -> None:
        self._cache: StaticCache | None = None
        self._size = (0, 0)

    def prepare(
        self, model: PreTrainedModel | PeftModel, batch: int, length: int, num_beams: int
    ) -> dict[str, Any]:
        """Return the arguments with which `generate` uses the cache.

        Args:
            model: The model.
            batch: Number of rows.
            length: Maximum number of tokens in each row, including the prompt.
            num_beams: Number of beams.
        """
        can_compile = getattr(model, "_can_compile_fullgraph", False)
        is_static = model.device.type == "cuda" and can_compile
        if not is_static or num_beams > 1 or getattr(model, "is_quantized", False):
            return {}
        size = (batch, -(-length // _BLOCK) * _BLOCK)
        if self._cache is None or self._size[0] != batch or self._size[1] < length:
            self._cache = None  # free its memory before the new one is allocated
            self._cache = StaticCache(config=model.config, max_cache_len=size[1])
            self._size = size
        self._cache.reset()
        return {"past_key_values": self._cache}

    def clear(self) -> None:
        """Free the memory."""
        self._cache = None


class _DecodingCriteria(StoppingCriteria):
    """Passes each new token to its row's decoder, and stops rows whose decoder has ended."""

    def __init__(
        self,
        decoders: Sequence[StreamDecoder],
        on_text: Callable[[int, str], None],
        cancelled: threading.Event,
    ) -> None:
        self._decoders, self._on_text, self._cancelled = decoders, on_text, cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._cancelled.is_set():
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        newest = input_ids[:, -1].tolist()
        for row, (decoder, token) in enumerate(zip(self._decoders, newest, strict=True)):
            if not decoder.ended and (piece := decoder.decode(token)):
                self._on_text(row, piece)
        ended = [decoder.ended for decoder in self._decoders]
        return torch.tensor(ended, device=input_ids.device)


class _CancellationCriteria(StoppingCriteria):
    """Stops a cancelled beam search. Tokens are not decoded: they are final only at its end."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full(
            (len(input_ids),), self._cancelled.is_set(), dtype=torch.bool, device=input_ids.device
        )


def generate(
    model: PreTrainedModel | PeftModel,
    prompts: Sequence[Sequence[int]],
    decoders: Sequence[StreamDecoder],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int],
    sampling: Sampling,
    pad_id: int,
    cancelled: threading.Event,
    cache: ReusableCache,
    on_text: Callable[[int, str], None] = lambda row, piece: None,
) -> None:
    """Generate an answer to each prompt and pass its tokens to the decoder at the same index.

    Args:
        model: In eval mode.
        prompts: Token ids; shorter prompts are padded on the left.
        decoders: Receive the tokens; the caller calls their `finish`.
        max_new_tokens: Maximum number of tokens of each answer.
        stop_ids: Tokens that end an answer.
        sampling: Sampling parameters, including the model's defaults.
        pad_id: Pads the shorter prompts.
        cancelled: If another thread sets it, generation ends after the current token.
        cache: The cache of earlier runs.
        on_text: Called with the index of a prompt and newly released text of its answer.
    """
    ids, mask = _pad(prompts, pad_id, model.device)
    arguments = sampling.arguments()
    num_beams = arguments.get("num_beams") or model.generation_config.num_beams or 1
    criteria = (
        _CancellationCriteria(cancelled)
        if num_beams > 1
        else _DecodingCriteria(decoders, on_text, cancelled)
    )
    run: Any = model.generate
    with _fixed_seed(sampling.seed, model.device):
        output = run(
            ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            eos_token_id=list(stop_ids) or None,
            pad_token_id=pad_id,
            stopping_criteria=StoppingCriteriaList([criteria]),
            **cache.prepare(model, len(ids), ids.shape[1] + max_new_tokens, num_beams),
            **arguments,
        )
    if num_beams > 1:
        _decode_all(output[:, ids.shape[1] :].tolist(), decoders, on_text)


def _decode_all(
    answers: list[list[int]],
    decoders: Sequence[StreamDecoder],
    on_text: Callable[[int, str], None],
) -> None:
    for row, (decoder, tokens) in enumerate(zip(decoders, answers, strict=True)):
        for token in tokens:
            if not decoder.ended and (piece := decoder.decode(token)):
                on_text(row, piece)


def _pad(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, int64 [B, S]."""
    length = max(map(len, prompts))
    ids = [[pad_id] * (length - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@contextmanager
def _fixed_seed(seed: int | None, device: torch.device) -> Iterator[None]:
    """Seed the random number generators inside the block, and restore their state afterwards."""
    if seed is None:
        yield
        return
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices, device_type="cuda"):
        torch.manual_seed(seed)
        yield
