"""One run of a model over a batch of prompts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel, StaticCache, StoppingCriteria, StoppingCriteriaList

from .sampling import Sampling
from .stream_decoder import Writer

if TYPE_CHECKING:
    from peft import PeftModel

_BLOCK = 512  # a cache of fixed size has a multiple of so many places, so that few are compiled


class FixedCache:
    """Keys and values in a place of fixed size, kept from one run to the next.

    With it transformers compiles the step of a token, on CUDA, once for each size. Elsewhere, in
    a beam search and with quantized weights the cache grows as it is needed.
    """

    def __init__(self) -> None:
        self._cache: StaticCache | None = None
        self._size = (0, 0)

    def arguments(
        self, model: PreTrainedModel | PeftModel, batch: int, length: int, num_beams: int
    ) -> dict[str, Any]:
        """What `generate` needs to know of it, for `length` tokens in all."""
        compiled = model.device.type == "cuda" and getattr(model, "_can_compile_fullgraph", False)
        if not compiled or num_beams > 1 or getattr(model, "is_quantized", False):
            return {}
        size = (batch, -(-length // _BLOCK) * _BLOCK)
        if self._cache is None or self._size[0] != batch or self._size[1] < length:
            self._cache = None  # its memory may be needed for the new one
            self._cache = StaticCache(config=model.config, max_cache_len=size[1])
            self._size = size
        self._cache.reset()
        return {"past_key_values": self._cache}

    def clear(self) -> None:
        """Gives its memory back."""
        self._cache = None


class _Watch(StoppingCriteria):
    """Hands each new token to its answer's writer, and ends what has ended."""

    def __init__(
        self,
        writers: Sequence[Writer],
        show: Callable[[int, str], None],
        cancelled: threading.Event,
    ) -> None:
        self._writers, self._show, self._cancelled = writers, show, cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if self._cancelled.is_set():
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        newest = input_ids[:, -1].tolist()
        for row, (writer, token) in enumerate(zip(self._writers, newest, strict=True)):
            if not writer.ended and (piece := writer.write(token)):
                self._show(row, piece)
        ended = [writer.ended for writer in self._writers]
        return torch.tensor(ended, device=input_ids.device)


def run(
    model: PreTrainedModel | PeftModel,
    prompts: Sequence[Sequence[int]],
    writers: Sequence[Writer],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int],
    sampling: Sampling,
    pad_id: int,
    cancelled: threading.Event,
    cache: FixedCache,
    show: Callable[[int, str], None] = lambda row, piece: None,
) -> None:
    """Lets `writers` write the answers to `prompts`, one each.

    Args:
        model: In eval mode.
        prompts: Token ids; shorter ones are padded on the left.
        writers: Take the tokens; what they hold back is for the caller to ask for.
        max_new_tokens: Where each answer ends at the latest.
        stop_ids: Tokens that end an answer.
        sampling: With the model's defaults in it already.
        pad_id: Fills the shorter prompts.
        cancelled: Set by another thread, it ends the run after the token at hand.
        cache: The one of earlier runs.
        show: Called with a row and its newest certain text.
    """
    ids, mask = _padded(prompts, pad_id, model.device)
    arguments = sampling.arguments()
    num_beams = arguments.get("num_beams") or model.generation_config.num_beams or 1
    watch = _Cancel(cancelled) if num_beams > 1 else _Watch(writers, show, cancelled)
    generate: Any = model.generate
    with _seeded(sampling.seed, model.device):
        whole = generate(
            ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            eos_token_id=list(stop_ids) or None,
            pad_token_id=pad_id,
            stopping_criteria=StoppingCriteriaList([watch]),
            **cache.arguments(model, len(ids), ids.shape[1] + max_new_tokens, num_beams),
            **arguments,
        )
    if num_beams > 1:
        _write_whole(whole[:, ids.shape[1] :].tolist(), writers, show)


class _Cancel(StoppingCriteria):
    """Ends a beam search, of which no token is certain before its end."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full(
            (len(input_ids),), self._cancelled.is_set(), dtype=torch.bool, device=input_ids.device
        )


def _write_whole(
    answers: list[list[int]], writers: Sequence[Writer], show: Callable[[int, str], None]
) -> None:
    for row, (writer, tokens) in enumerate(zip(writers, answers, strict=True)):
        for token in tokens:
            if not writer.ended and (piece := writer.write(token)):
                show(row, piece)


def _padded(
    prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, int64 [B, S]."""
    length = max(map(len, prompts))
    ids = [[pad_id] * (length - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Within it random numbers follow from the seed; after it those of before go on."""
    if seed is None:
        yield
        return
    others = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(others, device_type="cuda"):
        torch.manual_seed(seed)
        yield
