"""Agents with a memory, models that answer by a script, and what these were asked."""

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
    """LangChain's fake, which takes tools, too, and raises where the script has an error.

    After the script it echoes the last human message. `asked` has the prompts.
    """

    messages: Any = None
    script: list[Any] = Field(default_factory=list)
    asked: list[Any] = Field(default_factory=list)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        self.asked.append([message.model_copy(deep=True) for message in messages])
        answer = self.script.pop(0) if self.script else f"I heard: {plain(humans(messages)[-1])}"
        if isinstance(answer, Exception):
            raise answer
        message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        message = self._generate(messages).generations[0].message
        for i, word in enumerate(message.text.split(" ")):
            yield told(run_manager, content=f" {word}" if i else word)
        calls = [
            {**call, "args": json.dumps(call["args"]), "index": i, "type": "tool_call_chunk"}
            for i, call in enumerate(message.tool_calls)
        ]
        yield told(run_manager, content="", tool_call_chunks=calls, chunk_position="last")

    def bind_tools(self, tools, **kwargs):
        return self


def told(run_manager, **message):
    chunk = ChatGenerationChunk(message=AIMessageChunk(**message))
    if run_manager:
        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
    return chunk


class Heard(BaseCallbackHandler):
    """The custom events of a run."""

    def __init__(self):
        self.events = []

    def on_custom_event(self, name, data, **kwargs):
        self.events.append((name, data))


class Retry(middleware.AgentMiddleware):
    """What langchain 1.0 has not yet: a model that fails is asked once more."""

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
    """An answer that asks for the weather."""
    calls = [
        {"name": "weather", "args": {"city": city}, "id": f"call-{city}", "type": "tool_call"}
        for city in cities
    ]
    return AIMessage("", tool_calls=calls)


def agent_of(bank, model=None, *others, memory=None, tools=(weather,), **options):
    """An agent with a memory, that first in its middleware."""
    return create_agent(
        model or Scripted(),
        list(tools),
        middleware=[memory or MemoryBankMiddleware(bank), *others],
        context_schema=User,
        **options,
    )


def thread(name="talk", **more):
    return {"configurable": {"thread_id": name}, **more}


def says(text, **more):
    return {"messages": [HumanMessage(text, **more)]}


def humans(messages):
    return [message for message in messages if isinstance(message, HumanMessage)]


def plain(message):
    """What the user said in a message."""
    return message.text.partition(OPENING)[0].strip()


def recalled(messages):
    """What a prompt recalls; None where nothing. It ends the last human message, or fails."""
    marked = [message for message in messages if OPENING in message.text]
    if not marked:
        return None
    (message,) = marked
    assert message is humans(messages)[-1]
    assert message.text.endswith(CLOSING)
    return message.text.partition(OPENING)[2]


def turns(bank, user_id=ALICE):
    """What the bank holds: the query and the response of each turn, by time."""
    told = bank.timeline(user_id=user_id, archived=True)
    return [(memory.turn.query, memory.turn.response) for memory in told]


def now_at(agent, config, node):
    """The config of the last checkpoint before `node`."""
    history = agent.get_state_history(config)
    return next(state for state in history if any(node in name for name in state.next)).config
