"""Rerankers: their part in a search, a real cross-encoder, names, and failures."""

import asyncio
import logging
import re
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from memorybank_core import (
    ConfigurationError,
    MemoryBank,
    MissingDependencyError,
    Parts,
    Reranker,
    SearchResult,
    Turn,
    Weights,
    reranker_named,
)
from memorybank_core.evaluation import evaluate_files
from memorybank_core.rerankers.foreign import ForeignReranker, scores_of_order
from memorybank_core.search.reranking import MAX_RERANKED
from memorybank_core.testing.fakes import WordOverlapReranker

EVERYDAY = Path(__file__).parents[1] / "data" / "everyday.json"
USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
LATER = datetime(2024, 4, 5, tzinfo=timezone.utc)
QUESTION = "Who mends clocks?"
TEXTS = ["Clocks, clocks, clocks!", "My aunt repairs watches.", "We had soup.", "It rained."]


class AuntReranker:
    """Prefers texts about the aunt."""

    name = "aunt"

    def score(self, query, texts):
        return [float("aunt" in text) for text in texts]


class FailingReranker(AuntReranker):
    def score(self, query, texts):
        raise OSError("the server is away")


class ShortReranker(AuntReranker):
    def score(self, query, texts):
        return np.zeros(len(texts) - 1)


class NotANumberReranker(AuntReranker):
    def score(self, query, texts):
        return [float("nan")] * len(texts)


def turns(texts):
    return [Turn(text, "I see.", MONDAY + timedelta(hours=i)) for i, text in enumerate(texts)]


@pytest.fixture
def open_bank(folder):
    """Open the bank again with another reranker; close every one after the test."""
    opened = []

    def open_bank(reranker=None, texts=(), **options):
        bank = MemoryBank.open(folder / "a.db", embedder="hashing", reranker=reranker, **options)
        opened.append(bank)
        if texts:
            bank.add(turns(texts), user_id=USER)
        return bank

    yield open_bank
    for bank in opened:
        bank.close()


def first_line(result):
    return result.memory.turn.query


def ids(results):
    return [result.memory.id for result in results]


# --- The part of the reranker ---------------------------------------------------------------


def test_the_rerankers_favourite_comes_first_and_its_part_is_explained(open_bank):
    without = open_bank(texts=TEXTS).search(QUESTION, user_id=USER, now=LATER)
    assert first_line(without[0]) == TEXTS[0]
    assert {result.parts.reranker for result in without} == {0.0}
    results = open_bank(AuntReranker()).search(QUESTION, user_id=USER, now=LATER)
    assert first_line(results[0]) == TEXTS[1]
    parts = [result.parts.reranker for result in results]
    assert np.mean(parts) == pytest.approx(0)
    assert np.std(parts) == pytest.approx(Weights().reranker)
    assert [result.score for result in results] == [result.parts.total for result in results]
    assert "reranker +2.60" in results[0].why()
    assert "重排 +2.60" in results[0].why("zh")
    assert SearchResult.from_dict(results[0].to_dict()) == results[0]


def test_the_weight_decides_how_much_the_reranker_counts(open_bank):
    open_bank(texts=TEXTS)
    bank = open_bank(AuntReranker(), weights=Weights(reranker=0.0))
    assert first_line(bank.search(QUESTION, user_id=USER, now=LATER)[0]) == TEXTS[0]


def test_a_result_stored_before_there_were_rerankers_is_read():
    parts = {"similarity": 1.0, "lexical": 0, "date": 0, "speaker": 0, "context": 0, "retention": 0}
    assert Parts(**parts).reranker == 0.0


def test_the_reranker_reads_the_best_results_and_the_others_stay_after_them(open_bank):
    reranker = WordOverlapReranker()
    texts = [f"{'aunt ' * (i % 3)}clock number {i}" for i in range(2 * MAX_RERANKED)]
    count = 2 * MAX_RERANKED
    expected = open_bank(texts=texts).search("aunt clock", user_id=USER, k=count, now=LATER)
    results = open_bank(reranker).search("aunt clock", user_id=USER, k=count, now=LATER)
    assert len(reranker.asked[0][1]) == MAX_RERANKED
    assert ids(results[MAX_RERANKED:]) == ids(expected[MAX_RERANKED:])
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    unread = {result.parts.reranker for result in results[MAX_RERANKED:]}
    assert unread == {min(result.parts.reranker for result in results)}


