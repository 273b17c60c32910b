"""Digests without a language model: selected statements, in the third person or quoted."""

import re
from datetime import date, datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core import Memory, Turn
from memorybank_core.digests.centrality import most_central, select_distinct
from memorybank_core.digests.extraction import (
    MAX_EVENTS,
    MAX_OVERALL_LINES,
    WORDING,
    extract_events,
    extract_overall_summary,
)
from memorybank_core.digests.statement_spans import find_statements, rate_self_level, select_excerpt
from memorybank_core.text import clip

EAST, NORTH = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
MIDDLE = [0.70710677, 0.70710677, 0.0]
NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)


def remembered(*turns):
    """Return turns, or plain queries, as memories."""
    turns = [Turn(turn, at=NOON) if isinstance(turn, str) else turn for turn in turns]
    return [
        Memory(str(i), "ada", "turn", turn.text, NOON, NOON.date(), "s", turn=turn)
        for i, turn in enumerate(turns)
    ]


def directions(*vectors):
    return [np.array([vector], np.float32) for vector in vectors]


def apart(n):
    """Return n orthogonal vectors."""
    return [row[None] for row in np.eye(n, dtype=np.float32)]


def events_of(*turns, language="en"):
    return extract_events(remembered(*turns), apart(len(turns)), language)


def lines_of(digest):
    return digest.split("\n- ")[1:]


def test_events_are_told_in_order_of_time_without_greetings_and_questions():
    text = events_of(
        "Hi there!",
        "Good morning! Yesterday my brother Olav moved to Tromsø. What do you think?",
        "Thanks for your advice.",
        "Today I planted three apple trees behind the house.",
        "Okay, bye!",
    )
    assert text == (
        "Yesterday the user's brother Olav moved to Tromsø. "
        "Today the user planted three apple trees behind the house."
    )


def test_events_in_chinese():
    text = events_of(
        "你好！",
        "你好，昨天我弟弟搬到了杭州，你觉得怎么样？",
        "谢谢你的建议。",
        "今天我在院子里种了三棵苹果树。",
        "再见！",
        language="zh",
    )
    assert text == "昨天用户的弟弟搬到了杭州。今天用户在院子里种了三棵苹果树。"


def test_of_two_similar_turns_one_is_quoted():
    turns = remembered(
        "Today I baked rye bread with my aunt in Bergen.",
        "Today my aunt and I were baking some rye bread in Bergen.",
        "Yesterday the car broke down on the road to Voss.",
        "My colleague Siri has just bought a sailing boat.",
    )
    text = extract_events(turns, directions(EAST, EAST, NORTH, MIDDLE), "en")
    assert text.count("bread") == 1


def test_the_companion_is_quoted_only_where_the_user_said_nothing():
    quiet = Turn("", "Your sister Nora has her birthday today.", NOON)
    busy = Turn("Today I repaired the old sewing machine.", "It is a fine machine.", NOON)
    assert events_of(busy) == "Today the user repaired the old sewing machine."
    assert events_of(quiet) == ("The companion said: “Your sister Nora has her birthday today.”")


def test_speakers_with_names_are_named():
    text = events_of(
        Turn("Yesterday I ran ten kilometres in the rain.", at=NOON, user_name="Kari"),
        Turn("Today my twins started school in Bodø.", at=NOON, user_name="Per"),
    )
    assert text == (
        "Yesterday Kari ran ten kilometres in the rain. Today Per's twins started school in Bodø."
    )


def test_a_dependent_sentence_is_quoted_with_the_one_before():
    text = events_of(
        "We watched an old film called “Ikiru”. It made us both cry. Have you seen it?"
    )
    assert text == ("The user said: “We watched an old film called “Ikiru”. It made us both cry.”")


def test_a_day_of_questions_and_thanks_still_has_a_summary():
    assert events_of("Can you recommend a book?") == "The user said: “Can you recommend a book?”"
    assert events_of("😀") == "The user said: “😀”"


