"""A chain with a memory: it recalls, remembers each turn once, and still streams."""

import asyncio
import gc
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModelError
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import (
    JsonOutputParser,
    PydanticOutputParser,
    StrOutputParser,
)
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import (
    AddableDict,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
)
from langchain_examples import ALICE, BOB, TALK, WAYS, FailsOnce, model_of
from pydantic import BaseModel

from memorybank_core import ConfigurationError, InvalidInputError, MemoryBank, Turn
from memorybank_core.context import OPENING
from memorybank_core.context.markers import CLOSING
from memorybank_langchain.answers import AnswerText
from memorybank_langchain.runnable import recalled, with_memory

PROMPT = ChatPromptTemplate([("system", "You are a friend.\n\n{memory}"), ("human", "{input}")])
ECHO = RunnableLambda(lambda shown: f"{shown['input']} <- {shown['memory']}")
QUESTION = "Which instrument does my sister Nora play?"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def of(user_id, **more):
    return {"configurable": {"user_id": user_id, **more}}


def stored_turns(bank, user_id=ALICE):
    return [(memory.turn.query, memory.turn.response) for memory in bank.timeline(user_id=user_id)]


class Dinner(BaseModel):
    city: str = ""
    guests: list[str] = []
    at: dict = {}


def list_of(way, chain, *args):
    """Return the chunks of a stream."""
    if way == "stream":
        return list(chain.stream(*args))

    async def read():
        return [chunk async for chunk in chain.astream(*args)]

    return asyncio.run(read())


def words(output):
    return output if isinstance(output, str) else output.text


# Stored turns.


@pytest.mark.parametrize("parser", [None, StrOutputParser()])
@pytest.mark.parametrize("way", WAYS)
def test_ten_turns_are_remembered_once_each_with_their_times(bank, way, parser):
    model = model_of(answer for _, answer in TALK)
    inside = PROMPT | model | parser if parser else PROMPT | model
    chain = with_memory(inside, bank, user_id=ALICE)
    times = []
    for query, answer in TALK:
        before = datetime.now(timezone.utc)
        assert words(WAYS[way](chain, {"input": query})) == answer
        times.append((before, datetime.now(timezone.utc)))
    assert stored_turns(bank) == list(TALK)
    for memory, (before, after) in zip(bank.timeline(user_id=ALICE), times, strict=True):
        assert before <= memory.created_at <= after
    shown = with_memory(ECHO, bank, user_id=ALICE).invoke(QUESTION)
    assert shown.startswith(f"{QUESTION} <- {OPENING}")
    assert "My sister Nora plays the cello." in shown
    assert "How lovely!" in shown


@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_raises_keeps_what_the_user_said(bank, way):
    class Broken(FailsOnce):
        def _stream(self, *args, **kwargs):
            raise ConnectionError("the model cannot be reached")
            yield

        async def _astream(self, *args, **kwargs):
            raise ConnectionError("the model cannot be reached")
            yield

    bank.add([Turn("Nora plays the cello.", "", MONDAY, id="cello")], user_id=ALICE)
    chain = with_memory(PROMPT | Broken(responses=["Hi!"]), bank, user_id=ALICE)
    with pytest.raises(ConnectionError):
        WAYS[way](chain, {"input": "Does Nora play?"})
    assert stored_turns(bank)[1:] == [("Does Nora play?", "")]
    assert bank.recalls("cello", user_id=ALICE) == []


