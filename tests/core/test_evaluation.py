"""Evaluation: recall@k on small examples, and the formats of datasets."""

import json
import shutil
from pathlib import Path

import pytest

from memorybank_core import ConfigurationError, FormatError
from memorybank_core.evaluation import Question, evaluate_files, read_conversations
from memorybank_core.evaluation.outcomes import Outcome, not_said_auroc

EVERYDAY = Path(__file__).parents[1] / "data" / "everyday.json"
BANK = {
    " Ann ": {
        "name": "Ann",
        "history": {
            "2024-03-04": [
                {"query": "I adopted a cat called Pepper.", "response": "Congratulations!"},
                {"query": "", "response": ""},
                {"query": "Lunch was soup.", "response": "Nice."},
            ],
            "2024-03-05": [{"query": "I repaired the radio.", "response": "Well done."}],
        },
    }
}
GOLD = {
    "Ann": [
        {"q": "What is my cat called?", "evidence": ["2024-03-04#0"], "alternatives": []},
        {"q": "What did I do on March 5th?", "evidence": ["2024-03-05#0"], "alternatives": []},
        {"q": "Who won?", "evidence": [], "alternatives": []},
    ]
}
LOCOMO = {
    "speaker_a": "Ann",
    "speaker_b": "Bo",
    "session_1_date_time": "1:56 pm on 8 May, 2023",
    "session_1": [
        {"speaker": "Ann", "dia_id": "D1:1", "text": "I plant roses."},
        {"speaker": "Bo", "dia_id": "D1:2", "text": "Look!", "blip_caption": "a red bicycle"},
    ],
    "session_2_date_time": "9:05 am on 10 May, 2023",
    "session_2": [{"speaker": "Bo", "dia_id": "D2:1", "text": "I go to the dentist."}],
    "qa": [
        {"question": "What does Ann plant?", "evidence": ["D1:1", "D9:9"], "category": 4},
        {"question": "Who has a bicycle?", "evidence": ["D1:2"], "category": 1},
        {"question": "Did Ann fly?", "evidence": ["D1:1"], "category": 5},
        {"question": "Why?", "evidence": [], "category": 2},
    ],
}


@pytest.fixture
def files(tmp_path):
    paths = {}
    for name, data in (("bank", BANK), ("gold", GOLD), ("locomo", LOCOMO)):
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(data), encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    ("question", "k", "recall"),
    [
        (Question("", ("a", "b"), (), True), 1, 1.0),
        (Question("", ("a", "b"), (), True), 3, 0.5),
        (Question("", ("a", "z"), ("c",), True), 3, 1.0),
        (Question("", ("z",), ("c",), True), 2, 0.0),
        (Question("", ("a", "b")), 1, 0.5),
        (Question("", ("a", "y", "z")), 3, 1 / 3),
        (Question("", (), ("c",)), 2, 0.0),
    ],
)
def test_recall_of_a_question(question, k, recall):
    assert question.recall(["a", "x", "c"], k) == recall


def test_the_memorybank_format(files):
    report = evaluate_files(
        "memorybank",
        files["bank"],
        files["gold"],
        embedder="hashing",
        ks=(1, 3),
        baselines=True,
        digest=True,
    )
    assert (report["users"], report["turns"], report["questions"]) == (1, 3, 2)
    assert report["recall@1"] == report["recall@3"] == 1.0
    assert report["baselines"].keys() == {"dense", "bm25", "events too"}


def test_empty_turns_count_for_the_ids(files):
    conversation = read_conversations("memorybank", files["bank"], files["gold"])[0]
    assert [turn.id for turn in conversation.turns] == [
        "2024-03-04#0",
        "2024-03-04#2",
        "2024-03-05#0",
    ]
    assert conversation.asked_at.date().isoformat() == "2024-03-06"


def test_the_locomo_format_as_a_file_or_a_folder(files, tmp_path):
    report = evaluate_files("locomo", files["locomo"], embedder="hashing", ks=(1,))
    assert (report["users"], report["turns"], report["questions"]) == (1, 3, 2)
    assert report["recall@1"] == 1.0
    conversation = read_conversations("locomo", files["locomo"], None)[0]
    assert conversation.turns[1].text == "Bo: Look! [a red bicycle]"
    assert conversation.turns[2].at.isoformat() == "2023-05-10T09:05:00+00:00"
    folder = tmp_path / "folder"
    folder.mkdir()
    files["locomo"].rename(folder / "1.json")
    assert evaluate_files("locomo", folder, embedder="hashing", ks=(1,)) == report


