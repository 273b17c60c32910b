"""LocalModel: any causal language model on this machine, as a chat model."""

from __future__ import annotations

import gc
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from memorybank_core.concurrency import in_thread
from memorybank_core.errors import ConfigurationError, ContextOverflowError, LLMError
from memorybank_core.llm.completion import require_complete
from memorybank_core.protocols import Completion

from .generation_request import Answer, Request, batches, clean, limit, stops
from .sampling import Sampling
from .stream_decoder import Writer
from .truncation import Message, shortening

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .prompt_formats import PromptFormat

_LOOK = 0.05  # seconds after which a request that waits looks whether it was cancelled


class LocalModel:
    """A causal language model and its tokenizer, as a chat model of MemoryBank's.

    Several threads may use it at once: their requests wait for each other. `load` makes one out
    of a folder.

    Args:
        model: A transformers model, as `load_model` gives it.
        tokenizer: Its tokenizer, as `load_tokenizer` gives it.
        frame: How a conversation becomes a prompt: a name of `frames.FRAMES`, a frame, or None for
            the model's own.
        name: What the digests that it wrote shall bear; None takes the model's own name.
        sampling: How it chooses tokens where a request does not say; None for its own way.
        context_window: How many tokens it reads and writes in all; None asks its configuration.
        batch_size: How many conversations `answers` runs at once.

    Attributes:
        name: As given.
        context_window: As given, or as known.

    Raises:
        ConfigurationError: There is no such frame, or nobody knows the context window.
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
        from .generation import FixedCache
        from .prompt_formats import find_prompt_format, get_prompt_format

        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be 1 or more, not {batch_size!r}")
        self.tokenizer = tokenizer
        self.name = name or PurePath(model.config.name_or_path or "").name or type(model).__name__
        if isinstance(frame, str):
            frame = get_prompt_format(frame)
        self.prompt_format = frame or find_prompt_format(tokenizer, model.config)
        self.context_window = context_window or window_of(model)
        self._model: PreTrainedModel | PeftModel | None = model
        self._ends = ends_of(model, self.prompt_format.stop_ids(tokenizer))
        self._sampling = sampling or Sampling()
        self._batch_size = batch_size
        self._cache = FixedCache()
        self._lock = threading.Lock()

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
        """The model in a folder, or of a name on the hub, with its tokenizer and an adapter.

        Args:
            folder_or_name: What `load_model` takes.
            adapter: A folder with a LoRA adapter, as `load_adapter` takes it.
            merge: Whether the adapter becomes part of the weights, which is faster, or stays
                apart and can be switched; None merges unless the weights are quantized.
            dtype: See `load_model`, as for the next four.
            device: See there.
            quantization: See there.
            attn_implementation: See there.
            converted: See there.
            progress: Whether to show how far loading has come.
            options: The keywords of `LocalModel`.

        Raises:
            ConfigurationError: The model, the tokenizer or the adapter cannot be used; says why.
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
        options.setdefault("name", PurePath(fspath(folder_or_name)).name)
        family = find_model_family(folder_or_name)
        options.setdefault("sampling", family and family.sampling)
        if adapter is not None:
            options["name"] += f"+{PurePath(fspath(adapter)).name}"
            adapted = load_adapter(model, adapter)
            merges = merge if merge is not None else quantization is None
            model = merge_adapter(adapted) if merges else adapted
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
        """One answer, however it ended.

        Args:
            messages: Pairs of "role" (system, user, assistant) and "content".
            max_tokens: Where the answer ends at the latest; None for 1,024. It never goes beyond
                the context window.
            stop: Strings that end the answer and are no part of it.
            cancelled: Set by another thread, it ends the answer after the token at hand.
            sampling: The fields of `Sampling`.

        Raises:
            ContextOverflowError: The messages are longer than the model reads.
            ConfigurationError: A message or an argument cannot be used.
            LLMError: The model failed, or was closed.
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
        """An answer to each, `batch_size` at once; arguments and errors are those of `answer`."""
        requests = [self._request(messages, stop) for messages in conversations]
        how = Sampling(**sampling).over(self._sampling)
        cancelled, wanted = cancelled or threading.Event(), limit(max_tokens)
        window = self.context_window
        for batch in batches(requests, self._batch_size, wanted=wanted, window=window):
            self._run(batch, wanted, how, cancelled)
        return [request.answer(cancelled) for request in requests]

    def write(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        **sampling: Any,
    ) -> Generator[str, None, Answer]:
        """One answer piece by piece; the generator's return value is the whole.

        Closing the generator ends the writing after the token at hand. Arguments and errors are
        those of `answer`.
        """
        request = self._request(messages, stop)
        how = Sampling(**sampling).over(self._sampling)
        cancelled, wanted = cancelled or threading.Event(), limit(max_tokens)
        pieces: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                self._run([request], wanted, how, cancelled, pieces.put)
                pieces.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                pieces.put(error)

        thread = threading.Thread(target=work, name=f"{self.name} writes", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        except BaseException:  # GeneratorExit, too: nobody wants the rest
            cancelled.set()
            raise
        finally:
            thread.join()
        return request.answer(cancelled)

    def complete(
        self,
        /,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        **sampling: Any,
    ) -> Completion:
        """The whole answer to `messages`, with the tokens it took.

        A conversation that leaves no room for an answer, of `max_tokens` or at least a quarter of
        the context window, loses its oldest exchanges; instructions at its start and its last
        message stay.

        Raises:
            ContextOverflowError: The instructions and the last message alone are too long.
            AnswerError: The answer is empty, or was cut off.
            ConfigurationError: A message or an argument cannot be used.
            LLMError: The model failed, or was closed.
        """

        def ask(shown: Sequence[Message]) -> Completion:
            return self._require_complete(
                self.answer(shown, max_tokens=max_tokens, stop=stop, **sampling)
            )

        return ask(self._fitting(messages, max_tokens))

    acomplete = in_thread(complete)

    def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        **sampling: Any,
    ) -> Generator[str, None, None]:
        """The answer piece by piece; closing the iterator ends the writing. Errors of `complete`.

        Pieces may have come when an answer turns out to be cut off.
        """
        fitting = self._fitting(messages, max_tokens)
        answer = yield from self.write(fitting, max_tokens=max_tokens, stop=stop, **sampling)
        self._require_complete(answer)

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes, without any that frame a prompt."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def load_adapter(self, folder: str | PathLike[str], *, name: str) -> None:
        """Adds a LoRA adapter that is kept apart, and uses it.

        Raises:
            ConfigurationError: It does not fit the model, or cannot be read.
        """
        from .adapters import load_adapter

        with self._lock:
            self._model = load_adapter(self._open_model(), folder, name=name)

    def use_adapter(self, name: str | None) -> None:
        """Answers with the adapter of that name from now on; None with the model alone.

        Raises:
            ConfigurationError: No adapter of that name is kept apart.
        """
        from .adapters import use_adapter

        with self._lock:
            model: Any = self._open_model()
            if not hasattr(model, "peft_config"):
                raise ConfigurationError(f"{self.name} has no adapter that is kept apart")
            use_adapter(model, name)

    def close(self) -> None:
        """Gives the memory back, once the answer at hand is written; nothing is answered after."""
        with self._lock:
            model, self._model = self._model, None
            self._cache.clear()
            device = model.device.type if model is not None else "cpu"
            del model
            gc.collect()
            if device == "cuda":
                import torch

                torch.cuda.empty_cache()

    def __enter__(self) -> LocalModel:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalModel({self.name!r})"

    def _run(
        self,
        batch: Sequence[Request],
        wanted: int,
        sampling: Sampling,
        cancelled: threading.Event,
        show: Callable[[str], None] = lambda piece: None,
    ) -> None:
        from .generation import run

        room = self.context_window - max(len(request.prompt) for request in batch)
        with self._turn(cancelled) as mine, self._translating():
            if not mine:
                return
            run(
                self._open_model(),
                [request.prompt for request in batch],
                [request.writer for request in batch],
                max_new_tokens=min(wanted, room),
                stop_ids=self._ends,
                sampling=sampling,
                pad_id=self.tokenizer.pad_token_id or 0,
                cancelled=cancelled,
                cache=self._cache,
                show=lambda row, piece: show(piece),
            )
        for request in batch:
            if last := request.writer.finish():
                show(last)

    @contextmanager
    def _turn(self, cancelled: threading.Event) -> Iterator[bool]:
        """Waits until the model is free; False where the request was cancelled before."""
        while not (held := self._lock.acquire(timeout=_LOOK)) and not cancelled.is_set():
            pass
        try:
            yield held and not cancelled.is_set()
        finally:
            if held:
                self._lock.release()

    def _request(
        self, messages: Sequence[Mapping[str, str]], stop: str | Sequence[str] | None
    ) -> Request:
        prompt = self.prompt_format.encode(self.tokenizer, clean(messages))
        self._require_room(prompt, 1)
        own = [*stops(stop), *self.prompt_format.stop]
        return Request(prompt, Writer(self.tokenizer, self._ends, own))

    def _fitting(
        self, messages: Sequence[Mapping[str, str]], max_tokens: int | None
    ) -> Sequence[Message]:
        """As many of the newest messages as leave room for an answer."""
        wanted = min(limit(max_tokens), self.context_window // 4)

        def fitting(shown: Sequence[Message]) -> Sequence[Message]:
            self._require_room(self.prompt_format.encode(self.tokenizer, shown), wanted)
            return shown

        return shortening(clean(messages), fitting)

    def _require_room(self, prompt: Sequence[int], wanted: int) -> None:
        """Raises ContextOverflowError where `wanted` tokens do not fit behind the prompt."""
        over = len(prompt) + wanted - self.context_window
        if over > 0:
            raise ContextOverflowError(
                f"the prompt has {len(prompt)} tokens, {self.name} reads and writes "
                f"{self.context_window} in all: {over} too many, to write {wanted}. Send less."
            )

    def _open_model(self) -> PreTrainedModel | PeftModel:
        if self._model is None:
            raise LLMError(f"{self.name} was closed. Load it again.")
        return self._model

    @contextmanager
    def _translating(self) -> Iterator[None]:
        import torch

        try:
            yield
        except torch.OutOfMemoryError as error:
            raise LLMError(
                f"{self.name} ran out of memory: {error}. Send less, take a smaller batch_size, or "
                'load it with quantization="8bit" or "4bit".'
            ) from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise LLMError(f"{self.name} failed: {type(error).__name__}: {error}") from error

    def _require_complete(self, answer: Answer) -> Completion:
        return require_complete(
            answer.text,
            source=self.name,
            finish_reason=answer.ending,
            tokens=answer.prompt_tokens + answer.tokens,
        )


def ends_of(model: PreTrainedModel | PeftModel, frame: Sequence[int]) -> list[int]:
    """The ids that end an answer: those of the frame, and those that the model itself names."""
    own = model.generation_config.eos_token_id
    named = own if isinstance(own, list) else [own] if isinstance(own, int) else []
    return list(dict.fromkeys([*frame, *named]))


def window_of(model: PreTrainedModel | PeftModel) -> int:
    """How many tokens a model reads and writes in all, as its configuration says.

    Raises:
        ConfigurationError: It does not say.
    """
    names = ("max_position_embeddings", "max_sequence_length", "seq_length", "n_positions")
    for name in names:
        if isinstance(window := getattr(model.config, name, None), int):
            return window
    raise ConfigurationError(
        f"the configuration of {type(model).__name__} does not say how much it reads; pass "
        "context_window="
    )