def dinner(place="Bergen"):
    """Return JSON that a model writes, and the value that a parser makes of it."""
    value = {"city": place, "guests": ["Nora", "花椒"], "at": {"hour": 19}}
    return json.dumps(value, ensure_ascii=False), value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "parser", [JsonOutputParser(), PydanticOutputParser(pydantic_object=Dinner)]
)
def test_an_answer_that_is_no_text_is_kept_as_json(bank, way, parser):
    text, value = dinner()
    chain = with_memory(PROMPT | model_of([text]) | parser, bank, user_id=ALICE)
    if way in ("stream", "astream"):  # the parser repeats the value, a little longer each time
        *_, answer = list_of(way, chain, "Where do we dine?")
    else:
        answer = WAYS[way](chain, "Where do we dine?")
    assert (answer if isinstance(answer, dict) else answer.model_dump()) == value
    assert stored_turns(bank) == [("Where do we dine?", text)]


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        ([["a"], ["b", "c"]], '["a", "b", "c"]'),
        ([[], ["a"], ["ab"], ["ab", 1]], '["ab", 1]'),
        (
            [AddableDict(n=1), AddableDict(words="o"), AddableDict(words="wl")],
            '{"n": 1, "words": "owl"}',
        ),
        ([{"context": [Document("x")]}, {"answer": "o"}, {"answer": "wl"}], "owl"),
        ([{"reply": "哈"}, {"reply": "哈"}, {"reply": "哈哈"}, {"reply": "！"}], "哈哈哈哈！"),
        ([{"reply": [1]}, {"reply": [1, 2]}], "[1, 2]"),
        ([[{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "owl"}]], "owl"),
        (
            [[{"type": "reasoning", "summary": []}, "ow", {"type": "output_text", "text": "l"}]],
            "ow",
        ),
        ([[{"type": "text", "text": "owl"}, {"type": "file", "base64": "QUJD"}]], "owl"),
        ([[{"type": "image", "base64": "QUJD", "mime_type": "image/png"}]], ""),
        ([[{"type": "bird", "name": "owl"}]], '[{"type": "bird", "name": "owl"}]'),
        ([["owl", "jay"]], '["owl", "jay"]'),
        ([{"input": "Q", "answer": HumanMessage("owl")}], "owl"),
        ([{"messages": [HumanMessage("Q"), AIMessage("owl"), AIMessage("")]}], "owl"),
        ([MONDAY], '"2024-03-04 09:00:00+00:00"'),
        ([{("a", 1): 2, 3: {4}}], "{('a', 1): 2, 3: {4}}"),
        ([7], "7"),
        ([None], ""),
        ([], ""),
    ],
)
def test_every_answer_has_a_text(chunks, text):
    answer = AnswerText("output", {"input": "Q"})
    for chunk in chunks:
        answer.add(AddableDict(chunk) if isinstance(chunk, dict) else chunk)
    assert answer.text == text


def test_an_input_may_be_content_blocks(bank):
    blocks = [{"type": "text", "text": QUESTION}, {"type": "file", "base64": "QUJD"}]
    with_memory(RunnableLambda(lambda values: "The cello."), bank, user_id=ALICE).invoke(blocks)
    assert stored_turns(bank) == [(QUESTION, "The cello.")]


def test_a_talk_goes_on_after_a_model_that_raised_once(bank):
    chain = with_memory(PROMPT | FailsOnce(responses=["Hi!"]), bank, user_id=ALICE)
    with pytest.raises(ConnectionError):
        chain.invoke("Hello?")
    assert chain.invoke("Hello again?").text == "Hi!"
    assert stored_turns(bank) == [("Hello?", ""), ("Hello again?", "Hi!")]


def test_a_retry_inside_remembers_the_turn_once(bank):
    inside = (PROMPT | FailsOnce(responses=["Hi!"])).with_retry(wait_exponential_jitter=False)
    assert with_memory(inside, bank, user_id=ALICE).invoke("Hello?").text == "Hi!"
    assert stored_turns(bank) == [("Hello?", "Hi!")]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_recalled_is_strengthened_once(bank, way):
    bank.add([Turn("Nora plays the cello.", "", MONDAY, id="cello")], user_id=ALICE)
    chain = with_memory(PROMPT | model_of(["The cello."]), bank, user_id=ALICE)
    WAYS[way](chain, {"input": "What does Nora play?"})
    cello, question = bank.timeline(user_id=ALICE)
    assert (cello.recalls, question.recalls) == (1, 0)
    assert question.text == "What does Nora play?\nThe cello."


