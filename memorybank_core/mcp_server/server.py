"""Create the server: tools, resources and a prompt for each user of a bank.

The SDK evaluates the annotations of the tools, so they must not be strings.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.settings import AuthSettings
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ClientCapabilities, ElicitationCapability, ToolAnnotations
from pydantic import AnyHttpUrl, Field, create_model

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import ConfigurationError
from memorybank_core.validation import require_user

from .memory_calls import MAX_MEMORIES, MemoryCalls
from .outputs import Changed, Known, Recall, Recent, Remembered, describe_output
from .texts import WORDING
from .tokens import StaticTokens

NAME = "memorybank"
ISSUER = "http://127.0.0.1"
"""The issuer that the SDK requires; static tokens have none, and it is not sent to clients."""
T = TypeVar("T")
Count = Annotated[int, Field(ge=1, le=MAX_MEMORIES)]


def create_server(
    bank: MemoryBank,
    *,
    user_id: str | None = None,
    tokens: Mapping[str, str] | None = None,
    writes: bool = True,
    **options: Any,
) -> FastMCP:
    """Create a server for one user, or over HTTP for the user of each request's bearer token.

    Args:
        bank: The bank. Its language is that of the descriptions and replies.
        user_id: The user of every request; None with `tokens`.
        tokens: The bearer token of each user, of at least 16 characters; None with `user_id`.
        writes: Whether there are tools that change memories. Without them, `recall` still
            strengthens what it finds.
        options: Passed to `FastMCP`, such as `host` and `port`.

    Raises:
        ConfigurationError: If there is neither a user nor a token, or both are given, or a token
            is not valid.
        InvalidInputError: If a user id is not valid.
    """
    if (user_id is None) == (tokens is None):
        raise ConfigurationError("pass either user_id, or tokens for the users of requests")
    if user_id is not None:
        require_user(user_id)
    else:
        options["token_verifier"] = StaticTokens(tokens or {})
        options["auth"] = AuthSettings(issuer_url=AnyHttpUrl(ISSUER), resource_server_url=None)
        # The SDK accepts only Host headers of this machine, but a proxy passes on its own name. The
        # check is for servers that a web page can call; it cannot send a token.
        unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        options.setdefault("transport_security", unchecked)
    wording = WORDING[bank.language]
    server = FastMCP(NAME, instructions=wording["instructions"], **options)
    handlers = _Handlers(bank, server, user_id)
    _add_reading_tools(server, handlers, bank.language)
    if writes:
        _add_changing_tools(server, handlers, bank.language)
    _add_resources(server, handlers, wording)
    server.prompt("what_do_you_know_of_me", title=wording["prompt"], description=wording["prompt"])(
        lambda: wording["prompt_text"]
    )
    return server


class _Handlers:
    """Run the calls of the user of the current request, in a thread."""

    def __init__(self, bank: MemoryBank, server: FastMCP, user_id: str | None) -> None:
        self._bank, self._server, self._user_id = bank, server, user_id
        self._wording = WORDING[bank.language]

    async def run(self, call: Callable[[MemoryCalls], T]) -> T:
        """Run a call for the user of the current request."""
        calls = MemoryCalls(self._bank, self._find_user())
        return await anyio.to_thread.run_sync(partial(call, calls))

    async def erase(self, id: str, context: Context[Any, Any, Any]) -> CallToolResult:
        """Erase a memory, after asking the user if the client can ask."""
        question = await self.run(lambda calls: calls.ask(id))
        capability = ClientCapabilities(elicitation=ElicitationCapability())
        if question and context.session.check_client_capability(capability):
            title = self._wording["erase_confirm"]
            form = create_model("Erase", erase=(bool, Field(title=title, default=True)))
            answer = await context.elicit(question, form)
            if answer.action != "accept" or not getattr(answer.data, "erase", False):
                return await self.run(lambda calls: calls.decline(id))
        return await self.run(lambda calls: calls.erase(id))

    def _find_user(self) -> str:
        """Return the user of the request: the server's, or the one its token belongs to."""
        if self._user_id is not None:
            return self._user_id
        request = self._server.get_context().request_context.request
        user = getattr(request, "scope", {}).get("user")
        if not isinstance(user, AuthenticatedUser):
            raise ToolError("the request has no bearer token")
        return user.access_token.client_id


