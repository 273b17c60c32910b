"""Tools that let an agent decide what to remember, recall and forget."""

# No `from __future__ import annotations` here: LlamaIndex finds the parameter for the workflow's
# context by its annotation, which must be the class and not a string.

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.tools.tool_spec.base import SPEC_FUNCTION_TYPE, BaseToolSpec
from llama_index.core.workflow import Context
from pydantic import BaseModel, Field, StringConstraints, create_model

from memorybank_core import InvalidInputError, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.tools import ARGUMENTS, WORDING, MemoryTools
from memorybank_core.validation import to_user_id

from . import events
from .fields import UserId

_NonEmptyText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class MemoryBankToolSpec(BaseToolSpec):
    """The tools `remember`, `recall` and `forget`, in the language of the bank.

    `MemoryBankToolSpec(bank, user_id=...).to_tool_list()`, or `to_tool_list(["recall"])` for some
    of them.

    The model cannot choose the user. `recall` strengthens the best memories it returns, and marks
    them as data. `forget` deletes permanently, as `bank.delete` does, because a user who says
    "forget that" expects it. If a person should confirm first, omit the tool. If every turn is
    stored anyway, `recall` and `forget` are enough.

    Args:
        bank: Bank that holds the memories.
        user_id: User the memories belong to; None reads `user_id` from the workflow's context, set
            by `await ctx.store.set("user_id", ...)`. The tools then work only in a workflow.
        session: Conversation of the texts that `remember` stores; None uses one per day.
        k: Maximum number of memories that `recall` returns, 1 or more; None takes as
            many as fit.
        max_tokens: Maximum length of the memories that `recall` returns, in tokens.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        metadata: Metadata of what `remember` stores, such as {"agent": "coder"}.
        where: Conditions on the metadata of the memories that `recall` returns and `forget` may
            erase, as in `MemoryBank.search`; None for all.

    Raises:
        InvalidInputError: If an argument is invalid; from a tool, if the context has no user
            (LlamaIndex's agents pass the error to the model and continue).
    """

    def __init__(
        self,
        bank: MemoryBank,
        *,
        user_id: UserId | None = None,
        session: str | None = None,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        min_relevance: float = MIN_RELEVANCE,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        user_id = None if user_id is None else to_user_id(user_id)
        self.spec_functions = list(ARGUMENTS)
        self._tools = MemoryTools(
            bank,
            k=k,
            max_tokens=max_tokens,
            min_relevance=min_relevance,
            metadata=metadata,
            where=where,
        )
        self._session, wording = session, WORDING[bank.language]
        self._schemas = {name: _make_schema(name, wording) for name in ARGUMENTS}
        self._metadata = {
            name: ToolMetadata(wording[name], name, schema)
            for name, schema in self._schemas.items()
        }
        self.remember = self._make_function("remember", self._remember, user_id)
        self.recall = self._make_function("recall", self._recall, user_id)
        self.forget = self._make_function("forget", self._forget, user_id)

    def to_tool_list(
        self,
        spec_functions: list[SPEC_FUNCTION_TYPE] | None = None,
        func_to_metadata_mapping: dict[str, ToolMetadata] | None = None,
    ) -> list[FunctionTool]:
        """Return the tools.

        Args:
            spec_functions: Names of the tools; None returns all.
            func_to_metadata_mapping: Metadata by name of the tool, replacing the default.
        """
        metadata = self._metadata | (func_to_metadata_mapping or {})
        return super().to_tool_list(spec_functions, metadata)

    def _remember(self, text: str, user_id: str) -> str:
        result = self._tools.remember(text, user_id=user_id, session=self._session)
        if result.ids:
            events.emit_stored(user_id, result.ids)
        return result.text

    def _recall(self, query: str, user_id: str) -> str:
        result = self._tools.recall(query, user_id=user_id)
        events.emit_recalled(user_id, query, result.ids)
        if result.reinforced:
            events.emit_reinforced(user_id, result.reinforced)
        return result.text

    def _forget(self, id: str, user_id: str) -> str:
        result = self._tools.forget(id, user_id=user_id)
        if result.ids:
            events.emit_erased(user_id, result.ids)
        return result.text

    def _make_function(
        self, name: str, action: Callable[[str, str], str], user_id: str | None
    ) -> Callable[..., Any]:
        """Return the function of a tool; it ignores additional arguments from the model."""

        def run_for_user(*args: str, **kwargs: Any) -> str:
            return action(self._parse_argument(name, args, kwargs), str(user_id))

        async def run_for_context(*args: str, ctx: Context[Any], **kwargs: Any) -> str:
            context_user = await _find_context_user(ctx)
            argument = self._parse_argument(name, args, kwargs)
            return await asyncio.to_thread(action, argument, context_user)

        return run_for_context if user_id is None else run_for_user

    def _parse_argument(self, name: str, args: Sequence[str], kwargs: Mapping[str, Any]) -> str:
        """Return the stripped argument of a tool; raise ValidationError if it is invalid."""
        argument, schema = ARGUMENTS[name], self._schemas[name]
        values = {argument: args[0]} if args else kwargs
        return str(getattr(schema.model_validate(values), argument))


def _make_schema(name: str, wording: Mapping[str, str]) -> type[BaseModel]:
    """Return the schema of a tool's only argument."""
    argument = ARGUMENTS[name]
    fields: dict[str, Any] = {argument: (_NonEmptyText, Field(description=wording[argument]))}
    return create_model(name, **fields)


async def _find_context_user(ctx: object) -> str:
    """Return the user in a workflow's context; raise InvalidInputError if it is missing."""
    user_id = await ctx.store.get("user_id", default=None) if isinstance(ctx, Context) else None
    if user_id is None:
        raise InvalidInputError(
            "user_id is missing: pass user_id=... to MemoryBankToolSpec, or set it in the context "
            'of the run: await ctx.store.set("user_id", ...)'
        )
    return to_user_id(user_id)
