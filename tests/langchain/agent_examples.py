"""Agents with a memory, and chat models that follow a script and record their prompts."""

import json
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent, middleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from memorybank_core.context import CLOSING, OPENING
from memorybank_langchain.middleware import MemoryBankMiddleware

ALICE, BOB = "alice@example.com", "bob@example.com"


@dataclass
class User:
    """The context of a run."""

    user_id: str | None = None


class Scripted(GenericFakeChatModel):
    """LangChain's fake model with tools; it raises the errors in its script.

    After the script it echoes the last human message. It records its prompts.
    """

    messages: Any = None
    script: list[Any] = Field(default_factory=list)
    prompts: list[Any] = Field(default_factory=list)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.prompts.append([message.model_copy(deep=True) for message in messages])
        answer = self.script.pop(0) if self.script else f"I heard: {plain(humans(messages)[-1])}"
        if isinstance(answer, Exception):
            raise answer
        message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        message = self._generate(messages).generations[0].message
        for i, word in enumerate(message.text.split(" ")):
            yield emit_chunk(run_manager, content=f" {word}" if i else word)
        calls = [
            {**call, "args": json.dumps(call["args"]), "index": i, "type": "tool_call_chunk"}
            for i, call in enumerate(message.tool_calls)
        ]
        yield emit_chunk(run_manager, content="", tool_call_chunks=calls, chunk_position="last")

    def bind_tools(self, tools, **kwargs):
        return self


def emit_chunk(run_manager, **message):
    chunk = ChatGenerationChunk(message=AIMessageChunk(**message))
    if run_manager:
        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
    return chunk


class EventRecorder(BaseCallbackHandler):
    """The custom events of a run."""

    def __init__(self):
        self.events = []

    def on_custom_event(self, name, data, **kwargs):
        self.events.append((name, data))


class Retry(middleware.AgentMiddleware):
    """Middleware that langchain 1.0 lacks: a model that fails is called once more."""

    def wrap_model_call(self, request, handler):
        try:
            return handler(request)
        except ConnectionError:
            return handler(request)

    async def awrap_model_call(self, request, handler):
        try:
            return await handler(request)
        except ConnectionError:
            return await handler(request)


def retry():
    if not hasattr(middleware, "ModelRetryMiddleware"):
        return Retry()
    return middleware.ModelRetryMiddleware(
        max_retries=1, initial_delay=0, jitter=False, on_failure="error"
    )


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


def looks_up(*cities):
    """Return an answer that calls the weather tool."""
    calls = [
        {"name": "weather", "args": {"city": city}, "id": f"call-{city}", "type": "tool_call"}
        for city in cities
    ]
    return AIMessage("", tool_calls=calls)


def agent_of(bank, model=None, *more_middleware, memory=None, tools=(weather,), **options):
    """Return an agent with the memory first in its middleware."""
    return create_agent(
        model or Scripted(),
        list(tools),
        middleware=[memory or MemoryBankMiddleware(bank), *more_middleware],
        context_schema=User,
        **options,
    )


def thread(name="talk", **options):
    return {"configurable": {"thread_id": name}, **options}


def says(text, **fields):
    return {"messages": [HumanMessage(text, **fields)]}


def humans(messages):
    return [message for message in messages if isinstance(message, HumanMessage)]


def plain(message):
    """Return the user's words in a message."""
    return message.text.partition(OPENING)[0].strip()


def recalled(messages):
    """Return the recalled text, which must end the last human message; None without any."""
    marked = [message for message in messages if OPENING in message.text]
    if not marked:
        return None
    (message,) = marked
    assert message is humans(messages)[-1]
    assert message.text.endswith(CLOSING)
    return message.text.partition(OPENING)[2]


def turns(bank, user_id=ALICE):
    """Return the query and the response of each turn in the bank, by time."""
    memories = bank.timeline(user_id=user_id, archived=True)
    return [(memory.turn.query, memory.turn.response) for memory in memories]


def now_at(agent, config, node):
    """Return the config of the last checkpoint before `node`."""
    history = agent.get_state_history(config)
    return next(state for state in history if any(node in name for name in state.next)).config
