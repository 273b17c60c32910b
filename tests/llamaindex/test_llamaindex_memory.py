"""The memory for LlamaIndex engines and agents, in real ones, on a real file."""

import asyncio
import json
import pickle
from datetime import datetime, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.workflow import (
    Context,
    HumanResponseEvent,
    InputRequiredEvent,
    JsonSerializer,
)
from llamaindex_examples import (
    AGENTS,
    ALICE,
    BOB,
    ENGINES,
    FACT,
    IGNORED_WARNINGS,
    QUESTION,
    TALK,
    WAYS,
    Scripted,
    function_agent,
    script,
)

from memorybank_core import (
    ConfigurationError,
    HashingEmbedder,
    MemoryBank,
    Turn,
)
from memorybank_core.context import CLOSING, OPENING
from memorybank_core.registry import stored_embedder
from memorybank_llamaindex.memory import MemoryBankMemory

pytestmark = IGNORED_WARNINGS
USER, AI = MessageRole.USER, MessageRole.ASSISTANT


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


@pytest.fixture
def talked(bank):
    """A bank with the ten turns, in an earlier conversation."""
    for query, response in TALK:
        bank.add([Turn(query, response, session="earlier")], user_id=ALICE)
    return bank


def memory_of(bank, user_id=ALICE, **options):
    return MemoryBankMemory.from_defaults(bank=bank, user_id=user_id, **options)


def user(words):
    return ChatMessage(words, role=USER)


def ai(words, **kwargs):
    return ChatMessage(words, role=AI, additional_kwargs=kwargs)


def words(messages):
    return [message.content for message in messages]


def stored_turns(bank, user_id=ALICE, **which):
    turns = [memory.turn for memory in bank.timeline(user_id=user_id, kind="turn", **which)]
    return [(turn.query, turn.response) for turn in turns]


def recalls(bank, user_id=ALICE):
    return {
        memory.turn.query: memory.recalls for memory in bank.timeline(user_id=user_id, kind="turn")
    }


def revived(memory):
    """Return the memory after a round trip through JSON."""
    return MemoryBankMemory.from_dict(json.loads(json.dumps(memory.to_dict())))


def run(agent, query, memory, **options):
    async def ran():
        return str((await agent.run(user_msg=query, memory=memory, **options)).response.content)

    return asyncio.run(ran())


def assert_timed(bank, started_at):
    times = [memory.created_at for memory in bank.timeline(user_id=ALICE, kind="turn")]
    assert started_at <= times[0]
    assert times == sorted(set(times))
    assert times[-1] <= datetime.now(timezone.utc)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ENGINES)
def test_ten_turns_with_an_engine_are_kept_once_each_and_recalled(tmp_path, kind, way):
    file, started_at = tmp_path / "friend.db", datetime.now(timezone.utc)
    with MemoryBank.open(file, embedder="hashing") as bank:
        model = Scripted(answers=[answer for _, answer in TALK])
        engine = ENGINES[kind](model, memory_of(bank, session="monday", k=1))
        assert [WAYS[way](engine, query) for query, _ in TALK] == [answer for _, answer in TALK]
        assert stored_turns(bank, session="monday") == list(TALK)
        assert words(engine.chat_history) == [text for turn in TALK for text in turn]
        assert_timed(bank, started_at)
    with MemoryBank.open(file, embedder="hashing") as bank:
        model = Scripted(answers=["The cello."])
        engine = ENGINES[kind](model, memory_of(bank, session="tuesday", k=1))
        assert WAYS[way](engine, QUESTION) == "The cello."
        prompt = "\n".join(words(model.seen[0]))
        assert prompt.count(OPENING) == prompt.count(FACT) == 1
        assert recalls(bank) == {
            query: int(query == FACT) for query in [*(query for query, _ in TALK), QUESTION]
        }
        assert stored_turns(bank)[-1] == (QUESTION, "The cello.")


