"""MemoryBankToolSpec: remember, recall and forget, for agents that decide for themselves."""

# No `from __future__ import annotations` here: LlamaIndex finds the parameter that takes the
# workflow's context by its annotation itself, and a string is none.

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.workflow import Context
from pydantic import BaseModel, Field, StringConstraints, create_model

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_core.tools import ARGUMENTS, WORDING, MemoryTools
from memorybank_core.validation import require_user

from . import events

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class MemoryBankToolSpec(BaseToolSpec):
    """The tools `remember`, `recall` and `forget`, in the language of the bank.

    `MemoryBankToolSpec(bank, user_id=...).to_tool_list()`, or `to_tool_list(["recall"])` for some.

    The model never says whose memory it is. `recall` strengthens what it finds, and gives it
    marked, as data. `forget` erases, as `bank.delete` does, for that is what a user who says
    "forget that" expects, and there is no way back: where a person should agree first, leave it
    out. Where every turn is remembered anyway, `recall` and `forget` are enough.

    Args:
        bank: Where the memories are.
        user_id: Whose memory; None takes `user_id` of the workflow's context, set by
            `await ctx.store.set("user_id", ...)`: the tools then work only where there is one.
        session: The conversation that what is remembered belongs to; None means the day's.
        k: How many memories `recall` gives at most, 1 or more.
        max_tokens: How long they may be together.

    Raises:
        InvalidInputError: An argument is not what it must be; from a tool: the context names no
            user (LlamaIndex's agents tell the model of it and go on).
    """

    def __init__(
        self,
        bank: MemoryBank,
        *,
        user_id: str | None = None,
        session: str | None = None,
        k: int = 5,
        max_tokens: int = CONTEXT_TOKENS,
    ) -> None:
        if user_id is not None:
            require_user(user_id)
        self.spec_functions = list(ARGUMENTS)
        self._tools = MemoryTools(bank, k=k, max_tokens=max_tokens)
        self._session, wording = session, WORDING[bank.language]
        self._schemas = {name: _schema(name, wording) for name in ARGUMENTS}
        self._metadata = {
            name: ToolMetadata(wording[name], name, schema)
            for name, schema in self._schemas.items()
        }
        self.remember = self._function("remember", self._remember, user_id)
        self.recall = self._function("recall", self._recall, user_id)
        self.forget = self._function("forget", self._forget, user_id)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """The tools, all or those of these names.

        Args:
            spec_functions: The names.
            func_to_metadata_mapping: By name, what takes the place of our own wording.
        """
        told = self._metadata | (func_to_metadata_mapping or {})
        return super().to_tool_list(spec_functions, told)

    def _remember(self, text: str, user_id: str) -> str:
        told = self._tools.remember(text, user_id=user_id, session=self._session)
        if told.ids:
            events.stored(user_id, told.ids)
        return told.text

    def _recall(self, query: str, user_id: str) -> str:
        told = self._tools.recall(query, user_id=user_id)
        events.recalled(user_id, query, told.ids)
        if told.ids:
            events.reinforced(user_id, told.ids)
        return told.text

    def _forget(self, id: str, user_id: str) -> str:
        told = self._tools.forget(id, user_id=user_id)
        if told.ids:
            events.erased(user_id, told.ids)
        return told.text

    def _function(
        self, name: str, act: Callable[[str, str], str], user_id: str | None
    ) -> Callable[..., Any]:
        """What LlamaIndex makes a tool of; what the model adds to its argument is dropped."""

        def of_user(*given: str, **told: Any) -> str:
            return act(self._argument(name, given, told), str(user_id))

        async def of_run(*given: str, ctx: Context[Any], **told: Any) -> str:
            whose = await _user_of(ctx)
            return await asyncio.to_thread(act, self._argument(name, given, told), whose)

        return of_run if user_id is None else of_user

    def _argument(self, name: str, given: Sequence[str], told: Mapping[str, Any]) -> str:
        """The argument of a tool, stripped; raises pydantic's error where it is none."""
        argument, schema = ARGUMENTS[name], self._schemas[name]
        by_name = {argument: given[0]} if given else told
        return str(getattr(schema.model_validate(by_name), argument))


def _schema(name: str, wording: Mapping[str, str]) -> type[BaseModel]:
    """What the model is shown of a tool's one argument."""
    argument = ARGUMENTS[name]
    fields: dict[str, Any] = {argument: (_Words, Field(description=wording[argument]))}
    return create_model(name, **fields)


async def _user_of(ctx: object) -> str:
    """The user of a workflow's run; raises InvalidInputError where it names none."""
    user_id = await ctx.store.get("user_id", default=None) if isinstance(ctx, Context) else None
    if user_id is None:
        raise InvalidInputError(
            "whose memory? Pass user_id=... to MemoryBankToolSpec, or say it in the context of the "
            'run: await ctx.store.set("user_id", ...)'
        )
    require_user(user_id)
    return str(user_id)