def _add_reading_tools(server: FastMCP, handlers: _Handlers, language: str) -> None:
    """Add the tools that change no memory."""
    wording = WORDING[language]
    RecallResult = Annotated[CallToolResult, describe_output(Recall, language)]  # noqa: N806
    RecentResult = Annotated[CallToolResult, describe_output(Recent, language)]  # noqa: N806
    KnownResult = Annotated[CallToolResult, describe_output(Known, language)]  # noqa: N806
    annotations = ToolAnnotations(readOnlyHint=True, openWorldHint=False)

    @server.tool(description=wording["recall"], annotations=annotations)
    async def recall(
        query: Annotated[str, Field(description=wording["query"])],
        k: Annotated[Count, Field(description=wording["k"])] = 8,
    ) -> RecallResult:
        return await handlers.run(lambda calls: calls.recall(query, k))

    @server.tool(description=wording["recent"], annotations=annotations)
    async def recent(k: Annotated[Count, Field(description=wording["k"])] = 10) -> RecentResult:
        return await handlers.run(lambda calls: calls.recent(k))

    @server.tool(description=wording["portrait"], annotations=annotations)
    async def portrait() -> KnownResult:
        return await handlers.run(MemoryCalls.portrait)


def _add_changing_tools(server: FastMCP, handlers: _Handlers, language: str) -> None:
    """Add the tools that store, archive, restore, pin or erase memories."""
    wording = WORDING[language]
    RememberedResult = Annotated[  # noqa: N806
        CallToolResult, describe_output(Remembered, language)
    ]
    ChangedResult = Annotated[CallToolResult, describe_output(Changed, language)]  # noqa: N806
    Id = Annotated[str, Field(description=wording["id"])]  # noqa: N806  # a type
    harmless = ToolAnnotations(
        readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=False
    )
    destructive = ToolAnnotations(
        readOnlyHint=False, destructiveHint=True, idempotentHint=True, openWorldHint=False
    )

    @server.tool(description=wording["remember"], annotations=harmless)
    async def remember(
        text: Annotated[str, Field(description=wording["text"], min_length=1)],
    ) -> RememberedResult:
        return await handlers.run(lambda calls: calls.remember(text))

    @server.tool(description=wording["forget"], annotations=harmless)
    async def forget(id: Id) -> ChangedResult:
        return await handlers.run(lambda calls: calls.forget(id))

    @server.tool(description=wording["restore"], annotations=harmless)
    async def restore(id: Id) -> ChangedResult:
        return await handlers.run(lambda calls: calls.restore(id))

    @server.tool(description=wording["pin"], annotations=harmless)
    async def pin(
        id: Id, pinned: Annotated[bool, Field(description=wording["pin_argument"])] = True
    ) -> ChangedResult:
        return await handlers.run(lambda calls: calls.pin(id, pinned=pinned))

    @server.tool(description=wording["erase"], annotations=destructive)
    async def erase(id: Id, context: Context[Any, Any, Any]) -> ChangedResult:
        return await handlers.erase(id, context)


def _add_resources(server: FastMCP, handlers: _Handlers, wording: Mapping[str, str]) -> None:
    """Add the days, each day's memories, the portrait and the summary as resources."""

    def add(path: str, description: str, mime_type: str) -> Callable[[Any], Any]:
        return server.resource(
            f"{NAME}://{path}", name=path, description=wording[description], mime_type=mime_type
        )

    @add("timeline", "days_resource", "application/json")
    async def timeline() -> str:
        return await handlers.run(MemoryCalls.days)

    @add("timeline/{day}", "day_resource", "text/plain")
    async def timeline_day(day: str) -> str:
        return await handlers.run(lambda calls: calls.day(day))

    @add("portrait", "portrait_resource", "text/plain")
    async def portrait() -> str:
        return await handlers.run(lambda calls: calls.digest("portrait"))

    @add("summary", "summary_resource", "text/plain")
    async def summary() -> str:
        return await handlers.run(lambda calls: calls.digest("summary"))
