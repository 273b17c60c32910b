"""The demo: its chapters, and printed numbers that equal those of the bank."""

import io
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="typer is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from rich.cells import cell_len
from rich.console import Console

import memorybank_core
from memorybank_core import Ebbinghaus, HashingEmbedder, MemoryBank
from memorybank_core.demo.charts import HEIGHT, curve_rows, label_row
from memorybank_core.demo.passages import select_passage
from memorybank_core.demo.scene import FORECAST_DAY, FORGET_DAY, after_noon
from memorybank_core.demo.story import QUESTIONS, SPARE_QUESTION, run_demo
from memorybank_core.demo.strings import STRINGS
from memorybank_core.forgetting import retention_of
from memorybank_core.plots import History

USERS = {"en": "Imogen", "zh": "郭一帆"}
START = datetime(2024, 3, 4, tzinfo=timezone.utc)


def run(folder, *words):
    """Run Python with these arguments in a folder."""
    root = str(Path(memorybank_core.__file__).parents[1])
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )


class Run:
    """A run of the demo: its text, its counts, and its bank."""

    def __init__(self, folder, languages):
        self.languages, self.path, self.png = languages, folder / "demo.db", folder / "demo.png"
        out = Console(file=io.StringIO(), width=100, markup=False, highlight=False, emoji=False)
        self.scenes = run_demo(
            out, languages=languages, embedder="hashing", png=self.png, keep=self.path
        )
        self.text = out.file.getvalue()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("both"), ("en", "zh"))


@pytest.fixture(scope="module", params=["en", "zh"])
def single(request, tmp_path_factory):
    return Run(tmp_path_factory.mktemp(request.param), (request.param,))


class TestStory:
    def test_chapters_are_in_order(self, both):
        titles = re.findall(r"^(\d)  (.*?) ─+$", both.text, re.M)
        assert titles == [
            ("1", "Remember · 记住"),
            ("2", "Recall: Imogen asks"),
            ("3", "Forget: time passes for Imogen"),
            ("4", "Digest: Imogen and the events of each day"),
            ("5", "回忆：郭一帆提问"),
            ("6", "遗忘：郭一帆的日子一天天过去"),
            ("7", "整理：郭一帆和每天发生的事"),
            ("8", "How three of these memories fade"),
        ]

    def test_output_is_plain_text_within_the_width(self, both, single):
        for demo in (both, single):
            assert "\x1b" not in demo.text
            lines = demo.text.splitlines()
            assert max(map(cell_len, lines)) <= 100
            assert len(lines) < 140 * len(demo.languages) + 40
            assert demo.text.count("…\n") < 60

    def test_text_is_in_the_language_of_the_diary(self, single):
        (language,) = single.languages
        other = STRINGS["zh" if language == "en" else "en"]
        for name in ("forgotten", "lost", "with_a_model"):
            assert other[name] not in single.text
            assert name == "lost" or STRINGS[language][name] in single.text
        assert USERS[language] in single.text

    def test_six_questions_are_asked(self, both):
        for scene in both.scenes:
            assert scene.question_count == 6 == len(QUESTIONS[scene.language])
            assert SPARE_QUESTION[scene.language] not in QUESTIONS[scene.language]
            for question in scene.questions:
                assert re.search(rf"^[✓◐✗] {re.escape(question.text)}$", both.text, re.M)

    def test_marks_agree_with_the_counts(self, both):
        marks = re.findall(r"^([✓◐✗]) ", both.text.replace("✓ all", "").replace("✓ 所", ""), re.M)
        assert marks.count("✓") == sum(scene.answered for scene in both.scenes)
        assert marks.count("◐") == sum(scene.partly_answered for scene in both.scenes)
        assert len(marks) == 12
        english = both.scenes[0]
        assert f"all the evidence for {english.answered} of 6 questions" in both.text

    def test_scores_are_explained(self, both):
        assert both.text.count("score ") == 6
        assert both.text.count("得分 ") == 6


class TestCounts:
    def test_forgotten_and_kept_equal_the_counts_of_the_bank(self, both):
        with MemoryBank.open(both.path) as bank:
            for scene in both.scenes:
                stats = bank.stats(user_id=scene.user)
                patterns = {
                    "en": r"restore\(\) brings back (\d+)",
                    "zh": r"restore\(\) 恢复 (\d+) 条",
                }
                restored = int(re.search(patterns[scene.language], both.text)[1])
                turns = stats.memories - scene.digested  # the event summaries are made after that
                assert scene.forgotten + scene.kept == turns
                assert 0 < restored < scene.forgotten < turns
                assert stats.archived == scene.forgotten - restored
        english = both.scenes[0]
        assert f"{english.forgotten} of 81 memories have faded" in both.text
        assert f"{english.kept} memories stay active." in both.text
        assert f"{both.scenes[1].forgotten} 条的保持率" in both.text

    def test_forecast_equals_that_of_the_bank(self, both):
        with MemoryBank.open(both.path) as bank:
            for scene in both.scenes:
                fading = [
                    item
                    for item in bank.forecast(after_noon(FORECAST_DAY), user_id=scene.user)
                    if item.memory.kind == "turn"
                ]
                # the memory restored at the end was not part of the forecast
                late = [
                    item for item in fading if item.memory.refreshed_at == after_noon(FORGET_DAY)
                ]
                assert scene.fading <= len(fading) <= scene.fading + max(len(late), 1)

    def test_recalled_memories_are_kept(self, both):
        with MemoryBank.open(both.path) as bank:
            for scene in both.scenes:
                recalled = [m for m in bank.timeline(user_id=scene.user) if m.recalls]
                strongest = max(recalled, key=lambda memory: memory.strength)
                assert strongest.strength >= 4.0
                retention = retention_of(strongest, bank.law, after_noon(FORGET_DAY))
                assert f"{retention:.2f}" in both.text

    def test_the_restored_memory_is_among_the_first_results(self, both):
        for scene in both.scenes:
            assert scene.restored_rank in (1, 2, 3)