@pytest.mark.parametrize("kind", AGENTS)
def test_ten_turns_with_an_agent_are_kept_once_each_and_recalled(tmp_path, kind):
    file, started_at = tmp_path / "friend.db", datetime.now(timezone.utc)
    with MemoryBank.open(file, embedder="hashing") as bank:
        lines = [script(kind, answer, i) for i, (_, answer) in enumerate(TALK)]
        agent = AGENTS[kind](Scripted(answers=[line for turn in lines for line in turn]))
        memory = memory_of(bank, session="monday", k=1)
        assert [run(agent, query, memory) for query, _ in TALK] == [answer for _, answer in TALK]
        assert stored_turns(bank) == list(TALK)
        assert_timed(bank, started_at)
    with MemoryBank.open(file, embedder="hashing") as bank:
        model = Scripted(answers=script(kind, "The cello.", 3))
        memory = memory_of(bank, session="tuesday", k=1)
        assert run(AGENTS[kind](model), QUESTION, memory) == "The cello."
        assert len(model.seen) == 2
        for prompt in model.seen:
            assert prompt[1].role == USER  # the caller's system message stays first
            assert prompt[1].content.startswith(f"{QUESTION}\n\n{OPENING}")
            assert prompt[1] == model.seen[0][1]
        assert recalls(bank)[FACT] == 1
        assert stored_turns(bank)[-1] == (QUESTION, "The cello.")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # its stream
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ENGINES)
def test_a_model_that_fails_once(talked, kind, way):
    model = Scripted(answers=[ConnectionError("down"), "The cello."])
    engine = ENGINES[kind](model, memory_of(talked, session="now", k=1))
    with pytest.raises(ConnectionError):
        WAYS[way](engine, QUESTION)
    kept = stored_turns(talked, session="now")
    assert kept == ([(QUESTION, "")] if kind == "simple" else kept)
    WAYS[way](engine, QUESTION)
    assert stored_turns(talked, session="now") == [(QUESTION, "The cello.")]
    assert recalls(talked)[FACT] == 1


def test_an_agent_whose_model_fails_once(talked):
    model = Scripted(answers=[ConnectionError("down"), "The cello."])
    agent, memory = function_agent(model), memory_of(talked, session="now", k=1)
    with pytest.raises(ConnectionError):
        run(agent, QUESTION, memory)
    assert stored_turns(talked, session="now") == [(QUESTION, "")]
    run(agent, QUESTION, memory)
    assert stored_turns(talked, session="now") == [(QUESTION, "The cello.")]
    assert recalls(talked)[FACT] == 1


def test_a_user_message_is_stored_when_it_is_put_and_the_answer_with_it(bank):
    memory = memory_of(bank)
    memory.put(user(FACT))
    [first] = bank.timeline(user_id=ALICE)
    memory.put(ai("How lovely!"))
    [second] = bank.timeline(user_id=ALICE)
    assert (first.id, first.created_at) == (second.id, second.created_at)
    assert stored_turns(bank) == [(FACT, "How lovely!")]
    asyncio.run(memory.aput_messages([user("ok"), ai("ok"), ai("Right."), user("ok"), ai("ok")]))
    assert stored_turns(bank) == [(FACT, "How lovely!"), ("ok", "ok\nRight."), ("ok", "ok")]


def test_many_gets_in_a_turn_are_one_recall(talked, monkeypatch):
    memory, searches = memory_of(talked, session="now", k=1), []
    search = talked.search
    monkeypatch.setattr(talked, "search", lambda *a, **b: searches.append(a) or search(*a, **b))
    memory.put(user(QUESTION))
    first = memory.get()
    assert words(asyncio.run(memory.aget())) == words(memory.get(input=QUESTION)) == words(first)
    assert words(memory.get(user(QUESTION))) == words(first)
    assert (len(searches), recalls(talked)[FACT]) == (1, 0)
    memory.put(ai("The cello."))
    assert words(memory.get())[:1] == words(first)
    assert (len(searches), recalls(talked)[FACT]) == (1, 1)
    memory.put(user(QUESTION))
    memory.get()
    memory.put(ai("The cello."))
    assert (len(searches), recalls(talked)[FACT]) == (2, 2)


