"""OpenAIChat: a chat model behind OpenAI's API, or any server with the same interface."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from memorybank_core.concurrency import in_thread
from memorybank_core.protocols import Completion
from memorybank_core.text import without_surrogates

from .chat_completion import parse_completion, parse_stream
from .connection import Connection
from .server_errors import request_errors, translate_error
from .truncation import call_with_truncation

_OPENAI_WINDOW = 128_000  # older models have less and report an overflow; digests are then split
_LIMITS = ("max_tokens", "max_completion_tokens")


class OpenAIChat:
    """A chat model of OpenAI or of a server with the same interface, such as vLLM or Ollama.

    A request that fails temporarily (time-outs, broken connections, status 408, 409, 429 and 5xx)
    is retried, after the delay that the server requests or with exponential backoff. A
    conversation that exceeds the context window is sent again without its oldest exchanges;
    instructions at its start and its last message are kept. Thread-safe.

    Args:
        model: The model's name at the server.
        api_key: None for OPENAI_API_KEY in the environment. Servers other than OpenAI's may not
            need a key.
        base_url: The server's address, such as "http://localhost:11434/v1"; None for
            OPENAI_BASE_URL in the environment, or OpenAI.
        timeout: Seconds without data after which a request fails.
        max_retries: Number of times that a failed request is sent again.
        context_window: Tokens of a prompt and its answer. None for 128,000 with models of OpenAI,
            and for an unknown number with those of other servers.
        client: A client with the interface of `openai.OpenAI`, such as `openai.AzureOpenAI`. It
            has its own key, address, time-out and retries, and its owner closes it.
        parameters: Sent with each request: temperature, seed and others. Parameters that only
            this server knows belong in extra_body={...}.

    Attributes:
        model: The model's name.
        name: The model's name, recorded as the author of digests.
        context_window: Tokens of a prompt and its answer; None if unknown.

    Raises:
        MissingDependencyError: If the package `openai` is not installed.
        ConfigurationError: If the endpoint is OpenAI's and there is no key, or an argument is
            invalid.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 4,
        context_window: int | None = None,
        client: Any = None,
        **parameters: Any,
    ) -> None:
        self.model = self.name = model
        self._parameters = parameters
        self._connection = Connection(
            model,
            method="chat.completions.create",
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            client=client,
        )
        is_openai = self._connection.is_openai
        self.context_window = context_window or (_OPENAI_WINDOW if is_openai else None)

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Completion:
        """Return the complete answer to `messages`, with its number of tokens if reported.

        Args:
            messages: Dictionaries with "role" (system, user or assistant) and "content".
            max_tokens: Maximum number of tokens of the answer; None for the server's default.
            stop: Strings that end the answer and do not belong to it.

        Raises:
            ContextOverflowError: If the instructions and the last message alone are too long.
            AnswerError: If the answer is empty, a refusal, or was cut off.
            LLMError: If the server could not be reached, failed, or sent an invalid answer.
            ConfigurationError: If the key, the model or a parameter is invalid.
        """

        def send(messages: Sequence[dict[str, str]]) -> Completion:
            with self._translate_errors():
                response = self._create(messages, max_tokens, stop)
                return parse_completion(response, self._connection.endpoint)

        return call_with_truncation(_copy_messages(messages), send)

    acomplete = in_thread(complete)

    def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Generator[str, None, None]:
        """Yield the answer piece by piece. Closing the iterator closes the connection.

        Arguments: as for `complete`.

        Raises:
            ContextOverflowError: If the instructions and the last message alone are too long.
            AnswerError: If the answer is empty, a refusal, or was cut off, possibly after some
                pieces.
            LLMError: If the server could not be reached, failed, or sent an invalid answer.
            ConfigurationError: If the key, the model or a parameter is invalid.
        """

        def start(messages: Sequence[dict[str, str]]) -> tuple[str, Generator[str, None, None]]:
            pieces = self._stream_pieces(messages, max_tokens, stop)
            return next(pieces), pieces

        first, rest = call_with_truncation(_copy_messages(messages), start)
        with closing(rest):
            yield first
            yield from rest

    def close(self) -> None:
        """Close the connections, but not those of an external client; a later call reconnects."""
        self._connection.close()

    def __enter__(self) -> OpenAIChat:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r}, base_url={self._connection.endpoint.base_url!r})"

    def _stream_pieces(
        self,
        messages: Sequence[dict[str, str]],
        max_tokens: int | None,
        stop: Sequence[str] | None,
    ) -> Generator[str, None, None]:
        with (
            self._translate_errors(),
            closing(self._create(messages, max_tokens, stop, stream=True)) as chunks,
        ):
            yield from parse_stream(chunks, self._connection.endpoint)

    def _create(
        self,
        messages: Sequence[dict[str, str]],
        max_tokens: int | None,
        stop: Sequence[str] | None,
        **options: Any,
    ) -> Any:
        """Return the chat completion, or the stream of chunks, of the openai package."""
        request = {**self._parameters, "model": self.model, "messages": list(messages), **options}
        if max_tokens is not None:
            request[self._limit_parameter()] = max_tokens
        if stop:
            request["stop"] = [stop] if isinstance(stop, str) else list(stop)
        return self._connection.call(**request)

    def _limit_parameter(self) -> str:
        """Return the parameter that limits an answer; new OpenAI models reject the old name."""
        for name in _LIMITS:
            if name in self._parameters:
                return name
        return "max_completion_tokens" if self._connection.is_openai else "max_tokens"

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors of the openai package and of parsing into MemoryBank's."""
        try:
            yield
        except request_errors() as error:
            endpoint = self._connection.endpoint
            raise translate_error(error, endpoint) from endpoint.safe_cause(error)


def _copy_messages(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Copy the messages without lone surrogates, which UTF-8 cannot encode."""
    return [{**message, "content": without_surrogates(message["content"])} for message in messages]