def test_what_was_recalled_is_never_remembered_again(bank):
    bank.add([Turn("Nora plays the cello.", "", MONDAY)], user_id=ALICE)
    with_memory(ECHO, bank, user_id=ALICE).invoke("What does Nora play?")
    assert stored_turns(bank)[1] == ("What does Nora play?", "What does Nora play? <-")


def test_the_session_is_the_threads(bank):
    chain = with_memory(PROMPT | model_of(["Hi!"]), bank)
    chain.invoke("One.", config=of(ALICE, thread_id="t-1"))
    chain.invoke("Two.", config=of(ALICE, session_id=7))
    chain.invoke("Three.", config=of(ALICE))
    with_memory(ECHO, bank, session="fixed").invoke("Four.", config=of(ALICE, thread_id="t-1"))
    days = datetime.now(timezone.utc).date().isoformat()
    sessions = [memory.session for memory in bank.timeline(user_id=ALICE)]
    assert sessions == ["t-1", "7", days, "fixed"]


# Streaming.


def test_the_first_piece_comes_before_the_last_is_made(bank):
    made = []

    def speak(inputs):
        for _ in inputs:
            for piece in ("One ", "two ", "three."):
                made.append(piece)
                yield piece

    stream = with_memory(PROMPT | RunnableGenerator(speak), bank, user_id=ALICE).stream("Count!")
    assert next(stream) == "One "
    assert made == ["One "]
    assert stored_turns(bank) == [("Count!", "")]
    assert list(stream) == ["two ", "three."]
    assert stored_turns(bank) == [("Count!", "One two three.")]


def test_the_first_piece_comes_before_the_last_is_made_when_async(bank):
    made = []

    async def speak(inputs):
        async for _ in inputs:
            for piece in ("One ", "two."):
                made.append(piece)
                yield piece

    async def talk():
        chain = with_memory(PROMPT | RunnableGenerator(speak), bank, user_id=ALICE)
        stream = chain.astream("Count!")
        assert await anext(stream) == "One "
        assert made == ["One "]
        assert stored_turns(bank) == [("Count!", "")]
        return [piece async for piece in stream]

    assert asyncio.run(talk()) == ["two."]
    assert stored_turns(bank) == [("Count!", "One two.")]


def test_a_stream_that_nobody_reads_on_leaves_what_was_read(bank):
    bank.add([Turn("You can count.", "", MONDAY, id="count")], user_id=ALICE)
    inside = PROMPT | model_of(["One two three."]) | StrOutputParser()
    for piece in with_memory(inside, bank, user_id=ALICE).stream("Can you count?"):
        if piece == "e":
            break
    gc.collect()
    assert stored_turns(bank)[1] == ("Can you count?", "One")
    assert len(bank.recalls("count", user_id=ALICE)) == 1


def test_a_stream_that_a_step_behind_it_reads_to_the_end_is_whole(bank):
    inside = with_memory(PROMPT | model_of(["One two three."]), bank, user_id=ALICE)
    stream = (inside | StrOutputParser()).stream("Count!")
    assert next(stream) == "O"
    stream.close()  # LangChain reads on what a step was given
    assert stored_turns(bank) == [("Count!", "One two three.")]


@pytest.mark.parametrize("parser", [None, StrOutputParser()])
def test_an_async_stream_that_nobody_reads_on_leaves_what_was_read(bank, parser):
    chain = with_memory(PROMPT | model_of(["One two three."]), bank, user_id=ALICE)

    async def talk():
        heard = ""
        async for piece in (chain | parser if parser else chain).astream("Count!"):
            heard += words(piece)
            if heard == "One":
                break

    asyncio.run(talk())
    assert stored_turns(bank) == [("Count!", "One")]


