"""Connection to a server with OpenAI's interface, through the openai package."""

from __future__ import annotations

import inspect
import math
import threading
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from memorybank_core.concurrency import limit_wait
from memorybank_core.errors import ConfigurationError, MissingDependencyError
from memorybank_core.forked_processes import abandon, call_in_child

from .chat_completion import get_nested
from .endpoint import Endpoint, endpoint_of_client, resolve_base_url, resolve_endpoint

NO_KEY = "no-key-needed"  # the openai package requires a key, a local server does not
_SHORT_ANSWER = 10.0  # seconds in which a request of a chat turn must be answered


class Connection:
    """Connection to one model of a server; its client is created when it is first used.

    Thread-safe. A forked child makes a connection of its own.

    Args:
        model: The model's name at the server.
        method: The method of the client that is called, such as "chat.completions.create".
        api_key: None for OPENAI_API_KEY in the environment.
        base_url: The server's address; None for OPENAI_BASE_URL in the environment, or OpenAI.
        timeout: Seconds without data after which a request fails.
        max_retries: Number of times that a failed request is sent again.
        client: A client of the application, which keeps its own settings and is not closed.

    Raises:
        MissingDependencyError: If the package `openai` is not installed.
        ConfigurationError: If the endpoint is OpenAI's and there is no key, or an argument is
            not valid.
    """

    def __init__(
        self,
        model: str,
        *,
        method: str,
        api_key: str | None,
        base_url: str | None,
        timeout: float,
        max_retries: int,
        client: Any,
    ) -> None:
        if find_spec("openai") is None:
            raise MissingDependencyError.of("openai", "openai")
        if timeout <= 0 or not isinstance(max_retries, int) or max_retries < 0:
            raise ConfigurationError(
                f"timeout must be more than 0 and max_retries a whole number, 0 or more, not "
                f"{timeout!r} and {max_retries!r}"
            )
        self._model, self._method = model, method
        self._lock = threading.Lock()
        self._external_client = self._require_client(client, api_key, base_url)
        self._own_client: Any = None
        call_in_child(self._abandon_client)
        self._base_url = resolve_base_url(base_url)
        self._timeout, self._max_retries = timeout, max_retries
        self._own_endpoint = (
            resolve_endpoint(model, self._base_url, api_key) if client is None else None
        )

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint; read from an external client each time, because its key may change."""
        return self._own_endpoint or endpoint_of_client(self._model, self._external_client)

    @property
    def is_openai(self) -> bool:
        """True if the endpoint is that of OpenAI or of Azure OpenAI."""
        host = urlsplit(self.endpoint.base_url).hostname or ""
        return host.endswith(("openai.com", "openai.azure.com"))

    def call(self, **request: Any) -> Any:
        """Send a request and return what the openai package makes of the answer.

        Within `limited_wait`, an unreachable server costs one short wait: the request is not sent
        again, and must be answered within 10 seconds.

        Raises:
            ConfigurationError: If the openai package does not accept a parameter.
        """
        client = self._get_client()
        limit = limit_wait(math.inf)
        if limit < math.inf and hasattr(client, "with_options"):
            from openai import Timeout

            timeout = Timeout(min(self._timeout, _SHORT_ANSWER), connect=limit)
            client = client.with_options(max_retries=0, timeout=timeout)
        method = get_nested(client, *self._method.split("."))
        try:
            inspect.signature(method).bind(**request)
        except TypeError as error:
            raise ConfigurationError(
                f"the openai package does not accept a parameter: {error}. Parameters that only "
                f"{self.endpoint} knows belong in extra_body={{...}}."
            ) from error
        return method(**request)

    def close(self) -> None:
        """Close the connections, but not those of an external client; a later call reconnects."""
        with self._lock:
            client, self._own_client = self._own_client, None
        if client is not None:
            client.close()

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
                    api_key=self.endpoint.key or NO_KEY,
                    base_url=self._base_url,
                    timeout=self._timeout,
                    max_retries=self._max_retries,
                )
            return self._own_client

    def _require_client(self, client: Any, api_key: str | None, base_url: str | None) -> Any:
        """Return a client of the application; raise ConfigurationError if it cannot be used."""
        if client is None:
            return None
        if api_key is not None or base_url is not None:
            raise ConfigurationError(
                "a client has its own key and address: omit api_key and base_url"
            )
        method = get_nested(client, *self._method.split("."))
        if not callable(method) or inspect.iscoroutinefunction(inspect.unwrap(method)):
            raise ConfigurationError(
                f"client must be a synchronous client with {self._method}, such as openai.OpenAI, "
                f"not {type(client).__name__}"
            )
        return client