def test_where_the_block_stands(talked):
    memory = memory_of(talked, session="now", k=1)
    [alone] = memory.get(input=QUESTION)
    assert alone.role == MessageRole.SYSTEM
    assert FACT in alone.content
    system = ChatMessage("Be kind.", role=MessageRole.SYSTEM)
    memory.put_messages([system, user("Hello"), ai("Hi!")])
    messages = memory.get(input=QUESTION)
    assert [message.role for message in messages] == [MessageRole.SYSTEM, USER, AI]
    assert messages[0].content.startswith(f"Be kind.\n\n{OPENING}")
    memory.put(user(QUESTION))
    messages = memory.get()
    assert words(messages)[:3] == ["Be kind.", "Hello", "Hi!"]
    assert messages[-1].content.startswith(f"{QUESTION}\n\n{OPENING}")
    assert messages[-1].content.endswith(CLOSING)
    messages[-1].blocks[0].text = "changed"
    assert words(memory.get_all()) == ["Be kind.", "Hello", "Hi!", QUESTION]


def test_what_is_shown_is_not_recalled_too(bank):
    memory = memory_of(bank)
    memory.put_messages([user(FACT), ai("How lovely!"), user(QUESTION)])
    assert "".join(words(memory.get())).count(FACT) == 1


def test_recalled_text_that_comes_back_is_not_kept(talked):
    memory = memory_of(talked, session="now")
    [block] = words(memory.get(input=QUESTION))
    memory.put_messages([user(f"Why this?\n{block}"), ai(f"{block}\nBecause.")])
    assert stored_turns(talked, session="now") == [("Why this?", "Because.")]


