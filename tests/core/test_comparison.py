"""The runner of the open comparison (benchmarks/compare), with two small systems."""

import ast
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "benchmarks"))

from compare.embedding import HashedWords  # noqa: E402
from compare.measures import auroc, fill, measure, summarize  # noqa: E402
from compare.protocol import Hit, Turn  # noqa: E402
from compare.runner import Runner, losses, measure_recall, scratch  # noqa: E402
from compare.tasks import Finder  # noqa: E402

SYSTEMS = REPOSITORY / "benchmarks" / "compare" / "systems"
CONVERSATION = {
    "user": "ada",
    "timezone": "UTC",
    "now": "2025-03-01T09:00:00+00:00",
    "turns": [
        ["t1", "2025-01-01T09:00:00+00:00", "s1", "My sister plays the cello.", "Lovely!", ""],
        ["t2", "2025-01-02T09:00:00+00:00", "s2", "I live in Utrecht.", "A fine town.", ""],
        ["t3", "2025-02-02T09:00:00+00:00", "s3", "Now I live in Haarlem.", "How is it?", ""],
    ],
    "questions": [
        {
            "text": "My sister plays the what ?",
            "category": "single-en",
            "evidence": ["t1"],
            "alternatives": [],
            "outdated": [],
            "is_capped": True,
        },
        {
            "text": "I live in which town now ?",
            "category": "update",
            "evidence": ["t3"],
            "alternatives": [],
            "outdated": ["t2"],
            "is_capped": True,
        },
        {
            "text": "quantum chromodynamics",
            "category": "not-said",
            "evidence": [],
            "alternatives": [],
            "outdated": [],
            "is_capped": True,
        },
    ],
}


@pytest.fixture
def runner(tmp_path):
    systems = REPOSITORY / "tests" / "data" / "compared"
    return Runner(tmp_path, None, tmp_path, systems=systems, limit=60)


def test_a_system_is_asked_in_a_process_of_its_own(runner):
    [system] = runner.find_systems(["words"])
    result = measure_recall(runner, system, "hashed-words", [CONVERSATION])
    assert result["means"]["questions"] == 2
    assert result["means"]["recall@1"] == 1.0
    assert result["means"]["newest first"] == [1, 1]
    assert result["means"]["not said"] == 1.0
    assert result["means"]["categories"]["update"]["prompt 500"] == 1.0


def test_what_is_lost_is_found_out(runner):
    forgetful, words = runner.find_systems()
    lost = losses(runner, words, count=12, crowd=20, seconds=30)
    assert lost["after restart"]["found"] == 12
    assert lost["after kill"]["found"] >= lost["after kill"]["acknowledged"] >= 9
    assert lost["deletion"]["in files"] == ["turns.jsonl"]
    assert lost["deletion"]["another user's text found"] is False
    lost = losses(runner, forgetful, count=12, crowd=20, seconds=30)
    assert lost["after restart"]["found"] == 0
    assert lost["deletion"]["another user's text found"] is True
    assert lost["deletion"]["deleted"] is None


def test_a_system_that_fails_is_noted(runner):
    [system] = runner.find_systems(["words"])
    with scratch() as folder:
        result = runner.run(system, "no such task", folder, embedder="hashed-words")
    assert "no such task" in result["error"]


def test_results_without_ids_are_found_by_text():
    at = datetime(2025, 1, 1, tzinfo=timezone.utc)
    turns = [Turn("a", at, "", "Hello Ada", "Hi"), Turn("b", at, "", "Hello Bob", "Hi")]
    hits = [Hit("input: Hello Bob\noutput: Hi"), Hit("other"), Hit("Hello Bob, Hi"), Hit("", "a")]
    assert [id for id, _, _ in Finder(turns).find(hits)] == ["b", "a"]


def test_a_prompt_ends_before_the_text_that_does_not_fit():
    assert fill([("a", "x" * 40), ("b", "中" * 30), ("c", "y")], 30) == ["a"]


def test_measures_of_a_question():
    question = {**CONVERSATION["questions"][1], "alternatives": []}
    answer = {"ids": ["t2", "t3"], "score": None, "prompts": {"500": ["t2"], "1500": ["t2", "t3"]}}
    measured = measure(question, answer)
    assert measured["recall"] == [0.0, 1.0, 1.0, 1.0]
    assert measured["prompts"] == {"500": 0.0, "1500": 1.0}
    assert measured["newest_first"] is False
    assert summarize([measured])["not said"] is None


def test_area_under_the_curve_counts_no_result_as_the_lowest_score():
    assert auroc([2.0, None], [1.0]) == 0.5
    assert auroc([None], [None]) is None


def test_texts_with_the_same_words_have_the_same_vector():
    one, other = HashedWords().embed_documents(["Nora plays.", "plays, nora"])
    assert one == pytest.approx(other)


@pytest.mark.parametrize("path", sorted(SYSTEMS.glob("*.py")), ids=lambda path: path.stem)
def test_the_file_of_a_system_is_short_and_complete(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80
    tree = ast.parse(source)
    names = {n.targets[0].id for n in tree.body if isinstance(n, ast.Assign)}
    assert {"NAME", "PACKAGE", "ENVIRONMENT", "SETTING", "CHOOSES_EMBEDDER"} <= names
    assert any(isinstance(n, ast.FunctionDef) and n.name == "open" for n in tree.body)


def test_raw_results_name_their_system_and_version():
    for path in (SYSTEMS.parent / "results").glob("[!_]*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert {"name", "version"} <= result.keys(), path.name
