"""The chat message history, alone and in RunnableWithMessageHistory, on a real file."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

pytest.importorskip("langchain_core", reason="langchain-core is not installed")

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import ConfigurableFieldSpec, RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_examples import ALICE, BOB, TALK, WAYS, FailsOnce, model_of

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_langchain.history import MemoryBankChatMessageHistory
from memorybank_langchain.runnable import with_memory

pytestmark = pytest.mark.filterwarnings(
    "ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"  # LangChain's wrapper's
)
FACT = ("My sister Nora plays the cello.", "How lovely!")
PROMPT = ChatPromptTemplate([MessagesPlaceholder("history"), ("human", "{question}")])
CONFIG = {"configurable": {"session_id": "monday"}}
CALL = {"name": "look", "args": {}, "id": "call", "type": "tool_call"}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def history_of(bank, session="monday", user_id=ALICE, **options):
    return MemoryBankChatMessageHistory(bank=bank, user_id=user_id, session=session, **options)


def remembering(chain, bank, **keys):
    return RunnableWithMessageHistory(chain, lambda session: history_of(bank, session), **keys)


def plain(messages):
    return [(message.type, message.content) for message in messages]


def pairs(talk):
    return [pair for query, answer in talk for pair in (("human", query), ("ai", answer))]


def turns(bank, user_id=ALICE, **which):
    return [memory.turn for memory in bank.timeline(user_id=user_id, **which)]


def words(bank, **which):
    return [(turn.query, turn.response) for turn in turns(bank, **which)]


@pytest.mark.parametrize("way", WAYS)
def test_ten_turns_of_a_prompt_and_a_model(tmp_path, way):
    file, begun = tmp_path / "friend.db", datetime.now(timezone.utc)
    keys = {"input_messages_key": "question", "history_messages_key": "history"}
    with MemoryBank.open(file, embedder="hashing") as bank:
        chain = remembering(PROMPT | model_of(answer for _, answer in TALK), bank, **keys)
        for query, answer in TALK:
            assert WAYS[way](chain, {"question": query}, CONFIG).content == answer
        assert begun <= turns(bank)[0].at
        assert turns(bank)[-1].at <= datetime.now(timezone.utc)
        before = history_of(bank).messages
    with MemoryBank.open(file, embedder="hashing") as bank:
        assert words(bank) == list(TALK)
        assert history_of(bank).messages == before
        assert plain(before) == pairs(TALK)
        results = bank.search("Which instrument does my sister play?", user_id=ALICE, k=1)
        assert results[0].memory.turn.query == TALK[0][0]


@pytest.mark.parametrize("way", WAYS)
def test_a_model_alone_that_is_given_all_messages(bank, way):
    chain = remembering(model_of(answer for _, answer in TALK), bank)
    for number, (query, _) in enumerate(TALK):
        WAYS[way](chain, [HumanMessage(query, id=str(number))], CONFIG)
    assert plain(history_of(bank).messages) == pairs(TALK)
    assert [message.id for message in history_of(bank).messages][::2] == list("0123456789")


def test_users_and_conversations_by_their_keys(bank):
    chain = RunnableWithMessageHistory(
        model_of(["Noted."]),
        lambda user, session: history_of(bank, session, user),
        history_factory_config=[
            ConfigurableFieldSpec(id=name, annotation=str) for name in ("user", "session")
        ],
    )
    keys = [(user, session) for user in (ALICE, BOB) for session in ("s1", "s2")]

    def talk(key):
        config = {"configurable": dict(zip(("user", "session"), key, strict=True))}
        for number in range(5):
            chain.invoke(f"Secret {number} of {key}", config)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(talk, keys))
    for user, session in keys:
        expected = [(f"Secret {i} of {(user, session)}", "Noted.") for i in range(5)]
        assert plain(history_of(bank, session, user).messages) == pairs(expected)


def test_a_model_that_fails_leaves_nothing_behind(bank):
    chain = remembering(FailsOnce(responses=["Hello!"]), bank)
    with pytest.raises(ConnectionError):
        chain.invoke("Hi", CONFIG)
    assert history_of(bank).messages == []
    chain.invoke("Hi", CONFIG)
    assert words(bank) == [("Hi", "Hello!")]


def test_a_message_without_an_answer_is_a_turn_and_is_completed(bank):
    history = history_of(bank)
    history.add_user_message(FACT[0])
    (waiting,) = turns(bank)
    assert (waiting.query, waiting.response) == (FACT[0], "")
    (question,) = history.messages
    history_of(bank).add_ai_message(FACT[1])
    (whole,) = turns(bank)
    assert (whole.query, whole.response) == FACT
    assert (whole.id, whole.at) == (waiting.id, waiting.at)
    assert history.messages[0] == question


def test_what_is_no_words_between_two_is_not_kept(bank):
    history_of(bank).add_messages(
        [
            SystemMessage("Be kind."),
            HumanMessage("How warm is it?"),
            AIMessage("", tool_calls=[CALL]),
            ToolMessage("5", tool_call_id="call"),
            AIMessage("Let me see.", tool_calls=[CALL]),
            ToolMessage("6", tool_call_id="call"),
            AIMessage([{"type": "text", "text": "Six degrees."}]),
        ]
    )
    history_of(bank).add_messages([AIMessage("Dress warmly.")])
    assert words(bank) == [("How warm is it?", "Let me see.\nSix degrees.\nDress warmly.")]


def test_the_order_is_kept_whoever_speaks(bank):
    image = [{"type": "image", "url": "https://example.com/cat.png"}]
    messages = [
        AIMessage("Good morning!"),
        HumanMessage("Hi"),
        HumanMessage("ok"),
        HumanMessage("ok"),
        AIMessage("ok"),
        HumanMessage(image),
        AIMessage("A cat."),
        HumanMessage(image),
        HumanMessage("再见"),
    ]
    history_of(bank).add_messages(messages)
    expected = [(m.type, m.content) for m in messages if isinstance(m.content, str)]
    assert plain(history_of(bank).messages) == expected
    one_by_one = history_of(bank, "tuesday")
    for message in (m for m in messages if isinstance(m.content, str) and m.content != "A cat."):
        one_by_one.add_message(message)
    assert plain(one_by_one.messages) == [pair for pair in expected if pair[1] != "A cat."]


def test_messages_with_ids_are_taken_once(bank):
    question, answered = HumanMessage(FACT[0], id="h1"), AIMessage(FACT[1], id="a1")
    later, more = HumanMessage("ok", id="h2"), AIMessage("ok", id="a2")
    expected = [FACT, ("ok", "ok")]
    history = history_of(bank)
    for messages in (
        [question],
        [question, answered],
        [question, answered, later],
        [question, answered, later, more],
        [question],
        [answered],
        [later],
        [more],
        [later, AIMessage("ok")],
    ):
        history.add_messages(messages)
    before = turns(bank)
    history.add_messages(history.messages)
    asyncio.run(history.aadd_messages(history.messages))
    assert turns(bank) == before
    assert words(bank) == expected


def test_a_known_message_may_get_further_answers(bank):
    question, history = HumanMessage(FACT[0], id="h1"), history_of(bank)
    history.add_messages([question, AIMessage(FACT[1], id="a1"), question])
    history.add_messages([question, AIMessage("lovely!", id="a2")])
    assert words(bank) == [(FACT[0], f"{FACT[1]}\nlovely!")]
    history.add_messages([HumanMessage("Is it?", id="h2")])
    history.add_messages([AIMessage("lovely!", id="a3")])
    assert words(bank)[1:] == [("Is it?", "lovely!")]


def test_words_without_ids_are_said_as_often_as_they_are_said(bank):
    for _ in range(2):
        history_of(bank).add_messages([HumanMessage("ok"), AIMessage("ok", id="cached")])
    history_of(bank).add_messages([AIMessage("Yes.")])
    history_of(bank).add_messages([AIMessage("ok\nYes.")])  # another writer stored it
    assert words(bank) == [("ok", "ok"), ("ok", "ok\nYes.")]


def test_writers_at_the_same_time_lose_nothing(bank):
    history_of(bank).add_messages([HumanMessage("Report?", id="h")])
    start = threading.Barrier(6)

    def add(number):
        start.wait()
        history_of(bank).add_messages([AIMessage(f"Part {number}")])
        history_of(bank, "tuesday").add_messages(
            [HumanMessage("?", id="h"), AIMessage(f"{number}")]
        )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    parts = [sorted(response.split("\n")) for _, response in words(bank)]
    assert parts == [[f"Part {number}" for number in range(6)], list("012345")]


def test_agents_of_one_conversation_store_the_same_message_each(bank):
    scopes = [{"agent": "a"}, {"agent": "b"}]
    histories = [history_of(bank, metadata=scope, where=scope) for scope in scopes]
    for _ in range(2):
        for history, name in zip(histories, "ab", strict=True):
            messages = [HumanMessage("Hi", id="h"), AIMessage(name, id=name)]
            history.add_messages(messages)
            history.add_messages(history.messages)
    assert words(bank) == [("Hi", "a"), ("Hi", "b")]
    assert [plain(history.messages)[1] for history in histories] == [("ai", "a"), ("ai", "b")]
    histories[0].clear()
    histories[1].add_messages(messages)
    assert words(bank) == [("Hi", "b")]


def test_an_answer_to_nothing_is_said_as_often_as_it_is_said(bank):
    history = history_of(bank)
    for _ in range(3):
        history.add_ai_message("Time to drink water!")
    assert words(bank) == [("", "\n".join(["Time to drink water!"] * 3))]
    greeting = AIMessage("Good morning!", id="g")
    for _ in range(2):
        history_of(bank, "tuesday").add_messages([greeting, HumanMessage("Hi", id="h")])
        history_of(bank, "tuesday").add_messages([greeting])
    assert words(bank, session="tuesday") == [("", "Good morning!"), ("Hi", "")]


def old_turns(bank, talk):
    """Turns that another writer stored a week ago."""
    at = datetime.now(timezone.utc) - timedelta(days=7)
    times = (at + timedelta(minutes=number) for number in range(len(talk)))
    old = [Turn(*pair, time, session="monday") for pair, time in zip(talk, times, strict=True)]
    bank.add(old, user_id=ALICE)


THANKS = ("Thanks!", "You're welcome!")


def with_ids(talk, name):
    return [
        message
        for number, (query, answer) in enumerate(talk)
        for message in (
            HumanMessage(query, id=f"{name}{number}"),
            AIMessage(answer, id=f"{name}{number}a"),
        )
    ]


def test_what_was_said_a_week_ago_can_be_said_again(bank):
    old_turns(bank, [FACT, THANKS])
    history, answer = history_of(bank), THANKS[1]
    history.add_messages([AIMessage(answer)])
    history.add_messages([AIMessage(answer, id="later")])
    history.add_messages(with_ids([THANKS], "new"))
    assert words(bank) == [FACT, (THANKS[0], "\n".join([answer] * 3)), THANKS]


def test_a_copy_of_an_old_conversation_is_stored_once(bank):
    talk = [FACT, ("ok", "ok"), ("ok", "ok"), THANKS]
    old_turns(bank, talk)
    history_of(bank).add_messages(with_ids([*talk, THANKS], "copied"))
    assert words(bank) == [*talk, THANKS]
    cut = with_ids(talk, "cut")[3:]  # begins with an answer
    history_of(bank).add_messages(cut)
    assert words(bank) == [*talk, THANKS]


def test_an_edited_message_takes_the_place_of_the_kept_one(bank):
    history = history_of(bank)
    for text, answer in (("Where is Nroa?", "Who?"), ("Where is Nora?", "In Oslo.")):
        history.add_messages([HumanMessage(text, id="h1"), AIMessage(answer)])
        history.add_messages([HumanMessage("Thanks.", id="h2"), AIMessage("My pleasure.")])
        assert words(bank) == [(text, answer), ("Thanks.", "My pleasure.")]
    question, answer, *_ = history.messages
    history.add_messages([question, answer.model_copy(update={"content": "In Bergen."})])
    assert words(bank)[0] == ("Where is Nora?", "In Bergen.")
    history.add_messages([answer])
    history.add_messages([question.model_copy(update={"content": "Where is she?"})])
    assert words(bank)[0] == ("Where is she?", "")


def test_ids_of_users_and_conversations_may_be_integers_and_uuids(bank):
    for number in (7, UUID(int=7)):
        history_of(bank, number, number).add_user_message("Hi")
        assert plain(history_of(bank, str(number), str(number)).messages) == [("human", "Hi")]


def test_all_turns_of_a_user_are_one_conversation_without_a_session(bank):
    history_of(bank, "monday").add_messages([HumanMessage(FACT[0]), AIMessage(FACT[1])])
    history = history_of(bank, None)
    history.add_messages([HumanMessage("Hi"), AIMessage("Hello!")])
    assert plain(history.messages) == pairs([FACT, ("Hi", "Hello!")])
    history.add_messages(history.messages)
    assert words(bank) == [FACT, ("Hi", "Hello!")]


# Two writers of one conversation.


WITH_MEMORY = ChatPromptTemplate(
    [("system", "{memory}"), ("placeholder", "{history}"), ("human", "{input}")]
)
KEYS = {"input_messages_key": "input", "history_messages_key": "history"}
MESSAGES = RunnableLambda(lambda values: [*values["history"], HumanMessage(values["input"])])


def inner(bank, chain):
    """A history around a chain with memory."""
    return remembering(with_memory(WITH_MEMORY | chain, bank, user_id=ALICE), bank, **KEYS)


def outer(bank, chain):
    """A chain with memory around a history."""
    return with_memory(remembering(WITH_MEMORY | chain, bank, **KEYS), bank, user_id=ALICE)


def inner_messages(bank, chain):
    """A history that gives all messages to a chain with memory."""
    chain = RunnableLambda(lambda values: values["input"]) | chain
    return remembering(with_memory(chain, bank, user_id=ALICE), bank)


def outer_messages(bank, chain):
    """A chain with memory around a history that gives all messages to a model."""
    pick = RunnableLambda(lambda values: [HumanMessage(values["input"])])
    return with_memory(pick | remembering(chain, bank), bank, user_id=ALICE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("combine", [inner, outer, inner_messages, outer_messages])
@pytest.mark.parametrize("parser", [None, StrOutputParser()])
def test_a_history_and_a_chain_with_memory_keep_each_turn_once(bank, way, combine, parser):
    talk = [FACT, ("ok", "ok"), ("ok", "ok"), ("What does Nora play?", "The cello.")]
    prompts = []
    model = model_of(answer for _, answer in talk)
    see = RunnableLambda(lambda prompt: prompts.append(prompt) or prompt)
    chain = combine(bank, see | model | parser if parser else see | model)
    for query, _ in talk:
        value = [HumanMessage(query)] if combine is inner_messages else {"input": query}
        WAYS[way](chain, value, CONFIG)
    assert words(bank) == talk
    last = prompts[-1] if isinstance(prompts[-1], list) else prompts[-1].to_messages()
    assert [message.text for message in last if message.type != "system"] == [
        *(text for pair in talk[:-1] for text in pair),
        talk[-1][0],
    ]


@pytest.mark.parametrize("combine", [inner, outer])
def test_a_retried_turn_stands_in_the_prompt_once(bank, combine):
    prompts = []
    see = RunnableLambda(lambda prompt: prompts.append(prompt) or prompt)
    chain = combine(bank, see | FailsOnce(responses=["Hi!"]))
    with pytest.raises(ConnectionError):
        chain.invoke({"input": "Hello?"}, CONFIG)
    chain.invoke({"input": "Hello?"}, CONFIG)
    assert words(bank) == [("Hello?", "Hi!")]
    assert [prompt.to_string().count("Hello?") for prompt in prompts] == [1, 1]


def test_a_broken_off_stream_is_one_turn(bank):
    chain = inner(bank, model_of(["One two three."]) | StrOutputParser())
    stream = chain.stream({"input": "Count!"}, CONFIG)
    heard = "".join(next(stream) for _ in range(3))
    stream.close()
    assert heard == "One"
    assert words(bank) == [("Count!", "One")]


def test_an_application_that_stores_the_messages_itself(bank):
    history = history_of(bank)
    chain = with_memory(MESSAGES | model_of(["Hi!"]), bank, user_id=ALICE, session="monday")
    history.add_user_message("Hello?")
    answer = chain.invoke({"input": "Hello?", "history": history.messages})
    history.add_ai_message(answer.text)
    assert words(bank) == [("Hello?", "Hi!")]


def test_what_the_application_added_is_part_of_the_conversation(bank):
    bank.add([Turn(*FACT, id="own", session="monday")], user_id=ALICE)
    history = history_of(bank)
    assert [message.id for message in history.messages] == ["own", "own:answer"]
    history.add_messages(history.messages)
    assert words(bank) == [FACT]


def test_the_same_ids_in_two_conversations(bank):
    for session, id in (("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c"), ("周一", "c")):
        history_of(bank, session).add_messages([HumanMessage(session, id=id)])
        assert [(m.content, m.id) for m in history_of(bank, session).messages] == [(session, id)]
    assert len(turns(bank)) == 4


def test_only_the_latest(bank):
    history_of(bank).add_messages([HumanMessage(query) for query, _ in TALK])
    assert plain(history_of(bank, limit=2).messages) == [("human", query) for query, _ in TALK[-2:]]
    latest = history_of(bank, limit=1)
    chain = RunnableWithMessageHistory(model_of(["Bye!"]), lambda _: latest)
    chain.invoke("Good night", CONFIG)
    assert plain(latest.messages) == [("human", "Good night"), ("ai", "Bye!")]
    assert len(turns(bank)) == 11


def test_what_was_archived_was_said_all_the_same(bank):
    history = history_of(bank)
    history.add_messages([HumanMessage(FACT[0]), AIMessage(FACT[1])])
    later = datetime.now(timezone.utc) + timedelta(days=99)
    assert len(bank.forget(user_id=ALICE, now=later).forgotten) == 1
    assert plain(history.messages) == pairs([FACT])
    history.clear()
    assert bank.timeline(user_id=ALICE, archived=True) == []


@pytest.mark.parametrize(
    "clear", [MemoryBankChatMessageHistory.clear, MemoryBankChatMessageHistory.aclear]
)
def test_clear_erases_this_conversation_and_no_other(bank, clear):
    for user, session in ((ALICE, "monday"), (ALICE, "tuesday"), (BOB, "monday")):
        history_of(bank, session, user).add_messages([HumanMessage(f"Cello of {user}, {session}")])
    for _ in range(2):
        done = clear(history_of(bank))
        if done is not None:
            asyncio.run(done)
    assert history_of(bank).messages == []
    results = bank.search("cello", user_id=ALICE)
    assert [result.memory.session for result in results] == ["tuesday"]
    assert len(history_of(bank, "monday", BOB).messages) == 1


def test_the_async_side(bank):
    async def talk():
        history = history_of(bank)
        await history.aadd_messages([HumanMessage(FACT[0])])
        await history.aadd_messages([AIMessage(FACT[1])])
        await history.aadd_messages([])
        await history.aadd_messages([SystemMessage("Be kind.")])
        return await history.aget_messages()

    messages = asyncio.run(talk())
    assert plain(messages) == pairs([FACT])
    assert messages == history_of(bank).messages


@pytest.mark.parametrize(
    "wrong",
    [{"user_id": " "}, {"session": ""}, {"session": 0.5}, {"session": True}, {"limit": 0}],
    ids=str,
)
def test_an_argument_that_cannot_be_is_refused(bank, wrong):
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        history_of(bank, **wrong)