def test_a_stream_that_is_cancelled_leaves_what_was_said(bank):
    async def speak(inputs):
        async for _ in inputs:
            yield "One "
            await asyncio.sleep(60)
            yield "two."

    async def listen(heard):
        chain = with_memory(PROMPT | RunnableGenerator(speak), bank, user_id=ALICE)
        async for _ in chain.astream("Count!"):
            heard.set()

    async def talk():
        heard = asyncio.Event()
        task = asyncio.create_task(listen(heard))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(talk())
    assert stored_turns(bank) == [("Count!", "One ")]


def test_a_stream_that_breaks_off_before_a_word_leaves_what_the_user_said(bank):
    stream = with_memory(PROMPT | model_of(["One"]), bank, user_id=ALICE).stream("Count!")
    stream.close()
    assert stored_turns(bank) == []  # nothing was asked yet

    def speak(inputs):
        yield from ("" for _ in inputs)
        yield "never read"

    stream = with_memory(PROMPT | RunnableGenerator(speak), bank, user_id=ALICE).stream("Count!")
    next(stream)
    stream.close()
    assert stored_turns(bank) == [("Count!", "")]


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_fails_leaves_no_half_answer(bank, way):
    model = FakeListChatModel(responses=["One two"], error_on_chunk_number=4)
    with pytest.raises(FakeListChatModelError):
        WAYS[way](with_memory(PROMPT | model, bank, user_id=ALICE), "Count!")
    assert stored_turns(bank) == [("Count!", "")]


def test_it_streams_in_the_middle_of_a_chain_and_emits_events(bank):
    inside = with_memory(PROMPT | model_of(["One two"]), bank, user_id=ALICE)
    chain = RunnableLambda(str.strip) | inside | StrOutputParser()
    assert list(chain.stream(" Count! ")) == list("One two")

    async def events():
        return [event["event"] async for event in chain.astream_events(" Again! ", version="v2")]

    assert asyncio.run(events()).count("on_chat_model_stream") == len("One two")
    assert stored_turns(bank) == [("Count!", "One two"), ("Again!", "One two")]


# Inputs and outputs.


@pytest.mark.parametrize(
    "input",
    [
        "Hello?",
        HumanMessage("Hello?"),
        [AIMessage("Yes?"), HumanMessage("Hello?"), AIMessage("...")],
        [("ai", "Yes?"), ("human", "Hello?")],
        {"input": "Hello?"},
        {"input": [{"role": "user", "content": "Hello?"}], "topic": "greetings"},
    ],
)
def test_the_users_words_are_found_in_an_input(bank, input):
    seen = []
    chain = RunnableLambda(lambda shown: seen.append(shown) or "Hi!")
    with_memory(chain, bank, user_id=ALICE).invoke(input)
    assert stored_turns(bank) == [("Hello?", "Hi!")]
    assert seen == [{**(input if isinstance(input, dict) else {"input": input}), "memory": ""}]


@pytest.mark.parametrize(
    "answer", ["Hi!", AIMessage("Hi!"), {"output": "Hi!", "n": 1}, {"output": AIMessage("Hi!")}]
)
@pytest.mark.parametrize("way", WAYS)
def test_the_answer_is_found_in_an_output(bank, answer, way):
    chain = with_memory(RunnableLambda(lambda _: answer), bank, user_id=ALICE)
    assert WAYS[way](chain, "Hello?") == answer
    assert stored_turns(bank) == [("Hello?", "Hi!")]


def test_keys_have_other_names_where_one_likes(bank):
    bank.add([Turn("Nora plays the cello.", "", MONDAY)], user_id=ALICE)
    inside = PromptTemplate.from_template("{about} {question}") | (
        lambda value: {"answer": value.text}
    )
    keys = {"input_key": "question", "memory_key": "about", "output_key": "answer"}
    answer = with_memory(inside, bank, user_id=ALICE, **keys).invoke({"question": "Nora?"})
    assert "cello" in answer["answer"]
    assert stored_turns(bank)[1][0] == "Nora?"