def test_the_everyday_format_has_categories():
    report = evaluate_files("everyday", EVERYDAY, embedder="hashing", ks=(1, 3), budgets=(250,))
    assert (report["turns"], report["questions"], report["not_said"]) == (12, 9, 2)
    categories = report["categories"]
    assert sum(category["questions"] for category in categories.values()) == 9
    assert "not-said" not in categories
    assert (categories["update"]["questions"], categories["update"]["newest_first_of"]) == (2, 2)
    assert categories["date"]["newest_first_of"] == 0
    assert 0 <= report["newest_first"] <= 1
    conversation = read_conversations("everyday", EVERYDAY, None)[0]
    assert conversation.asked_at.isoformat() == "2025-05-07T00:00:00+00:00"
    assert conversation.timezone == "Asia/Shanghai"


def test_the_everyday_format_as_several_files_and_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("a.json", "folder/b.json"):
        shutil.copy(EVERYDAY, tmp_path / name)
    paths = [tmp_path / "a.json", tmp_path / "folder"]
    report = evaluate_files("everyday", paths, embedder="hashing", budgets=())
    assert (report["users"], report["turns"]) == (2, 24)
    assert not [name for name in report if name.startswith("coverage")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"questions": [{"q": "Why?", "evidence": ["t99"]}]}, "unknown turns: .'t99'"),
        ({"timezone": "Moon/Sea"}, "Moon/Sea"),
        ({"now": "2025-05-07"}, "naive"),
        ({"turns": [{"id": "t01"}]}, "query"),
    ],
)
def test_a_wrong_everyday_file_is_reported(tmp_path, change, named):
    data = {**json.loads(EVERYDAY.read_text("utf-8")), **change}
    (tmp_path / "bad.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FormatError, match=named):
        evaluate_files("everyday", tmp_path / "bad.json", embedder="hashing")


@pytest.mark.parametrize(
    ("found", "first"),
    [("nxo", True), ("onx", False), ("nx", True), ("ox", False), ("x", True)],
)
def test_the_newest_statement_ranks_above_outdated_ones(found, first):
    assert Question("", ("n",), outdated=("o",)).is_newest_first(found) is first
    assert Question("", ("n",)).is_newest_first(found) is None


def test_the_auroc_compares_answered_with_unanswered_questions():
    outcomes = [Outcome(None, said, relevance=r) for said, r in [(True, 0.9), (True, 0.4)]]
    assert not_said_auroc(outcomes) is None
    outcomes += [Outcome(None, False, relevance=r) for r in (0.4, 0.2)]
    assert not_said_auroc(outcomes) == (1 + 1 + 0.5 + 1) / 4
    assert not_said_auroc([Outcome(None, False)]) is None


def test_more_of_the_evidence_stands_in_a_longer_context(files):
    report = evaluate_files("locomo", files["locomo"], embedder="hashing", budgets=(80, 1500))
    assert report["coverage@80"] < report["coverage@1500"] == 1.0
    assert Question("", ("a", "b")).coverage({"b": 1.0, "c": 1.0}) == 0.5
    assert Question("", ("a", "b"), ("c",)).coverage({"c": 1.0}) == 1.0
    assert Question("", ("a", "b")).coverage({"a": 0.5}) == 0.25
    assert Question("", (), ("c",)).coverage({}) == 0.0


def test_unreadable_files_are_reported(files, tmp_path):
    with pytest.raises(FormatError, match="cannot read"):
        evaluate_files("locomo", tmp_path / "none.json", embedder="hashing")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FormatError, match="is not JSON"):
        evaluate_files("locomo", tmp_path / "bad.json", embedder="hashing")
    with pytest.raises(FormatError, match="not in the locomo format"):
        evaluate_files("locomo", files["bank"], embedder="hashing")
    with pytest.raises(ConfigurationError, match="--gold"):
        evaluate_files("memorybank", files["bank"], embedder="hashing")
    with pytest.raises(ConfigurationError, match="format must be"):
        evaluate_files("csv", files["bank"], embedder="hashing")