def test_a_long_day_has_a_short_summary():
    queries = [f"Today I visited the town number {i}, which lies by the sea." for i in range(40)]
    text = extract_events(remembered(*queries), apart(40), "en")
    assert text.count("the user visited") == MAX_EVENTS
    assert len(text.split()) <= 100


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("I want you to tell me a story.", []),
        ("I'd love to hear your opinion.", []),
        ("I will give it a try.", []),
        ("I know.", []),
        ("I love it!", []),
        ("It was great.", []),
        ("When I go hiking, what should I bring?", []),
        ("What should I wear, since I love colours?", []),
        ("I love colours, what should I wear?", ["I love colours"]),
        ("Anything else you love, Nate?", []),
        ("Besides tea, I also love coffee.", ["Besides tea, I also love coffee."]),
        ("I take care of my grandmother.", ["I take care of my grandmother."]),
        ("I want to talk to my boss about a raise.", ["I want to talk to my boss about a raise."]),
        ("My dog is ill and it breaks my heart.", ["My dog is ill and it breaks my heart."]),
        ("my cat’s name is Miso", ["my cat’s name is Miso"]),
        ("我想听听你的建议。", []),
        ("我知道了。", []),
        ("这让我很开心。", []),
        ("如果我去爬山，要带什么呢？", []),
        ("我明天要去爬山，要带什么呢？", ["我明天要去爬山"]),
        ("我想和妈妈谈谈。", ["我想和妈妈谈谈。"]),
        ("这几天我总是失眠。", ["这几天我总是失眠。"]),
    ],
)
def test_statements_about_the_speaker(query, kept):
    statements = [
        query[span.start : span.end] for span in find_statements(query) if span.role == "standalone"
    ]
    assert [statement for statement in statements if rate_self_level(statement)] == kept


def test_lasting_traits_come_before_plans_and_plans_before_deeds():
    levels = [
        rate_self_level(statement)
        for statement in ("I hate coriander.", "I plan to sell the car.", "I went to the bank.")
    ]
    assert levels == [3, 2, 1]


def test_the_overall_summary_has_a_dated_line_a_day_in_order():
    days = [
        (date(2023, 5, 5), "1. Nora moved to Bergen. She likes it. " + "More words follow. " * 20),
        (date(2023, 5, 4), events_of("Today I sold the car.")),
    ]
    assert extract_overall_summary(days, "en").splitlines() == [
        "Day by day:",
        "- 2023-05-04: Today the user sold the car.",
        "- 2023-05-05: Nora moved to Bergen. She likes it. " + " ".join(["More words follow."] * 6),
    ]
    assert extract_overall_summary([(date(2023, 5, 4), "她搬到了杭州。\n她很开心。")], "zh") == (
        "逐日总结：\n- 2023-05-04：她搬到了杭州。她很开心。"
    )


@pytest.mark.parametrize(
    ("said", "event"),
    [
        (
            "The bus was late today. My brother Olav called.",
            "The user said: “The bus was late today.” The user's brother Olav called.",
        ),
        ("Rain again. The bus was late.", "The user said: “Rain again. The bus was late.”"),
        ("Started a new job at the harbour.", "The user started a new job at the harbour."),
        ("I didn't move to Oslo.", "The user didn't move to Oslo."),
        ("I might move to Oslo if they ask.", "The user might move to Oslo if they ask."),
        ("下雨了。我姐姐离婚了。", "用户说：“下雨了。”用户的姐姐离婚了。"),
    ],
)
def test_what_cannot_be_told_in_the_third_person_is_quoted(said, event):
    assert events_of(said, language="zh" if "我" in said else "en") == event


def test_a_quote_that_is_cut_is_closed():
    text = "The user said: “" + "I walked to the harbour and back, " * 20 + "at last.”"
    line = extract_overall_summary([(date(2023, 5, 4), text)], "en")
    assert line.endswith("…”")


def test_of_many_days_the_latest_is_always_kept():
    days = [(date(2023, 5, i), f"The user walked with dog number {i}.") for i in range(1, 31)]
    days.append((date(2023, 6, 1), "Zebra."))
    lines = lines_of(extract_overall_summary(days, "en"))
    assert 2 <= len(lines) <= MAX_OVERALL_LINES
    assert lines == sorted(lines)
    assert lines[-1] == "2023-06-01: Zebra."


