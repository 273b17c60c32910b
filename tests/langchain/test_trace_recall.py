"""A recall is a retriever run with the memories as its documents, in every tracing callback."""

from datetime import datetime, timezone
from functools import partial

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.callbacks import BaseCallbackHandler
from langchain_examples import ALICE

from memorybank_core import MemoryBank, StoreClosedError, Turn
from memorybank_langchain.recall import trace_recall

QUESTION = "Which instrument does my sister Nora play?"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


class Recalls(BaseCallbackHandler):
    """Records the queries, the ids of the documents and the errors of retriever runs."""

    def __init__(self):
        self.seen = []

    def on_retriever_start(self, serialized, query, **kwargs):
        self.seen.append((kwargs["name"], query))

    def on_retriever_end(self, documents, **kwargs):
        self.seen.append([document.id for document in documents])

    def on_retriever_error(self, error, **kwargs):
        self.seen.append(type(error))


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        turn = Turn("My sister Nora plays the cello.", "Lovely!", MONDAY, "nora")
        bank.add([turn], user_id=ALICE)
        yield bank


def test_callbacks_see_the_recall_and_its_failure(bank):
    recalls = Recalls()
    begin = partial(bank.begin_turn, QUESTION, user_id=ALICE)
    assert trace_recall(begin, QUESTION, {"callbacks": [recalls]}).context.ids == ("nora",)
    assert trace_recall(begin, QUESTION, {}).context.ids == ("nora",)
    bank.close()
    with pytest.raises(StoreClosedError):
        trace_recall(begin, QUESTION, {"callbacks": [recalls]})
    begun = ("memorybank", QUESTION)
    assert recalls.seen == [begun, ["nora"], begun, StoreClosedError]