def test_a_bank_without_results_asks_no_reranker(open_bank):
    reranker = WordOverlapReranker()
    assert open_bank(reranker).search(QUESTION, user_id=USER, now=LATER) == []
    assert reranker.asked == []


def test_equal_scores_change_nothing(open_bank):
    expected = open_bank(texts=TEXTS).search(QUESTION, user_id=USER, now=LATER)
    results = open_bank(ForeignReranker(lambda query, texts: [7] * len(texts), "equal")).search(
        QUESTION, user_id=USER
    )
    assert ids(results) == ids(expected)


def test_a_single_utterance_comes_with_the_one_before_it(open_bank):
    reranker = WordOverlapReranker()
    bank = open_bank(reranker)
    said = [Turn("Who mends your clocks?"), Turn("", "My aunt."), Turn("Tea?", "Yes."), Turn("Ok.")]
    at = [MONDAY + timedelta(minutes=i) for i in range(len(said))]
    bank.add(
        [Turn(t.query, t.response, when, session="s") for t, when in zip(said, at, strict=True)],
        user_id=USER,
    )
    bank.add([Turn("Elsewhere.", at=at[0], session="other")], user_id=USER, now=LATER)
    bank.search(QUESTION, user_id=USER, now=LATER)
    assert sorted(reranker.asked[0][1]) == [
        "Elsewhere.",
        "Tea?\nYes.",
        "Tea?\nYes.\nOk.",
        "Who mends your clocks?",
        "Who mends your clocks?\nMy aunt.",
    ]


# --- Failures: the chat goes on --------------------------------------------------------------


@pytest.mark.parametrize(
    ("reranker", "message"),
    [
        (FailingReranker(), "RerankerError, caused by OSError"),
        (ShortReranker(), r"returned scores of shape \(3,\) for 4 texts"),
        (NotANumberReranker(), "returned scores that are not finite"),
        (
            ForeignReranker(lambda query, texts: 1 / 0, "mine"),
            "RerankerError, caused by ZeroDivisionError",
        ),
    ],
)
def test_a_failing_reranker_costs_no_result_and_is_logged(open_bank, caplog, reranker, message):
    expected = open_bank(texts=TEXTS).search(QUESTION, user_id=USER, now=LATER)
    with caplog.at_level(logging.WARNING, "memorybank"):
        results = open_bank(reranker).search(QUESTION, user_id=USER, now=LATER)
    assert results == expected
    assert caplog.messages[0].startswith("The search continues without the reranker")
    assert re.search(message, caplog.messages[0])


def test_what_is_not_a_reranker_is_refused_when_the_bank_is_opened(open_bank):
    with pytest.raises(ConfigurationError, match="method score"):
        open_bank(len)


def test_an_async_search_does_not_block_the_loop(open_bank):
    released = threading.Event()

    def score(query, texts):
        assert released.wait(20)
        return range(len(texts))

    bank = open_bank(ForeignReranker(score, "slow"), TEXTS)

    async def search_and_release():
        search = asyncio.create_task(bank.asearch(QUESTION, user_id=USER, now=LATER))
        await asyncio.sleep(0.05)
        released.set()  # reached only if the loop runs while the reranker waits
        return await search

    results = asyncio.run(search_and_release())
    assert len({result.parts.reranker for result in results}) == len(TEXTS)


# --- Scores of other frameworks --------------------------------------------------------------


def test_the_scores_of_a_shortened_list():
    assert scores_of_order([(2, 0.9), (0, 0.4)], 3).tolist() == [0.4, 0.4, 0.9]


@pytest.mark.parametrize("scores", [(None, None), (0.0, 0.0), (0.5, None)])
def test_positions_count_where_there_are_no_scores(scores):
    order = zip((2, 0), scores, strict=True)
    assert scores_of_order(order, 3).tolist() == [2.0, 0.0, 3.0]
    assert scores_of_order([], 2).tolist() == [0.0, 0.0]


# --- Names -----------------------------------------------------------------------------------