def test_a_call_is_never_cut_from_its_result(bank):
    memory = memory_of(bank, token_limit=90, tokenizer=str.split)
    for number in range(8):
        call = {"id": str(number), "type": "function", "function": {"name": "f", "arguments": ""}}
        result = ChatMessage(
            "word " * 12, role=MessageRole.TOOL, additional_kwargs={"tool_call_id": str(number)}
        )
        memory.put_messages([user(f"ask {number}"), ai("Wait.", tool_calls=[call]), result])
        shown = [message.role for message in memory.get()]
        assert shown == [USER, AI, MessageRole.TOOL, AI] * (len(shown) // 4) + shown[-3:]
        memory.put(ai(f"answer {number}"))
    assert len(shown) == 4 * 2 + 3
    assert len(memory.conversation.turns) == 3  # what it carries is bounded, too
    assert stored_turns(bank) == [(f"ask {i}", f"answer {i}") for i in range(8)]
    assert words(memory.get_all())[:2] == ["ask 0", "answer 0"]
    huge = "word " * 500
    memory.put(user(huge))
    assert memory.get()[0].content.startswith(huge)


def test_an_image_without_words_is_shown_and_its_answer_kept(bank):
    memory = memory_of(bank)
    picture = ImageBlock(image=b"\x89PNG\r\n\x1a\n", image_mimetype="image/png")
    memory.put(ChatMessage(role=USER, blocks=[picture]))
    assert stored_turns(bank) == []
    again = revived(memory)
    again.put(ai("A boat."))
    assert stored_turns(bank) == [("", "A boat.")]
    shown = again.get_all()[0].blocks[0]
    assert shown.resolve_image().read() == memory.get()[0].blocks[0].resolve_image().read()


def test_two_users_and_sessions_at_once(bank):
    places = [(ALICE, "one"), (ALICE, "two"), (BOB, "one")]
    engines = [
        ENGINES["simple"](Scripted(answers=["Noted."] * 5), memory_of(bank, who, session=session))
        for who, session in places
    ]

    async def talk(number):
        for turn in range(5):
            await engines[number].achat(f"My secret number {turn} is canary{number}.")

    async def all_talk():
        await asyncio.gather(*map(talk, range(3)))

    asyncio.run(all_talk())
    for number, (who, session) in enumerate(places):
        kept = [(f"My secret number {i} is canary{number}.", "Noted.") for i in range(5)]
        assert stored_turns(bank, who, session=session) == kept
        assert len(engines[number].chat_history) == 10
        prompts = str([words(prompt) for prompt in engines[number]._llm.seen])
        assert ("canary2" in prompts) == (who == BOB)
        assert bool({"canary0", "canary1"} & set(prompts.replace(".", " ").split())) == (
            who == ALICE
        )


def test_after_a_restart_the_conversation_goes_on(bank):
    memory_of(bank, session="s").put_messages([user("Hello"), ai("Hi!"), user("I am Alice.")])
    again = memory_of(bank, session="s")
    assert words(again.get_all()) == ["Hello", "Hi!", "I am Alice."]
    again.put(ai("Welcome!"))
    assert stored_turns(bank) == [("Hello", "Hi!"), ("I am Alice.", "Welcome!")]
    assert memory_of(bank, session="other").get_all() == []


@pytest.mark.parametrize("way", [lambda m: m.reset(), lambda m: asyncio.run(m.areset())])
def test_reset_begins_a_conversation_and_forgets_nothing(bank, way):
    memory = memory_of(bank, k=1)
    memory.put_messages([user(FACT), ai("How lovely!")])
    way(memory)
    assert memory.get_all() == []
    memory.put_messages([user(QUESTION), ai("The cello.")])
    assert words(memory.get_all()) == [QUESTION, "The cello."]
    assert FACT in memory.get()[0].content  # recalled
    again = memory_of(bank)  # after a restart, too
    assert words(again.get_all()) == [QUESTION, "The cello."]
    again.put(user("Right."))
    assert words(memory_of(bank).get_all()) == [QUESTION, "The cello.", "Right."]


def test_reset_by_an_engine(bank):
    engine = SimpleChatEngine.from_defaults(llm=Scripted(answers=["Hi!"]), memory=memory_of(bank))
    engine.chat("Hello")
    engine.reset()
    assert engine.chat_history == []
    assert stored_turns(bank) == [("Hello", "Hi!")]


def test_a_caller_who_brings_the_history_each_time(bank):
    history, model = [], Scripted(answers=[answer for _, answer in TALK])
    for query, answer in TALK:
        engine = SimpleChatEngine.from_defaults(llm=model, memory=memory_of(bank))
        engine.chat(query, chat_history=history)
        history = [*history, user(query), ai(answer)]
        assert words(engine.chat_history) == words(history)
    assert stored_turns(bank) == list(TALK)
    assert str(words(model.seen[-1])).count(FACT) == 1


def test_an_agent_that_is_given_a_history_alone(bank):
    agent, memory = function_agent(Scripted(answers=["How lovely!"])), memory_of(bank)

    async def ran():
        await agent.run(chat_history=[user("Hello"), ai("Hi!"), user(FACT)], memory=memory)

    asyncio.run(ran())
    assert stored_turns(bank) == [(FACT, "How lovely!")]
    assert words(memory.get_all()) == ["Hello", "Hi!", FACT, "How lovely!"]


def test_what_is_deleted_is_not_shown(bank):
    memory = memory_of(bank)
    memory.put_messages([user(FACT), ai("How lovely!"), user("Hello"), ai("Hi!")])
    doomed = bank.timeline(user_id=ALICE)[0].id
    bank.delete(user_id=ALICE, ids=[doomed])
    assert words(memory.get_all()) == ["Hello", "Hi!"]
    memory.put(user("What do you know?"))
    assert FACT not in str(words(memory.get()))
    bank.delete(user_id=ALICE)
    assert memory.get() == []


def test_the_answer_to_what_was_deleted_stands_alone(bank):
    memory = memory_of(bank)
    memory.put_messages([user("Hello"), ai("Hi!"), user("My PIN is 1234.")])
    bank.delete(user_id=ALICE, ids=[bank.timeline(user_id=ALICE)[-1].id])
    memory.put(ai("Forgotten."))
    assert stored_turns(bank) == [("Hello", "Hi!"), ("", "Forgotten.")]
    assert words(memory.get_all()) == ["Hello", "Hi!", "Forgotten."]


def test_what_is_deleted_within_a_turn_leaves_the_recall(talked):
    memory = memory_of(talked, session="now")
    memory.put(user(QUESTION))
    assert FACT in memory.get()[0].content
    fact = talked.search(FACT, user_id=ALICE, k=1)[0].memory
    talked.delete(user_id=ALICE, ids=[fact.id])
    assert FACT not in memory.get()[0].content


@pytest.mark.parametrize("way", [lambda m: m.clear(), lambda m: asyncio.run(m.aclear())])
def test_clear_erases_the_session_or_everything(talked, way):
    memory = memory_of(talked, session="now")
    memory.put(user("The budget is due."))
    way(memory)
    way(memory)
    assert (memory.get_all(), stored_turns(talked)) == ([], list(TALK))
    way(memory_of(talked))
    assert stored_turns(talked) == []


def test_from_json_the_bank_is_opened_when_it_is_needed(place):
    with MemoryBank.open(place, embedder="hashing", timezone="Europe/Oslo", language="zh") as bank:
        memory = memory_of(bank, session="s", k=2)
        memory.put(user(FACT))
        memory.get()
        kept = memory.to_dict()
        assert revived(memory).bank is bank
    again = revived(memory)
    assert again.to_dict() == kept
    assert again._bank is None
    again.put(ai("How lovely!"))
    with again.bank as bank:
        assert (bank.language, bank.timezone.key) == ("zh", "Europe/Oslo")
        assert stored_turns(bank, session="s") == [(FACT, "How lovely!")]


def test_an_embedder_that_has_no_name_must_be_at_hand(tmp_path):
    class Own(HashingEmbedder):
        def __init__(self):
            super().__init__()
            self.name = "my-own"

    file = tmp_path / "friend.db"
    with MemoryBank.open(file, embedder=Own()) as bank:
        memory = memory_of(bank)
        memory.put(user(FACT))
    with pytest.raises(ConfigurationError, match=r"my-own.*Pass embedder="):
        revived(memory).get()
    with MemoryBank.open(file, embedder=Own()) as bank:
        memory_of(bank, BOB)
        assert words(revived(memory).get_all()) == [FACT]


def test_a_file_that_is_gone_is_not_created_again(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        memory = memory_of(bank)
    (tmp_path / "friend.db").unlink()
    with pytest.raises(ConfigurationError, match="no longer exists"):
        revived(memory).get()
    assert list(tmp_path.glob("friend.db")) == []


def test_a_bank_that_is_gone_from_its_database_is_not_created_again(postgres):
    import psycopg

    url = postgres.new()
    with MemoryBank.open(url, embedder="hashing") as bank:
        memory = memory_of(bank)
    with psycopg.connect(url) as db:
        db.execute("DROP SCHEMA memorybank CASCADE")
    with pytest.raises(ConfigurationError, match="no longer exists"):
        revived(memory).get()
    assert stored_embedder(url) is None


def test_json_names_the_database_and_the_schema_and_no_password(postgres):
    url = postgres.new().replace("postgres@", "postgres:canary@") + "&schema=friends"
    with MemoryBank.open(url, embedder="hashing") as bank:
        memory = memory_of(bank)
        memory.put(user(FACT))
        assert revived(memory).bank is bank
    kept = json.dumps(memory.to_dict())
    assert "schema=friends" in kept
    assert "canary" not in kept + repr(memory)
    assert b"canary" not in pickle.dumps(memory)
    with revived(memory).bank as again:
        assert again is not bank
        assert stored_turns(again) == [(FACT, "")]


def test_the_context_of_a_workflow_and_back(place):
    async def begin():
        with MemoryBank.open(place, embedder="hashing") as bank:
            agent = function_agent(Scripted(answers=["How lovely!"]))
            ctx = Context(agent)
            await agent.run(user_msg=FACT, memory=memory_of(bank, session="s"), ctx=ctx)
            return json.dumps(ctx.to_dict(serializer=JsonSerializer()))

    async def go_on(kept):
        model = Scripted(answers=["The cello."])
        agent = function_agent(model)
        ctx = Context.from_dict(agent, json.loads(kept), serializer=JsonSerializer())
        await agent.run(user_msg=QUESTION, ctx=ctx)
        memory = await ctx.store.get("memory")
        memory.bank.close()
        return words(model.seen[0])

    prompt = asyncio.run(go_on(asyncio.run(begin())))
    assert prompt[:3] == ["You are a friend.", FACT, "How lovely!"]
    with MemoryBank.open(place) as bank:
        assert stored_turns(bank, session="s") == [(FACT, "How lovely!"), (QUESTION, "The cello.")]


async def confirm(ctx: Context) -> str:
    """Asks a human."""
    answer = await ctx.wait_for_event(
        HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="Sure?")
    )
    return str(answer.response)


def test_a_half_finished_workflow_is_resumed(place):
    def agent_of(*answers):
        return FunctionAgent(llm=Scripted(answers=list(answers)), tools=[confirm])

    async def begin():
        with MemoryBank.open(place, embedder="hashing") as bank:
            bank.add([Turn(FACT, session="earlier")], user_id=ALICE)
            agent = agent_of({"tool_name": "confirm", "tool_kwargs": {}})
            handler = agent.run(user_msg=QUESTION, memory=memory_of(bank, session="s", k=1))
            async for event in handler.stream_events():
                if isinstance(event, InputRequiredEvent):
                    break
            kept = json.dumps(handler.ctx.to_dict(serializer=JsonSerializer()))
            await handler.cancel_run()
            assert stored_turns(bank, session="s") == [(QUESTION, "")]
            return kept

    async def go_on(kept):
        agent = agent_of("The cello.")
        ctx = Context.from_dict(agent, json.loads(kept), serializer=JsonSerializer())
        handler = agent.run(ctx=ctx)
        handler.ctx.send_event(HumanResponseEvent(response="Yes."))
        await handler
        (await handler.ctx.store.get("memory")).bank.close()
        return agent.llm.seen

    [prompt] = asyncio.run(go_on(asyncio.run(begin())))
    assert FACT in prompt[0].content
    assert prompt[-1].content == "Yes."
    with MemoryBank.open(place) as bank:
        assert stored_turns(bank, session="s") == [(QUESTION, "The cello.")]
        assert recalls(bank)[FACT] == 1


def test_copies_share_the_bank_or_find_it_again(bank):
    memory = memory_of(bank)
    memory.put(user(FACT))
    assert memory.model_copy().bank is bank
    restored = MemoryBankMemory.model_validate(memory.model_dump(mode="json"))
    assert restored.bank is bank
    assert words(restored.get_all()) == [FACT]


def test_blocks_of_text_are_joined(bank):
    blocks = [TextBlock(text="Hello"), TextBlock(text="there")]
    memory_of(bank).put(ChatMessage(role=USER, blocks=blocks))
    assert stored_turns(bank) == [("Hello\nthere", "")]


@pytest.mark.parametrize(
    "wrong",
    [{"user_id": ""}, {"session": ""}, {"k": 0}, {"token_limit": 0}, {"max_tokens": 0}],
    ids=str,
)
def test_an_argument_that_cannot_be_is_refused(bank, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        memory_of(bank, **wrong)


def test_pickled_it_finds_its_bank_again(bank):
    memory = memory_of(bank)
    memory.put(user(FACT))
    assert words(pickle.loads(pickle.dumps(memory)).get_all()) == [FACT]


@pytest.mark.parametrize("kind", ENGINES)
def test_eight_askings_without_an_answer_do_not_hide_the_fact(talked, kind):
    for day in range(8):
        model = Scripted(answers=["I am not sure."])
        ENGINES[kind](model, memory_of(talked, session=f"day {day}", k=1)).chat(QUESTION)
    model = Scripted(answers=["The cello."])
    ENGINES[kind](model, memory_of(talked, session="today", k=1)).chat(QUESTION)
    assert FACT in "\n".join(words(model.seen[0]))