def test_a_piece_is_cut_where_a_sentence_a_clause_or_a_word_ends():
    assert clip("One two. Three four five six. Seven eight nine ten eleven.", 9) == (
        "One two. Three four five six."
    )
    assert clip("When the snow melts, the river that runs by our house rises.", 6) == (
        "When the snow melts…"
    )
    assert clip("word " * 50, 5) == "word word word word…"
    assert clip("今天很冷，我们没有出门，在家里看了一整天的书。", 12) == "今天很冷，我们没有出门…"
    assert clip("哈" * 50, 5) == "哈" * 5 + "…"
    assert clip("x" * 99, 5) == "x" * 20 + "…"


def test_the_most_central_row_comes_first_and_repetitions_not_at_all():
    vectors = np.array([EAST, MIDDLE, NORTH, MIDDLE], np.float32)
    assert most_central(vectors, [1.0] * 4, 4)[0] == 1
    assert 3 not in most_central(vectors, [1.0] * 4, 4)
    assert most_central(vectors, [0.01, 0.01, 1.0, 0.01], 4) == [2]
    assert most_central(vectors, [1.0] * 4, 1, required=[0]) == [0]


def test_distinct_lines():
    texts = ["red apples and green pears", "green pears and red apples", "blue plums"]
    assert select_distinct(texts, [1.0, 2.0, 0.5], 3) == [1, 2]
    assert select_distinct(texts, [1.0, 1.0, 3.0], 1) == [2]


dialogue_texts = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            "I love tea|我喜欢茶|Hi|你好|it|, |，|。|. |?|！|\n|…|what do you think|你觉得呢|“|”|《"
            "|- |because |AI ai Friend |会去|really |so |😀|👩\u200d🚀".split("|")
        ),
        max_size=30,
    ).map("".join),
)
days_of_turns = st.lists(
    st.tuples(dialogue_texts, dialogue_texts).filter(
        lambda pair: any(words.strip() for words in pair)
    ),
    min_size=1,
    max_size=8,
)
languages = st.sampled_from(["en", "zh"])


@given(dialogue_texts)
def test_every_statement_and_every_piece_is_verbatim(text):
    for statement in find_statements(text):
        assert text[statement.start : statement.end].strip()
        assert 0.0 < statement.weight <= 1.0
    piece = select_excerpt(text, 20)
    assert piece in text or piece.removesuffix("…") in text
    assert len(piece.splitlines()) <= 1
    assert bool(piece) == bool(text.strip())


@given(days_of_turns, languages)
def test_digests_take_any_text(pairs, language):
    turns = remembered(*(Turn(query, response, NOON) for query, response in pairs))
    vectors = apart(len(turns))
    summary = extract_events(turns, vectors, language)
    assert summary == extract_events(turns, vectors, language)
    assert summary
    assert len(summary.splitlines()) == 1
    days = [(NOON.date(), summary)]
    assert extract_overall_summary(days, language).startswith(WORDING[language]["summary"] + "\n- ")


quotable = st.text(st.characters(exclude_characters="“”", exclude_categories=["Cs"]), max_size=60)


@given(st.lists(quotable.filter(str.strip), min_size=1, max_size=8), languages)
def test_every_quote_is_a_piece_of_a_turn(queries, language):
    summary = extract_events(remembered(*queries), apart(len(queries)), language)
    for piece in re.findall("“([^“”]*)”", summary):
        assert any(piece in query or piece.removesuffix("…") in query for query in queries)


@given(st.lists(st.tuples(st.dates(), st.text()), min_size=1, max_size=20), languages)
def test_overall_digests_take_any_text(days, language):
    assert extract_overall_summary(days, language)


@pytest.mark.parametrize(
    "text", ["word " * 40_000, "字" * 200_000, "? “" * 50_000, "AI AI, " * 30_000, "a。" * 20_000]
)
def test_huge_turns_are_digested_at_once(text):
    assert len(events_of(text)) < 2_000
