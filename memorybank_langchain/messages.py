"""Between LangChain's messages and the turns of the bank."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import Memory


def text_of(message: BaseMessage) -> str:
    """The text of a message, of all its text blocks; "" where it has none (an image, a call)."""
    return str(message.text)


def messages_of(memory: Memory, prefix: str = "") -> list[BaseMessage]:
    """What the two said in one turn; the ids of the messages are made from the turn's."""
    turn, id = memory.turn, memory.id.removeprefix(prefix)
    query, response = (turn.query, turn.response) if turn else ("", "")
    asked: list[BaseMessage] = [HumanMessage(query, id=id)] if query.strip() else []
    return [*asked, AIMessage(response, id=f"{id}:answer")] if response.strip() else asked