class TestPicture:
    def test_the_picture_is_written_and_its_path_printed(self, both):
        pytest.importorskip("matplotlib")
        assert both.png.read_bytes().startswith(b"\x89PNG")
        assert f"The same curves as a picture: {both.png}" in both.text.replace("\n", "")

    def test_the_picture_of_a_chinese_diary_needs_no_chinese_font(self, single):
        pytest.importorskip("matplotlib")
        assert single.png.stat().st_size > 10_000

    def test_a_missing_matplotlib_is_reported_in_one_line(self, tmp_path):
        code = (
            "import sys; sys.modules['matplotlib'] = None\n"
            "from memorybank_core.cli.app import app\n"
            "app(['demo', '--language', 'en', '--embedder', 'hashing'])\n"
        )
        process = run(tmp_path, "-c", code)
        assert "No picture was drawn: matplotlib is not installed." in process.stdout
        assert process.stderr == ""
        assert list(tmp_path.iterdir()) == []  # and the bank was temporary

    def test_a_path_that_cannot_be_written_is_reported_in_one_line(self, tmp_path):
        pytest.importorskip("matplotlib")
        out = Console(file=io.StringIO(), width=200)
        png = tmp_path / "nowhere" / "x.png"
        run_demo(out, languages=("zh",), embedder="hashing", png=png)
        assert "没有生成图片：" in out.file.getvalue()


def test_the_module_runs_in_any_folder(tmp_path):
    options = ("--language", "zh", "--png", "c.png", "--keep", "kept.db")
    process = run(tmp_path, "-m", "memorybank_core.demo", "--embedder", "hashing", *options)
    assert "memorybank search kept.db" in process.stdout
    with MemoryBank.open(tmp_path / "kept.db") as bank:
        assert bank.users() == ["郭一帆"]


class TestDrawing:
    def rows(self, history, width=63, until=60):
        end = START + timedelta(days=until)
        return [
            row.plain for row in curve_rows(history, Ebbinghaus(), START, end, 0.05, width, "green")
        ]

    def test_a_chart_has_the_requested_width_and_marks_of_recalls(self):
        recalls = (START + timedelta(days=20.5), START + timedelta(days=40.5))
        rows = self.rows(History("", START, recalls))
        assert [len(row) for row in rows] == [63] * (HEIGHT + 1)
        assert [i - 3 for i, cell in enumerate(rows[-1]) if cell == "▲"] == [20, 40]
        assert rows[0][3] == rows[0][23] == rows[0][43] == "█"

    def test_a_curve_is_dashed_below_the_threshold_and_blank_before_creation(self):
        rows = self.rows(History("", START + timedelta(days=10)))
        bottom = rows[HEIGHT - 1][3:]
        assert bottom[:9].strip() == ""
        dashes = [day for day, cell in enumerate(bottom) if cell == "╌"]
        assert dashes == list(range(25, 60))  # 10 + 5 · ln 20 = 24.98 days

    def test_labels_are_below_their_time_and_do_not_overlap(self):
        days = {START + timedelta(days=day): f"d{day}" for day in (0, 1, 30, 60)}
        row = label_row(START, START + timedelta(days=60), 63, days).plain
        assert row.split() == ["d0", "d30", "d60"]
        assert row.index("d30") == 32
        wide = label_row(START, START + timedelta(days=60), 63, {START: "3月4日"}).plain
        assert wide.strip() == "3月4日"

    def test_a_passage_has_the_sentences_closest_to_the_question(self):
        text = "We had tea. The cello is old. It was raining all day. Felix slept."
        embedder = HashingEmbedder()
        assert select_passage(text, "cello", embedder, 200) == text
        short = select_passage(text, "Who plays the cello?", embedder, 45)
        assert short == "… The cello is old. It was raining all day. …"
        apart = select_passage(f"{text} A new cello!", "the old, new cello", embedder, 60)
        assert apart == "… The cello is old. It was raining all day. … A new cello!"

    def test_a_passage_of_one_long_sentence_is_its_beginning(self):
        assert select_passage("花" * 100, "花", HashingEmbedder(), 20) == "花" * 9 + " …"

    def test_a_passage_of_chinese_sentences(self):
        text = "今天下雨。奶奶的收音机修好了。我们吃了面。晚上排练。"
        best = select_passage(text, "收音机修好了吗", HashingEmbedder(), 34)
        assert best == "… 奶奶的收音机修好了。我们吃了面。 …"
        assert select_passage(text, "排练", HashingEmbedder(), 20) == "… 晚上排练。"
