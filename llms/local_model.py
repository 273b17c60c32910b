"""LocalModel: any causal language model on this machine, as a chat model."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from memorybank_core.concurrency import in_thread
from memorybank_core.errors import ConfigurationError
from memorybank_core.protocols import Completion

from .generation_request import Answer, group_requests, require_complete_answer, validate_max_tokens
from .model_runner import ModelRunner, find_context_window
from .sampling import Sampling
from .stream_thread import iterate_in_thread

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .prompt_formats import PromptFormat


class LocalModel:
    """A causal language model and its tokenizer, as a chat model.

    Thread-safe: requests from several threads run one after the other. `load` creates an instance
    from a folder.

    Args:
        model: A transformers model, as `load_model` returns it.
        tokenizer: Its tokenizer, as `load_tokenizer` returns it.
        frame: The prompt format: a name in `prompt_formats.PROMPT_FORMATS`, an object, or None for
            the model's own.
        name: Name recorded as the author of digests; None for the model's own name.
        sampling: Default sampling parameters; None for those of the model.
        context_window: Tokens of a prompt and its answer; None reads it from the configuration.
        batch_size: Number of conversations that `answers` runs at once.

    Attributes:
        tokenizer: The tokenizer.
        prompt_format: The prompt format.
        name: Name recorded as the author of digests.
        context_window: Tokens of a prompt and its answer.

    Raises:
        ConfigurationError: If the prompt format or the context window is unknown.
    """

    def __init__(
        self,
        model: PreTrainedModel | PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        frame: PromptFormat | str | None = None,
        name: str | None = None,
        sampling: Sampling | None = None,
        context_window: int | None = None,
        batch_size: int = 8,
    ) -> None:
        from .prompt_formats import find_prompt_format, get_prompt_format

        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be 1 or more, not {batch_size!r}")
        if isinstance(frame, str):
            frame = get_prompt_format(frame)
        self.tokenizer = tokenizer
        self.prompt_format = frame or find_prompt_format(tokenizer, model.config)
        self.name = name or PurePath(model.config.name_or_path or "").name or type(model).__name__
        self.context_window = context_window or find_context_window(model)
        self._runner = ModelRunner(
            model,
            tokenizer,
            self.prompt_format,
            name=self.name,
            context_window=self.context_window,
        )
        self._sampling = sampling or Sampling()
        self._batch_size = batch_size

    @classmethod
    def load(
        cls,
        folder_or_name: str | PathLike[str],
        *,
        adapter: str | PathLike[str] | None = None,
        merge: bool | None = None,
        dtype: Any = None,
        device: Any = None,
        quantization: str | None = None,
        attn_implementation: str | None = None,
        converted: str | PathLike[str] | None = None,
        progress: bool = True,
        **options: Any,
    ) -> LocalModel:
        """Load a model with its tokenizer and, optionally, an adapter.

        Args:
            folder_or_name: As for `load_model`.
            adapter: A folder with a LoRA adapter, as for `load_adapter`.
            merge: Whether to merge the adapter into the weights, which is faster; a separate one
                can be switched off. None merges unless the weights are quantized.
            dtype: See `load_model`.
            device: See `load_model`.
            quantization: See `load_model`.
            attn_implementation: See `load_model`.
            converted: See `load_model`.
            progress: Whether to show progress.
            options: Keywords of `LocalModel`.

        Raises:
            ConfigurationError: If the model, the tokenizer or the adapter cannot be used.
        """
        from .adapters import load_adapter, merge_adapter
        from .loading import load_model
        from .loading.gguf_cache import cache_gguf_reads
        from .loading.model_files import find_model_family
        from .tokenization import load_tokenizer

        with cache_gguf_reads():
            tokenizer = load_tokenizer(folder_or_name)
            model: PreTrainedModel | PeftModel = load_model(
                folder_or_name,
                dtype=dtype,
                device=device,
                quantization=quantization,
                attn_implementation=attn_implementation,
                converted=converted,
                progress=progress,
            )
        family = find_model_family(folder_or_name)
        options.setdefault("name", PurePath(fspath(folder_or_name)).name)
        options.setdefault("sampling", family and family.sampling)
        if adapter is not None:
            options["name"] += f"+{PurePath(fspath(adapter)).name}"
            adapted = load_adapter(model, adapter)
            should_merge = merge if merge is not None else quantization is None
            model = merge_adapter(adapted) if should_merge else adapted
        return cls(model, tokenizer, **options)

    def answer(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        **sampling: Any,
    ) -> Answer:
        """Return the answer to `messages`, even if it was cut off.

        Args:
            messages: Dictionaries with "role" (system, user or assistant) and "content".
            max_tokens: Maximum number of tokens of the answer; None for 1,024, if they fit.
            stop: Strings that end the answer and do not belong to it.
            cancelled: If another thread sets it, generation ends after the current token.
            sampling: Fields of `Sampling`.

        Raises:
            ContextOverflowError: If the messages exceed the context window.
            ConfigurationError: If a message or an argument is invalid.
            LLMError: If the model failed, or was closed.
        """
        return self.answers(
            [messages], max_tokens=max_tokens, stop=stop, cancelled=cancelled, **sampling
        )[0]

    def answers(
        self,
        conversations: Sequence[Sequence[Mapping[str, str]]],
        *,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        **sampling: Any,
    ) -> list[Answer]:
        """Return an answer to each conversation, generated `batch_size` at a time.

        Other arguments and errors: as for `answer`.
        """
        requests = [self._runner.prepare(messages, stop) for messages in conversations]
        parameters = Sampling(**sampling).over(self._sampling)
        limit = validate_max_tokens(max_tokens)
        cancelled = cancelled or threading.Event()
        for batch in group_requests(
            requests, self._batch_size, max_tokens=limit, context_window=self.context_window
        ):
            self._runner.generate(batch, limit, parameters, cancelled)
        return [request.make_answer(cancelled) for request in requests]

    def write(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        **sampling: Any,
    ) -> Generator[str, None, Answer]:
        """Yield the answer piece by piece; the generator's return value is the whole `Answer`.

        Closing it ends generation after the current token. Arguments and errors: as for `answer`.
        """
        request = self._runner.prepare(messages, stop)
        parameters = Sampling(**sampling).over(self._sampling)
        limit = validate_max_tokens(max_tokens)
        cancelled = cancelled or threading.Event()
        produce = partial(self._runner.generate, [request], limit, parameters, cancelled)
        yield from iterate_in_thread(produce, cancelled, name=f"{self.name} generation")
        return request.make_answer(cancelled)

    def complete(
        self,
        /,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        **sampling: Any,
    ) -> Completion:
        """Return the complete answer to `messages`, with its number of tokens.

        Arguments: as for `answer`. If the conversation leaves less room than `max_tokens`, but at
        most a quarter of the context window, its oldest exchanges are dropped; instructions at its
        start and its last message are kept.

        Raises:
            ContextOverflowError: If the instructions and the last message alone are too long.
            AnswerError: If the answer is empty, or was cut off.
            ConfigurationError: If a message or an argument is invalid.
            LLMError: If the model failed, or was closed.
        """
        messages = self._runner.truncate(messages, max_tokens)
        answer = self.answer(messages, max_tokens=max_tokens, stop=stop, **sampling)
        return require_complete_answer(answer, self.name)

    acomplete = in_thread(complete)

    def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        **sampling: Any,
    ) -> Generator[str, None, None]:
        """Yield the answer piece by piece; closing the iterator ends generation.

        Arguments and errors: as for `complete`; pieces may precede the error of a cut-off answer.
        """
        messages = self._runner.truncate(messages, max_tokens)
        answer = yield from self.write(messages, max_tokens=max_tokens, stop=stop, **sampling)
        require_complete_answer(answer, self.name)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text`, without those of a prompt format."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def load_adapter(self, folder: str | PathLike[str], *, name: str) -> None:
        """Load a LoRA adapter from a folder, use it, and keep it separate from the weights.

        Raises:
            ConfigurationError: If it does not fit the model, or cannot be read.
        """
        from .adapters import load_adapter

        self._runner.update_model(lambda model: load_adapter(model, folder, name=name))

    def use_adapter(self, name: str | None) -> None:
        """Use a loaded adapter for later answers; None for the model without an adapter.

        Raises:
            ConfigurationError: If no separate adapter of that name is loaded.
        """
        from .adapters import use_adapter

        def switch(model: Any) -> Any:
            if not hasattr(model, "peft_config"):
                raise ConfigurationError(f"{self.name} has no adapter separate from its weights")
            use_adapter(model, name)
            return model

        self._runner.update_model(switch)

    def close(self) -> None:
        """Free the memory, once the current answer is complete; later calls raise LLMError."""
        self._runner.close()

    def __enter__(self) -> LocalModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalModel({self.name!r})"
