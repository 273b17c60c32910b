"""A model shared by several threads: requests run one after the other."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError, ContextOverflowError, LLMError
from memorybank_core.forked_processes import (
    abandon,
    call_in_child,
    limit_threads,
    set_torch_threads,
)

from .generation_request import (
    GenerationRequest,
    validate_max_tokens,
    validate_messages,
    validate_stop,
)
from .stream_decoder import StreamDecoder
from .truncation import call_with_truncation

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .prompt_formats import PromptFormat
    from .sampling import Sampling

    Model = PreTrainedModel | PeftModel

_POLL_SECONDS = 0.05  # a waiting request checks this often whether it was cancelled


class ModelRunner:
    """Encodes conversations and generates their answers.

    Args:
        model: A transformers model.
        tokenizer: Its tokenizer.
        prompt_format: Encodes conversations.
        name: The model's name in error messages.
        context_window: Tokens of a prompt and its answer.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: PreTrainedTokenizerBase,
        prompt_format: PromptFormat,
        *,
        name: str,
        context_window: int,
    ) -> None:
        from .generation import ReusableCache

        self._model: Model | None = model
        self._tokenizer, self._prompt_format = tokenizer, prompt_format
        self._name, self._context_window = name, context_window
        self._stop_ids = find_stop_ids(model, prompt_format.stop_ids(tokenizer))
        self._cache = ReusableCache()
        self._lock = threading.Lock()
        self._end = "was closed"  # the reason why there is no model
        limit_threads(set_torch_threads)
        call_in_child(self._renew_lock)

    def prepare(
        self, messages: Sequence[Mapping[str, str]], stop: str | Sequence[str] | None
    ) -> GenerationRequest:
        """Return the request for an answer to `messages`.

        Raises:
            ContextOverflowError: If the prompt leaves no room for a token.
            ConfigurationError: If a message or a stop string is invalid.
        """
        prompt = self._prompt_format.encode(self._tokenizer, validate_messages(messages))
        self._require_room(prompt, 1)
        stop_strings = [*validate_stop(stop), *self._prompt_format.stop]
        return GenerationRequest(
            prompt, StreamDecoder(self._tokenizer, self._stop_ids, stop_strings)
        )

    def truncate(
        self, messages: Sequence[Mapping[str, str]], max_tokens: int | None
    ) -> Sequence[dict[str, str]]:
        """Return the newest messages that leave room for an answer.

        The room is `max_tokens`, but at most a quarter of the context window.

        Raises:
            ContextOverflowError: If the instructions and the last message alone are too long.
            ConfigurationError: If a message or `max_tokens` is invalid.
        """
        room = min(validate_max_tokens(max_tokens), self._context_window // 4)

        def require_fit(messages: Sequence[dict[str, str]]) -> Sequence[dict[str, str]]:
            self._require_room(self._prompt_format.encode(self._tokenizer, messages), room)
            return messages

        return call_with_truncation(validate_messages(messages), require_fit)

    def generate(
        self,
        batch: Sequence[GenerationRequest],
        max_tokens: int,
        sampling: Sampling,
        cancelled: threading.Event,
        on_text: Callable[[str], None] = lambda piece: None,
    ) -> None:
        """Generate the answers of a batch, once the model is free.

        Args:
            batch: The requests, whose decoders receive the answers.
            max_tokens: Maximum number of tokens of each answer.
            sampling: Sampling parameters.
            cancelled: If another thread sets it, generation ends after the current token.
            on_text: Called with each released piece of text.

        Raises:
            LLMError: If the model failed, or was closed.
        """
        from .generation import generate

        room = self._context_window - max(len(request.prompt) for request in batch)
        with self._acquire(cancelled) as acquired, self._translate_errors():
            if not acquired:
                return
            generate(
                self._require_open(),
                [request.prompt for request in batch],
                [request.decoder for request in batch],
                max_new_tokens=min(max_tokens, room),
                stop_ids=self._stop_ids,
                sampling=sampling,
                pad_id=self._tokenizer.pad_token_id or 0,
                cancelled=cancelled,
                cache=self._cache,
                on_text=lambda row, piece: on_text(piece),
            )
        for request in batch:
            if rest := request.decoder.finish():
                on_text(rest)

    def update_model(self, update: Callable[[Model], Model]) -> None:
        """Replace the model with `update(model)`, once it is free.

        Raises:
            LLMError: If the model was closed.
        """
        with self._lock:
            self._model = update(self._require_open())

    def close(self) -> None:
        """Free the memory, once the current answer is complete."""
        with self._lock:
            model, self._model = self._model, None
            self._cache.clear()
            device = model.device.type if model is not None else "cpu"
            del model
            gc.collect()
            if device == "cuda":
                import torch

                torch.cuda.empty_cache()

    def _renew_lock(self) -> None:
        """In a forked child: give up the model if a thread of the parent was using it."""
        if self._lock.locked():
            abandon((self._model, self._cache))
            self._model, self._lock = None, threading.Lock()
            self._end = "was in use when this process was forked"

    @contextmanager
    def _acquire(self, cancelled: threading.Event) -> Iterator[bool]:
        """Wait until the model is free, and yield False if the request was cancelled meanwhile."""
        while not (acquired := self._lock.acquire(timeout=_POLL_SECONDS)):
            if cancelled.is_set():
                break
        try:
            yield acquired and not cancelled.is_set()
        finally:
            if acquired:
                self._lock.release()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        import torch

        try:
            yield
        except torch.OutOfMemoryError as error:
            raise LLMError(
                f"{self._name} ran out of memory: {error}. Send shorter prompts, use a smaller "
                'batch_size, or load the model with quantization="8bit" or "4bit".'
            ) from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise LLMError(f"{self._name} failed: {type(error).__name__}: {error}") from error

    def _require_open(self) -> Model:
        if self._model is None:
            raise LLMError(f"{self._name} {self._end}. Load it again.")
        return self._model

    def _require_room(self, prompt: Sequence[int], room: int) -> None:
        """Raise ContextOverflowError unless `room` tokens fit after the prompt."""
        excess = len(prompt) + room - self._context_window
        if excess > 0:
            raise ContextOverflowError(
                f"the prompt has {len(prompt)} tokens and the answer needs {room}, but the context "
                f"window of {self._name} is {self._context_window}: {excess} too many. Shorten the "
                "prompt."
            )


def find_stop_ids(model: Model, format_ids: Sequence[int]) -> list[int]:
    """Return the ids that end an answer: those of the prompt format and of the model."""
    ids = model.generation_config.eos_token_id
    model_ids = ids if isinstance(ids, list) else [ids] if isinstance(ids, int) else []
    return list(dict.fromkeys([*format_ids, *model_ids]))


def find_context_window(model: Model) -> int:
    """Return the context window of a model's configuration, in tokens.

    Raises:
        ConfigurationError: If the configuration does not contain it.
    """
    names = ("max_position_embeddings", "max_sequence_length", "seq_length", "n_positions")
    for name in names:
        if isinstance(window := getattr(model.config, name, None), int):
            return window
    raise ConfigurationError(
        f"the configuration of {type(model).__name__} does not contain the context window; pass "
        "context_window="
    )