def test_a_message_without_words_is_answered_all_the_same(bank):
    picture = HumanMessage([{"type": "image", "url": "https://example.com/cat.png"}])
    chain = with_memory(RunnableLambda(lambda _: "A cat!"), bank, user_id=ALICE)
    assert chain.invoke({"input": [picture]}) == "A cat!"
    assert stored_turns(bank) == [("", "A cat!")]


@pytest.mark.parametrize("input", [{"question": "Hello?"}, {"input": 7}, 7])
def test_an_input_without_a_user_message_is_rejected(bank, input):
    with pytest.raises(InvalidInputError, match=r"input_key|a string or messages"):
        with_memory(ECHO, bank, user_id=ALICE).invoke(input)
    assert stored_turns(bank) == []


def test_a_prompt_without_a_place_for_the_memory_is_refused_at_once(bank):
    prompt = ChatPromptTemplate([("human", "{input}")])
    for chain in (prompt, prompt | model_of(["Hi!"])):
        with pytest.raises(ConfigurationError, match=r"no variable \{memory\}.*only \['input'\]"):
            with_memory(chain, bank)


def test_braces_in_a_memory_are_only_words(bank):
    bank.add([Turn("My sign is {input} {stranger}.", "", MONDAY)], user_id=ALICE)
    chain = with_memory(PROMPT | (lambda value: value.to_string()), bank, user_id=ALICE)
    assert "{input} {stranger}" in chain.invoke("What is my sign?")


def test_no_more_is_recalled_than_there_is_room_for(bank):
    bank.add([Turn(f"Cello number {n}.", "", MONDAY) for n in range(9)], user_id=ALICE)
    two = with_memory(ECHO, bank, user_id=ALICE, k=2).invoke("cello")
    assert two.count("Cello number") == 2
    assert OPENING not in with_memory(ECHO, bank, user_id=ALICE, max_tokens=9).invoke("cello")


# The user.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("config", [{}, of(None), of(""), of(7.5)])
def test_without_a_user_nothing_is_asked(bank, way, config):
    calls = []
    chain = with_memory(RunnableLambda(calls.append), bank)
    with pytest.raises(InvalidInputError, match="user_id"):
        WAYS[way](chain, "Hello?", config)
    assert calls == []
    assert bank.users() == []


def test_a_wrong_user_is_refused_at_once(bank):
    with pytest.raises(InvalidInputError, match="user_id"):
        with_memory(ECHO, bank, user_id=" ")
    with pytest.raises(InvalidInputError, match="user_id"):
        recalled(bank, user_id="")


def test_two_users_at_once_through_one_chain(bank):
    chain = with_memory(ECHO, bank, k=50)
    users = [ALICE, BOB] * 10
    for user, canary in ((ALICE, "canary-a"), (BOB, "canary-b")):
        bank.add([Turn(f"My secret is {canary}.", "", MONDAY)], user_id=user)
    question = "What is my secret?"
    configs = [of(user, thread_id=str(number)) for number, user in enumerate(users * 3)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda config: chain.invoke(question, config), configs[:20]))
    answers += chain.batch([question] * 20, configs[20:40])

    async def together():
        return await asyncio.gather(*(chain.ainvoke(question, config) for config in configs[40:]))

    answers += asyncio.run(together())
    for answer in answers[::2]:
        assert "canary-a" in answer
        assert "canary-b" not in answer
    for answer in answers[1::2]:
        assert "canary-b" in answer
        assert "canary-a" not in answer
    assert len(stored_turns(bank, ALICE)) == len(stored_turns(bank, BOB)) == 31


def test_threads_that_talk_at_once_lose_no_turn(bank):
    model = GenericFakeChatModel(messages=iter(["Hi!"] * 40))
    chain = with_memory(PROMPT | model, bank)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: chain.invoke(f"Turn {n}.", of(ALICE)), range(40)))
    assert sorted(stored_turns(bank)) == sorted((f"Turn {n}.", "Hi!") for n in range(40))


# The function `recalled`.


