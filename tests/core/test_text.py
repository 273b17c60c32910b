"""Terms, windows and sentences of English and Chinese text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.tokenize import tokenize
from memorybank_core.text import (
    WINDOW,
    estimate_tokens,
    split_sentences,
    split_windows,
    without_surrogates,
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("She plays the cello.", ["play", "cello"]),
        ("playing played PLAYS", ["play", "play", "play"]),
        ("Nora's café, cafe", ["nora", "cafe", "cafe"]),
        ("我的猫", ["我", "的", "猫", "我的", "的猫"]),
        ("猫", ["猫"]),
        ("我用Python写3个test", ["我", "用", "我用", "python", "写", "3", "个", "test"]),
        ("ＡＢＣ１２３", ["abc123", "abc", "123"]),
        ("don't you're", ["don"]),
        ("", []),
        ("?!…😀", []),
        ("naïve Ångström", ["naiv", "angstrom"]),
        ("Привет мир", ["privet", "mir"]),
    ],
)
def test_tokenize(text, terms):
    assert tokenize(text) == terms


@given(st.text())
def test_tokenize_accepts_any_text(text):
    assert tokenize(text) == tokenize(text)
    assert all(term for term in tokenize(text))


def test_a_short_text_is_one_window():
    text = "word " * 200
    assert split_windows(text) == [text]


@pytest.mark.parametrize(
    "sentence", ["The quick brown fox jumps. ", "今天我们去公园散步，很开心。", "x" * 37]
)
def test_windows_of_a_long_text_overlap_and_cover_it(sentence):
    text = "".join(f"{i}{sentence}" for i in range(120))
    pieces = split_windows(text)
    assert len(pieces) > 1
    assert all(estimate_tokens(piece) <= WINDOW for piece in pieces)
    assert text.startswith(pieces[0])
    assert text.endswith(pieces[-1])
    covered = 0
    for piece in pieces:
        position = text.find(piece, max(0, covered - len(piece)))
        assert position <= covered, "a gap between two windows"
        covered = position + len(piece)
    assert covered == len(text)


@given(st.text(max_size=3000))
def test_windows_cover_any_text(text):
    pieces = split_windows(text, size=30, overlap=6)
    assert pieces[0] == text[: len(pieces[0])]
    assert text.endswith(pieces[-1])
    assert set(text) == set("".join(pieces))


def test_lone_surrogates_are_replaced():
    assert without_surrogates("a\ud83db😀") == "a\ufffdb😀"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I row. Do you? Yes!", ["I row.", "Do you?", "Yes!"]),
        ("i row. do you? yes!!! ok", ["i row.", "do you?", "yes!!!", "ok"]),
        ("Mr. Li paid 3.5 kroner, e.g. in coins.", ["Mr. Li paid 3.5 kroner, e.g. in coins."]),
        ("J. K. Rowling and I. Then us.", ["J. K. Rowling and I.", "Then us."]),
        ("We met at 5 p.m. and ate. It was 7 p.m. We left.",
         ["We met at 5 p.m. and ate.", "It was 7 p.m.", "We left."]),
        ('"Wow!" she said. "Come in." We did.', ['"Wow!" she said.', '"Come in."', "We did."]),
        ("Wait... what? No… Well.", ["Wait... what?", "No…", "Well."]),
        ("See a.com?x=1 now", ["See a.com?x=1 now"]),
        ("She (he left!) stayed. OK", ["She (he left!) stayed.", "OK"]),
        ("今天很冷。你呢？我很好！", ["今天很冷。", "你呢？", "我很好！"]),
        ("他说：“你好。再见。”然后走了。", ["他说：“你好。再见。”", "然后走了。"]),
        ("我看了《你好！李焕英》，很好看。你呢", ["我看了《你好！李焕英》，很好看。", "你呢"]),
        ("我……不知道。好呀～走吧", ["我……不知道。", "好呀～", "走吧"]),
        ("我会用Python.今天学了3.5节!真好", ["我会用Python.", "今天学了3.5节!", "真好"]),
        ("one\n\n two \u2028three", ["one", "two", "three"]),
        ("😀 ok", ["😀 ok"]),
        (" \n", []),
    ],
)  # fmt: skip
def test_split_sentences(text, pieces):
    assert split_sentences(text) == pieces


@given(st.text())
def test_sentences_lose_only_white_space(text):
    pieces = split_sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() and piece in text for piece in pieces)
