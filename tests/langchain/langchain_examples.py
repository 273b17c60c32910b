"""A conversation of ten turns, every way to run a chain, and chat models for tests."""

import asyncio

from langchain_core.language_models import FakeListChatModel

ALICE, BOB = "alice@example.com", "bob@example.com"
TALK = (
    ("My sister Nora plays the cello.", "How lovely!"),
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


async def _all_of(stream):
    return [chunk async for chunk in stream]


def _merged(chunks):
    """Return the sum of the chunks of a stream."""
    whole, *further = chunks
    for chunk in further:
        whole = whole + chunk
    return whole


WAYS = {
    "invoke": lambda chain, *args: chain.invoke(*args),
    "stream": lambda chain, *args: _merged(list(chain.stream(*args))),
    "batch": lambda chain, value, *config: chain.batch([value], *config)[0],
    "ainvoke": lambda chain, *args: asyncio.run(chain.ainvoke(*args)),
    "astream": lambda chain, *args: _merged(asyncio.run(_all_of(chain.astream(*args)))),
    "abatch": lambda chain, value, *config: asyncio.run(chain.abatch([value], *config))[0],
}
"""Functions that run a chain with an input and an optional config, and return its output."""


def model_of(answers):
    """Return a chat model that gives these answers in order."""
    return FakeListChatModel(responses=list(answers))


class FailsOnce(FakeListChatModel):
    """A chat model whose first call fails."""

    has_failed: bool = False

    def _call(self, *args, **kwargs):
        if not self.has_failed:
            self.has_failed = True
            raise ConnectionError("the model cannot be reached")
        return super()._call(*args, **kwargs)