@pytest.mark.parametrize("way", WAYS)
def test_recalled_is_a_step_that_only_reads(bank, way):
    bank.add([Turn("Nora plays the cello.", "", MONDAY + timedelta(1))], user_id=ALICE)
    before = bank.timeline(user_id=ALICE)
    chain = RunnablePassthrough.assign(memory=recalled(bank)) | PROMPT | (lambda it: it.to_string())
    answer = WAYS[way](chain, {"input": "What does Nora play?"}, of(ALICE))
    assert answer.startswith(f"System: You are a friend.\n\n{OPENING}")
    assert "- 2024-03-05\n  User: Nora plays the cello." in answer
    assert bank.timeline(user_id=ALICE) == before
    with pytest.raises(InvalidInputError, match="user_id is missing"):
        WAYS[way](chain, {"input": "What does Nora play?"})


# The latest turns, as messages.


FRIEND = ChatPromptTemplate(
    [("system", "{memory}"), ("placeholder", "{history}"), ("human", "{input}")]
)


def talking(bank, **options):
    """Return a chain that answers with its prompt."""
    shown = FRIEND | RunnableLambda(
        lambda prompt: "\n".join(message.text for message in prompt.messages)
    )
    return with_memory(shown, bank, history_key="history", **options)


def test_the_latest_turns_stand_as_they_were_and_are_not_recalled_too(bank):
    lessons = [
        Turn(f"My cello lesson number {n}.", "Ah.", MONDAY + timedelta(days=n), session="cello")
        for n in range(4)
    ]
    bank.add(lessons, user_id=ALICE)
    chain = talking(bank, user_id=ALICE, recent=2, session="cello")
    recalled, shown = chain.invoke("When was my cello lesson?").split(CLOSING)
    assert [f"number {n}" in shown for n in range(4)] == [False, False, True, True]
    assert [f"number {n}" in recalled for n in range(4)] == [True, True, False, False]


def test_without_a_session_the_conversation_is_the_days(bank):
    bank.add([Turn("I tuned my cello.", "Ah.", MONDAY)], user_id=ALICE)
    chain = talking(bank, user_id=ALICE)
    chain.invoke("Good morning.")
    recalled, shown = chain.invoke("What did I tune?").split(CLOSING)
    assert ("cello" in recalled, "cello" in shown, "Good morning." in shown) == (True, False, True)


def test_only_turns_of_the_same_conversation_are_shown(bank):
    chain = talking(bank, user_id=ALICE)
    chain.invoke("I play the cello.", of(ALICE, thread_id="one"))
    assert "cello" in chain.invoke("What do I play?", of(ALICE, thread_id="one"))
    other = chain.invoke("Hello.", of(ALICE, thread_id="two"))
    assert other.endswith("Hello.")
    assert "\nI play the cello.\n" not in other


def test_the_latest_turns_that_are_archived_are_shown(bank):
    chain = talking(bank, user_id=ALICE)
    chain.invoke("I play the cello.", of(ALICE, thread_id=0))
    bank.archive([memory.id for memory in bank.timeline(user_id=ALICE)], user_id=ALICE)
    assert "I play the cello." in chain.invoke("Hello.", of(ALICE, thread_id=0))
    assert {m.session for m in bank.timeline(user_id=ALICE, archived=True)} == {"0"}


def test_a_prompt_without_a_place_for_the_latest_turns_is_refused(bank):
    with pytest.raises(ConfigurationError, match=r"no variable \{history\}"):
        with_memory(PROMPT | ECHO, bank, history_key="history")


def test_on_recall_receives_the_context_before_the_chain_is_called(bank):
    contexts = []
    bank.add([Turn("My sister Nora plays the cello.", "Lovely!", MONDAY, "nora")], user_id=ALICE)
    inner = RunnableLambda(lambda values: f"{len(contexts)} recalled")
    chain = with_memory(inner, bank, user_id=ALICE, on_recall=contexts.append)
    assert chain.invoke(QUESTION) == "1 recalled"
    assert [context.ids for context in contexts] == [("nora",)]
