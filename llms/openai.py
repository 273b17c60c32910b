"""OpenAIChat: any server that speaks OpenAI's chat completions."""

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
from memorybank_core.protocols import Completion
from memorybank_core.text import without_surrogates

from .chat_completion import completion, part, pieces
from .server_errors import translated, transport_errors
from .servers import Server, base_url_or_default, server_named, server_of_client
from .truncation import Message, shortening

_NO_KEY = "no-key-needed"  # the openai package insists on one, a local server does not
_WINDOW = 128_000  # an older model that reads less says so, and is asked in parts
_LIMITS = ("max_tokens", "max_completion_tokens")


class OpenAIChat:
    """A chat model of OpenAI or of any server with the same interface, as vLLM and Ollama.

    A request that fails for a while (time-outs, broken connections, status 408, 409, 429 and
    5xx) is sent again, after as long as the server asks or ever longer pauses. A conversation
    that is longer than the model reads is sent again without its oldest exchanges; instructions
    at its start and its last message stay. May be used by several threads at once.

    Args:
        model: The model's name at the server.
        api_key: None takes OPENAI_API_KEY from the environment. A server other than OpenAI's
            needs none.
        base_url: The server's address, such as "http://localhost:11434/v1"; None takes
            OPENAI_BASE_URL, or OpenAI itself.
        timeout: Seconds without a byte after which a request is given up.
        max_retries: How often a failed request is sent again.
        context_window: How many tokens the model reads and writes in all. None takes what today's
            models of OpenAI have; of another server's model it means that nobody knows.
        client: A client of the same shape as `openai.OpenAI`, such as `openai.AzureOpenAI`. Its
            own key, address, time-out and retries count, and closing it is up to its owner.
        parameters: Sent with each request: temperature, seed and such. What only this server
            knows goes into extra_body={...}.

    Attributes:
        model: The model's name.
        name: The same; what the model wrote bears it.
        context_window: As given, or as known; or None.

    Raises:
        MissingDependencyError: The package `openai` is not installed.
        ConfigurationError: There is no key for OpenAI, or an argument cannot work.
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
                f"timeout must be more than 0 and max_retries a whole number of 0 or more, not "
                f"{timeout!r} and {max_retries!r}"
            )
        self.model = self.name = model
        self._parameters = parameters
        self._lock = threading.Lock()
        self._given = _checked_client(client, api_key, base_url)
        self._made: Any = None
        self._base_url = base_url_or_default(base_url)
        self._timeout, self._max_retries = timeout, max_retries
        self._named = server_named(model, self._base_url, api_key) if client is None else None
        self.context_window = context_window or (_WINDOW if self._is_openai() else None)

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Completion:
        """The whole answer to `messages`, with the tokens it took where the server says so.

        Raises:
            ContextOverflowError: The instructions and the last message alone are too long.
            AnswerError: The answer is empty, a refusal, or was cut off.
            LLMError: The server could not be reached, failed, or sent what is no answer.
            ConfigurationError: The key, the model or a parameter cannot work.
        """

        def ask(shown: Sequence[Message]) -> Completion:
            with self._translating():
                return completion(self._create(shown, max_tokens, stop), self._server)

        return shortening(_clean(messages), ask)

    acomplete = in_thread(complete)

    def stream(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Generator[str, None, None]:
        """The answer piece by piece. Closing the iterator closes the connection.

        Raises:
            ContextOverflowError: The instructions and the last message alone are too long.
            AnswerError: The answer is empty, a refusal, or was cut off; pieces may have come.
            LLMError: The server could not be reached, failed, or sent what is no answer.
            ConfigurationError: The key, the model or a parameter cannot work.
        """

        def begin(shown: Sequence[Message]) -> tuple[str, Generator[str, None, None]]:
            answer = self._pieces(shown, max_tokens, stop)
            return next(answer), answer

        first, rest = shortening(_clean(messages), begin)
        with closing(rest):
            yield first
            yield from rest

    def close(self) -> None:
        """Closes the connections, unless the client was given; a later call opens new ones."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def __enter__(self) -> OpenAIChat:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r}, base_url={self._server.base_url!r})"

    def _pieces(
        self, messages: Sequence[Message], max_tokens: int | None, stop: Sequence[str] | None
    ) -> Generator[str, None, None]:
        with (
            self._translating(),
            closing(self._create(messages, max_tokens, stop, stream=True)) as chunks,
        ):
            yield from pieces(chunks, self._server)

    def _create(
        self,
        messages: Sequence[Message],
        max_tokens: int | None,
        stop: Sequence[str] | None,
        **how: Any,
    ) -> Any:
        """What the openai package's `create` gives: a chat completion, or a stream of chunks."""
        request = {**self._parameters, "model": self.model, "messages": list(messages), **how}
        if max_tokens is not None:
            request[self._limit()] = max_tokens
        if stop:
            request["stop"] = [stop] if isinstance(stop, str) else list(stop)
        create = self._client().chat.completions.create
        try:
            inspect.signature(create).bind(**request)
        except TypeError as error:
            raise ConfigurationError(
                f"the openai package takes no such parameter: {error}. What only {self._server} "
                "knows goes into extra_body={...}."
            ) from error
        return create(**request)

    def _limit(self) -> str:
        """The parameter that limits an answer: OpenAI's newer models refuse the older name."""
        given = [name for name in _LIMITS if name in self._parameters]
        if given:
            return given[0]
        return "max_completion_tokens" if self._is_openai() else "max_tokens"

    def _is_openai(self) -> bool:
        """Whether OpenAI itself answers, or Azure for it."""
        host = urlsplit(self._server.base_url).hostname or ""
        return host.endswith(("openai.com", "openai.azure.com"))

    @property
    def _server(self) -> Server:
        """Asked of a client anew each time: its key may change."""
        return self._named or server_of_client(self.model, self._given)

    def _client(self) -> Any:
        """The client, made when it is first needed."""
        if self._given is not None:
            return self._given
        with self._lock:
            if self._made is None:
                from openai import OpenAI

                self._made = OpenAI(
                    api_key=self._server.key or _NO_KEY,
                    base_url=self._base_url,
                    timeout=self._timeout,
                    max_retries=self._max_retries,
                )
            return self._made

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Turns the errors of the openai package, and of reading what came, into ours."""
        from openai import OpenAIError

        known: tuple[type[Exception], ...]
        known = (OpenAIError, *transport_errors(), TypeError, ValueError)
        try:
            yield
        except known as error:
            raise translated(error, self._server) from self._server.cause(error)


def _clean(messages: Sequence[Mapping[str, str]]) -> list[Message]:
    """Copies that can be sent: halves of torn emoji fit no UTF-8."""
    return [{**message, "content": without_surrogates(message["content"])} for message in messages]


def _checked_client(client: Any, api_key: str | None, base_url: str | None) -> Any:
    if client is None:
        return None
    if api_key is not None or base_url is not None:
        raise ConfigurationError(
            "a client has its own key and address: leave out api_key, base_url"
        )
    create = part(client, "chat", "completions", "create")
    if not callable(create) or inspect.iscoroutinefunction(inspect.unwrap(create)):
        raise ConfigurationError(
            f"client must have chat.completions.create, as openai.OpenAI has, and not be an async "
            f"one; {type(client).__name__} is none"
        )
    return client
