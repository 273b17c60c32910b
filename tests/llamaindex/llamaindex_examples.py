"""A conversation of ten turns, LLMs for tests, and every way to run engines and agents."""

import asyncio
import json

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import Field

IGNORED_WARNINGS = [  # of LlamaIndex's own memory and agents
    pytest.mark.filterwarnings(f"ignore:{words}")
    for words in (
        "The `.*` attribute is deprecated:pydantic.warnings.PydanticDeprecatedSince20",
        "Accessing the .* attribute on the instance is deprecated:DeprecationWarning",
        "is_running called from within a step:DeprecationWarning",
    )
]
ALICE, BOB = "alice@example.com", "bob@example.com"
FACT = "My sister Nora plays the cello."
QUESTION = "Which instrument does my sister Nora play?"
TALK = (
    (FACT, "How lovely!"),
    ("I had tomato soup for lunch.", "That sounds warming."),
    ("我的猫叫花椒。", "好可爱的名字！"),
    ("The train to Bergen leaves on Friday.", "Safe travels!"),
    ("I am allergic to walnuts.", "I will keep that in mind."),
    ("My office is on the fourth floor.", "Good exercise."),
    ("Tell me a joke about owls.", "Owl be right back."),
    ("The garden needs rain.", "Perhaps tomorrow."),
    ("I paint small boats.", "In oil?"),
    ("In water colours.", "Fitting."),
)


class Scripted(FunctionCallingLLM):
    """An LLM that gives these answers in order: text, tool calls (dictionaries) or errors."""

    answers: list = Field(default_factory=list)
    seen: list = Field(default_factory=list)

    @property
    def metadata(self):
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    def _next(self, messages):
        self.seen.append([message.model_copy(deep=True) for message in messages])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            call = ToolCallBlock(tool_call_id="1", **answer)
            message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])
        else:
            message = ChatMessage(answer, role=MessageRole.ASSISTANT)
        return ChatResponse(message=message, delta=message.content or "")

    def chat(self, messages, **kwargs):
        return self._next(messages)

    async def achat(self, messages, **kwargs):
        return self._next(messages)

    def stream_chat(self, messages, **kwargs):
        response = self._next(messages)
        return iter([response])

    async def astream_chat(self, messages, **kwargs):
        response = self._next(messages)

        async def stream():
            yield response

        return stream()

    def complete(self, prompt, formatted=False, **kwargs):
        """Condense a question, without using an answer of the script."""
        return CompletionResponse(text="condensed")

    async def acomplete(self, prompt, formatted=False, **kwargs):
        return CompletionResponse(text="condensed")

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    async def astream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **kwargs):
        return {"messages": list(chat_history or [])}

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        return [
            ToolSelection(
                tool_id=block.tool_call_id,
                tool_name=block.tool_name,
                tool_kwargs=block.tool_kwargs,
            )
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]


class Shelf(BaseRetriever):
    """A retriever with a single document."""

    def _retrieve(self, query_bundle):
        return [NodeWithScore(node=TextNode(text="Opening hours: 9 to 5."), score=1.0)]


def look_up(topic: str) -> str:
    """Looks something up."""
    return f"All about {topic}."


def broken(topic: str) -> str:
    """Fails."""
    raise RuntimeError(f"no {topic} today")


ENGINES = {
    "simple": lambda llm, memory: SimpleChatEngine.from_defaults(llm=llm, memory=memory),
    "context": lambda llm, memory: ContextChatEngine.from_defaults(
        Shelf(), llm=llm, memory=memory, system_prompt="You are a friend."
    ),
    "condense": lambda llm, memory: CondensePlusContextChatEngine.from_defaults(
        Shelf(), llm=llm, memory=memory, system_prompt="You are a friend."
    ),
}


async def _astreamed(engine, query):
    response = await engine.astream_chat(query)
    return "".join([token async for token in response.async_response_gen()])


def _streamed(engine, query):
    return "".join(engine.stream_chat(query).response_gen)


WAYS = {
    "chat": lambda engine, query: engine.chat(query).response,
    "stream": _streamed,
    "achat": lambda engine, query: asyncio.run(engine.achat(query)).response,
    "astream": lambda engine, query: asyncio.run(_astreamed(engine, query)),
}


def function_agent(llm, **options):
    return FunctionAgent(
        llm=llm, tools=[look_up, broken], system_prompt="You are a friend.", **options
    )


AGENTS = {
    "function": function_agent,
    "function, whole": lambda llm: function_agent(llm, streaming=False),
    "react": lambda llm: ReActAgent(llm=llm, tools=[look_up, broken]),
    "workflow": lambda llm: AgentWorkflow(agents=[function_agent(llm)]),
}


def script(kind, answer, number):
    """Return the answers of a turn; every third turn has a tool call, and half of these fail."""
    tool = ("look_up", "broken")[number % 2]
    if kind == "react":
        act = f"Thought: I look.\nAction: {tool}\nAction Input: {json.dumps({'topic': 'x'})}"
        return [act, f"Thought: I know.\nAnswer: {answer}"][number % 3 != 0 :]
    return [{"tool_name": tool, "tool_kwargs": {"topic": "x"}}, answer][number % 3 != 0 :]
