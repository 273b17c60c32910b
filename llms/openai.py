"""OpenAIChat: a chat model behind OpenAI's API, or any server with the same interface."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from memorybank_core.concurrency import in_thread
from memorybank_core.errors import ConfigurationError, MissingDependencyError
from memorybank_core.forked_processes import abandon, call_in_child
from memorybank_core.protocols import Completion
from memorybank_core.text import without_surrogates

from .chat_completion import get_nested, parse_completion, parse_stream
from .endpoint import Endpoint, endpoint_of_client, resolve_base_url, resolve_endpoint
from .server_errors import translate_error, transport_errors
from .truncation import call_with_truncation

_NO_KEY = "no-key-needed"  # the openai package requires a key, a local server does not
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
        if find_spec("openai") is None:
            raise MissingDependencyError.of("openai", "openai")
        if timeout <= 0 or not isinstance(max_retries, int) or max_retries < 0:
            raise ConfigurationError(
                f"timeout must be more than 0 and max_retries a whole number, 0 or more, not "
                f"{timeout!r} and {max_retries!r}"
            )
        self.model = self.name = model
        self._parameters = parameters
        self._lock = threading.Lock()
        self._external_client = _validate_client(client, api_key, base_url)
        self._own_client: Any = None
        call_in_child(self._abandon_client)
        self._base_url = resolve_base_url(base_url)
        self._timeout, self._max_retries = timeout, max_retries
        self._own_endpoint = (
            resolve_endpoint(model, self._base_url, api_key) if client is None else None
        )
        self.context_window = context_window or (_OPENAI_WINDOW if self._is_openai() else None)

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
                return parse_completion(self._create(messages, max_tokens, stop), self._endpoint)

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
        with self._lock:
            client, self._own_client = self._own_client, None
        if client is not None:
            client.close()

    def __enter__(self) -> OpenAIChat:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r}, base_url={self._endpoint.base_url!r})"

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
            yield from parse_stream(chunks, self._endpoint)

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
        create = self._get_client().chat.completions.create
        try:
            inspect.signature(create).bind(**request)
        except TypeError as error:
            raise ConfigurationError(
                f"the openai package does not accept a parameter: {error}. Parameters that only "
                f"{self._endpoint} knows belong in extra_body={{...}}."
            ) from error
        return create(**request)

    def _limit_parameter(self) -> str:
        """Return the parameter that limits an answer; new OpenAI models reject the old name."""
        for name in _LIMITS:
            if name in self._parameters:
                return name
        return "max_completion_tokens" if self._is_openai() else "max_tokens"

    def _is_openai(self) -> bool:
        """Return whether the endpoint is that of OpenAI or of Azure OpenAI."""
        host = urlsplit(self._endpoint.base_url).hostname or ""
        return host.endswith(("openai.com", "openai.azure.com"))

    @property
    def _endpoint(self) -> Endpoint:
        """The endpoint; read from an external client each time, because its key may change."""
        return self._own_endpoint or endpoint_of_client(self.model, self._external_client)

    def _abandon_client(self) -> None:
        """In a forked child: give up the connections that the parent uses."""
        self._lock = threading.Lock()
        if self._own_client is not None:
            abandon(self._own_client)
        self._own_client = None

    def _get_client(self) -> Any:
        """Return the client, created on first use."""
        if self._external_client is not None:
            return self._external_client
        with self._lock:
            if self._own_client is None:
                from openai import OpenAI

                self._own_client = OpenAI(
                    api_key=self._endpoint.key or _NO_KEY,
                    base_url=self._base_url,
                    timeout=self._timeout,
                    max_retries=self._max_retries,
                )
            return self._own_client

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate errors of the openai package and of parsing into MemoryBank's."""
        from openai import OpenAIError

        translated: tuple[type[Exception], ...]
        translated = (OpenAIError, *transport_errors(), TypeError, ValueError)
        try:
            yield
        except translated as error:
            endpoint = self._endpoint
            raise translate_error(error, endpoint) from endpoint.safe_cause(error)


def _copy_messages(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Copy the messages without lone surrogates, which UTF-8 cannot encode."""
    return [{**message, "content": without_surrogates(message["content"])} for message in messages]


def _validate_client(client: Any, api_key: str | None, base_url: str | None) -> Any:
    if client is None:
        return None
    if api_key is not None or base_url is not None:
        raise ConfigurationError("a client has its own key and address: omit api_key and base_url")
    create = get_nested(client, "chat", "completions", "create")
    if not callable(create) or inspect.iscoroutinefunction(inspect.unwrap(create)):
        raise ConfigurationError(
            "client must be a synchronous client with chat.completions.create, such as "
            f"openai.OpenAI, not {type(client).__name__}"
        )
    return client