ENTRY_POINTS = "[memorybank.rerankers]\nacme = acme_reranker:AcmeReranker\n"
MODULE = """
class AcmeReranker:
    def __init__(self, word):
        self.name, self.word = f"acme:{word}", word

    def score(self, query, texts):
        return [float(self.word in text) for text in texts]
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Return a folder on `sys.path` with the package of a third party, as pip installs it."""
    metadata = tmp_path / "acme_reranker-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "acme_reranker.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_reranker_has_a_name(acme, open_bank):
    assert isinstance(reranker_named("acme:aunt"), Reranker)
    results = open_bank("acme:aunt", TEXTS).search(QUESTION, user_id=USER, now=LATER)
    assert first_line(results[0]) == TEXTS[1]
    with pytest.raises(
        ConfigurationError, match=r"unknown reranker 'oracle'; known: acme, sentence-tr"
    ):
        reranker_named("oracle")


def test_the_command_line_takes_the_name_of_a_reranker(acme, open_bank, folder):
    app = pytest.importorskip("memorybank_core.cli.app", reason="typer is not installed").app
    from typer.testing import CliRunner

    open_bank(texts=TEXTS)
    options = [str(folder / "a.db"), QUESTION, "-u", USER, "--reranker", "acme:aunt"]
    for command in (["search", *options, "-k", "1", "--why"], ["context", *options, "-k", "1"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert TEXTS[1] in result.output


def test_an_evaluation_compares_with_and_without_the_reranker(acme):
    report = evaluate_files("everyday", EVERYDAY, embedder="hashing", reranker="acme:a", budgets=())
    assert report["reranker"] == "acme:a"
    alone = evaluate_files("everyday", EVERYDAY, embedder="hashing", budgets=())
    assert report["baselines"]["no reranker"]["recall@3"] == alone["recall@3"]


def test_a_missing_package_is_reported_with_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r'"memorybank-llm\[sentence-transformers\]"'):
        reranker_named("sentence-transformers:x")


# --- A cross-encoder of sentence-transformers --------------------------------------------------


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    """Return the folder of a cross-encoder with two small layers and random weights."""
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "tiny-reranker")


def make_cross_encoder(folder, labels=1):
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = sorted({word for text in [QUESTION, *TEXTS] for word in text.lower().split()})
    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *"abcdefghijklm.,!?"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, num_labels=labels,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_a_cross_encoder_from_a_folder_scores_texts(cross_encoder):
    reranker = reranker_named(f"sentence-transformers:{cross_encoder}")
    assert reranker.name == "sentence-transformers:tiny-reranker"
    scores = reranker.score(QUESTION, [*TEXTS, "torn \ud83d emoji", "long " * 400])
    assert scores.shape == (len(TEXTS) + 2,)
    assert scores.dtype == np.float64
    assert len(set(scores.tolist())) > 2
    assert reranker.score(QUESTION, TEXTS[1:2]) == pytest.approx(scores[1:2], abs=1e-5)


def test_a_search_with_a_cross_encoder(cross_encoder, open_bank):
    open_bank(texts=TEXTS)
    bank = open_bank(f"sentence-transformers:{cross_encoder}")
    results = bank.search(QUESTION, user_id=USER, now=LATER)
    by_text = {first_line(result): result.parts.reranker for result in results}
    texts = [result.memory.text for result in results]
    scores = bank.reranker.score(QUESTION, texts)
    expected = Weights().reranker * (scores - scores.mean()) / scores.std()
    assert [by_text[first_line(result)] for result in results] == pytest.approx(expected, abs=1e-3)
    assert asyncio.run(bank.asearch(QUESTION, user_id=USER, now=LATER)) == results


def test_a_model_with_several_labels_is_not_a_reranker(cross_encoder, tmp_path):
    folder = make_cross_encoder(tmp_path / "labels", labels=3)
    with pytest.raises(ConfigurationError, match="has 3 labels; a reranker has one"):
        reranker_named(f"sentence-transformers:{folder}")


def test_the_error_for_a_model_that_cannot_be_loaded_explains_offline_use(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match="pass the path of its folder"):
        reranker_named(f"sentence-transformers:{tmp_path / 'no-such-model'}")
