"""Plots: their numbers, labels and files."""

import subprocess
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from math import exp

import pytest

from memorybank_core import (
    FSRS,
    Ebbinghaus,
    InvalidInputError,
    MemoryBank,
    PowerLaw,
    Turn,
)
from memorybank_core.forgetting import retention_of
from memorybank_core.plots import (
    History,
    can_write,
    curve,
    plot_days,
    plot_forgetting,
    plot_laws,
    plot_recall,
    plot_timeline,
    state_at,
    theme,
)
from memorybank_core.plots.theme import COLOURS, GREY

START = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
LAW = Ebbinghaus(scale_days=5)
LAWS = (LAW, PowerLaw(), FSRS())


def after(days):
    return START + timedelta(days=days)


class TestCurve:
    def test_states_equal_numbers_computed_by_hand(self):
        history = History("", START, (after(10),))
        assert state_at(history, LAW, START) == (1.0, 1.0)
        assert state_at(history, LAW, after(5))[0] == pytest.approx(exp(-1))
        assert state_at(history, LAW, after(10)) == (1.0, 2.0)
        assert state_at(history, LAW, after(20))[0] == pytest.approx(exp(-1))  # 10 / (5 · 2)
        assert state_at(history, LAW, after(-1)) == (0.0, 0.0)

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
    def test_states_equal_those_of_the_bank(self, law, tmp_path):
        recalls = [after(1), after(4), after(9)]
        with MemoryBank.open(tmp_path / "b.db", embedder="hashing", law=law) as bank:
            bank.add([Turn("hello", at=START, id="t")], user_id="u")
            for moment in recalls:
                bank.reinforce(["t"], user_id="u", now=moment)
            (memory,) = bank.timeline(user_id="u")
            history = History("", memory.created_at, bank.recalls("t", user_id="u"))
        retention, strength = state_at(history, law, after(30))
        assert strength == pytest.approx(memory.strength)
        assert retention == pytest.approx(retention_of(memory, law, after(30)))

    def test_a_curve_rises_only_at_recalls(self):
        recalls = (after(3), after(8))
        times, retentions = curve(History("", START, recalls), LAW, after(20))
        assert (times[0], times[-1]) == (START, after(20))
        assert times == sorted(times)
        rises = [
            later for (_, r), (later, s) in pairwise(zip(times, retentions, strict=True)) if s > r
        ]
        assert rises == list(recalls)

    def test_recalls_after_the_end_are_left_out(self):
        history = History("", START, (after(30),))
        assert curve(history, LAW, after(20)) == curve(History("", START), LAW, after(20))

    def test_naive_times_are_rejected(self):
        with pytest.raises(InvalidInputError, match="time zone"):
            History("", START.replace(tzinfo=None))
        with pytest.raises(InvalidInputError, match="time zone"):
            History("", START, (START.replace(tzinfo=None),))


@pytest.fixture
def histories():
    return [
        History("A map\nrecalled twice", START, (after(10), after(14))),
        History("A cat\nnever recalled", after(2)),
    ]


class TestPicture:
    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib")

    def test_each_memory_has_a_panel(self, histories):
        figure = plot_forgetting(histories, LAW, until=after(40), title="How they fade")
        first, second = figure.axes
        assert [text.get_text() for text in first.texts] == [
            "How they fade",
            "●  recalled\n╌╌  forgotten below 0.05",
            "A map\nrecalled twice",
        ]
        assert [text.get_text() for text in second.texts] == ["A cat\nnever recalled"]

    def test_a_panel_has_the_curve_the_recalls_and_the_threshold(self, histories):
        figure = plot_forgetting(histories, LAW, until=after(40), threshold=0.2)
        threshold, full_curve, kept, recalls = figure.axes[0].lines
        times, retentions = curve(histories[0], LAW, after(40))
        assert list(threshold.get_ydata()) == [0.2, 0.2]
        assert list(full_curve.get_xdata()) == times
        assert list(full_curve.get_ydata()) == retentions
        kept_values = [value for value in kept.get_ydata() if value == value]
        assert kept_values == [value for value in retentions if value >= 0.2]
        assert list(recalls.get_xdata()) == list(histories[0].recalls)
        assert list(recalls.get_ydata()) == [1.0, 1.0]

    def test_colours_have_contrast_on_white_and_on_black(self):
        for colour in (*COLOURS, GREY):
            light = _luminance(colour)
            assert 1.05 / (light + 0.05) > 2.9  # contrast on white, WCAG 2
            assert (light + 0.05) / 0.05 > 4.5  # and on black

    def test_the_png_is_transparent_and_not_empty(self, histories, tmp_path):
        from matplotlib.image import imread

        path = tmp_path / "curves.png"
        plot_forgetting(histories, LAW, until=after(40)).savefig(path)
        pixels = imread(path)
        height, width, channels = pixels.shape
        assert (channels, width) == (4, 1440)
        assert pixels[0, 0, 3] == 0.0
        assert 0.02 < (pixels[:, :, 3] > 0).mean() < 0.6
        assert height > 300

    def test_plots_do_not_import_pyplot(self):
        code = (
            "import sys; from memorybank_core.plots import *\n"
            "from memorybank_core import Ebbinghaus; from datetime import *\n"
            "assert 'matplotlib' not in sys.modules\n"
            "now = datetime.now(timezone.utc)\n"
            "old = History('x', now - timedelta(days=9))\n"
            "plot_forgetting([old], Ebbinghaus(), until=now)\n"
            "assert 'matplotlib.pyplot' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

    def test_nothing_to_draw_is_an_error(self, histories):
        with pytest.raises(InvalidInputError, match="nothing to draw"):
            plot_forgetting([], LAW, until=after(1))
        with pytest.raises(InvalidInputError, match="nothing to draw"):
            plot_forgetting(histories, LAW, until=START)
        assert len(plot_forgetting(histories, LAW, until=after(1)).axes) == 1

    def test_can_write_depends_on_the_fonts(self):
        assert can_write("plain")
        assert can_write("“quoted” café")
        from matplotlib.font_manager import fontManager

        chinese = {"Noto Sans CJK SC", "SimHei", "PingFang SC", "Microsoft YaHei"}
        if chinese & {font.name for font in fontManager.ttflist}:
            assert can_write("花椒")


class TestTimeline:
    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib")

    def test_the_strongest_memory_is_on_top_and_becomes_paler_as_it_fades(self, histories):
        pinned = History("A pin", after(3), pinned=True)
        figure = plot_timeline([*histories, pinned], LAW, until=after(40), title="All")
        axes = figure.axes[0]
        labels = [text.get_text() for text in axes.texts]
        strong = ["pin", "A pin", "3", "A map\nrecalled twice", "1", "A cat\nnever recalled"]
        assert labels == strong
        shades = axes.collections[0].get_array()
        assert shades.shape == (3, 240)
        assert shades[0].max() == shades[0].min() == 1.0
        assert shades[2].mask[:10].all()  # it did not exist yet
        assert shades[2].compressed()[0] > 0.9
        assert shades[2].compressed()[-1] < 0.01
        days = axes.get_xlim()
        assert days[1] - days[0] == pytest.approx(40)
        assert list(axes.lines[1].get_xdata()) == list(histories[0].recalls)

    def test_most_limits_the_number_of_rows(self, histories):
        figure = plot_timeline(histories, LAW, until=after(40), most=1)
        assert len(figure.axes[0].texts) == 2
        with pytest.raises(InvalidInputError, match="most"):
            plot_timeline(histories, LAW, until=after(40), most=0)

    def test_nothing_to_draw_is_an_error(self, histories):
        with pytest.raises(InvalidInputError, match="nothing to draw"):
            plot_timeline(histories, LAW, until=START)
        with pytest.raises(InvalidInputError, match="nothing to draw"):
            plot_days({})

    @pytest.mark.parametrize("weeks", [1, 9, 120])
    def test_each_day_has_a_cell(self, weeks):
        first = date(2024, 3, 6)  # a Wednesday
        last = first + timedelta(weeks=weeks - 1)
        axes = plot_days({first: 4, last: 7}).axes[0]
        heat = axes.collections[0].get_array()
        assert heat.shape == (7, weeks)
        assert heat[2, 0] == (4 if weeks > 1 else 7)
        assert heat[2, weeks - 1] == 7
        assert heat.sum() == (11 if weeks > 1 else 7)
        assert axes.get_xticklabels()[0].get_text() == "Mar\n2024"
        assert bool(axes.texts) == (weeks < 100)


class TestComparison:
    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib")

    def test_each_strength_has_a_panel_and_each_law_a_curve(self):
        figure = plot_laws({"ours": LAW, "power": PowerLaw()}, days=10, strengths=(1, 2))
        first, second = figure.axes
        assert [line.get_label() for line in second.lines] == ["ours", "power"]
        assert first.lines[0].get_ydata()[-1] == pytest.approx(exp(-2))
        assert second.lines[0].get_ydata()[-1] == pytest.approx(exp(-1))
        with pytest.raises(InvalidInputError, match="one law"):
            plot_laws({})

    def test_each_share_has_a_bar(self):
        figure = plot_recall({"a": {"en": 0.5, "zh": 1.0}, "b": {"en": 0.25}})
        heights = [[bar.get_height() for bar in bars] for bars in figure.axes[0].containers]
        assert heights == [[0.5, 1.0], [0.25, 0.0]]
        with pytest.raises(InvalidInputError, match=r"\[0, 1\]"):
            plot_recall({"a": {"en": 96.0}})
        with pytest.raises(InvalidInputError, match="no numbers"):
            plot_recall({})


class TestPlotsOfABank:
    @pytest.fixture
    def bank(self, tmp_path):
        pytest.importorskip("matplotlib")
        with MemoryBank.open(tmp_path / "b.db", embedder="hashing", law=LAW) as bank:
            turns = [Turn(f"word{day}", at=after(day), id=f"t{day}") for day in range(5)]
            bank.add(turns, user_id="u")
            bank.reinforce(["t3"], user_id="u", now=after(6))
            bank.add([Turn("secret", at=START)], user_id="other")
            yield bank

    def test_plot_forgetting_draws_the_strongest_or_the_given_memories(self, bank):
        figure = bank.plot_forgetting(user_id="u", now=after(20), k=2)
        assert [axes.texts[-1].get_text() for axes in figure.axes] == ["word3", "word0"]
        results = bank.search("word4", user_id="u", k=1)
        figure = bank.plot_forgetting(results, user_id="u", now=after(20))
        assert [axes.texts[-1].get_text() for axes in figure.axes] == ["word4"]
        with pytest.raises(InvalidInputError, match="no memories with the ids"):
            bank.plot_forgetting(["secret"], user_id="u")

    def test_plot_timeline_draws_only_memories_of_the_user(self, bank):
        figure = bank.plot_timeline(user_id="u", now=after(20))
        labels = [text.get_text() for text in figure.axes[0].texts][1::2]
        assert labels == ["word3", "word4", "word2", "word1", "word0"]
        bank.forget(user_id="u", now=after(20))
        figure = bank.plot_timeline(user_id="u", now=after(20), archived=False)
        assert [text.get_text() for text in figure.axes[0].texts][1::2] == ["word3"]

    def test_plot_days_counts_turns_of_the_user(self, bank):
        heat = bank.plot_days(user_id="u").axes[0].collections[0].get_array()
        assert heat.sum() == 5

    def test_an_imported_memory_without_recall_times_fades_from_the_last_recall(self, bank):
        (memory,) = bank.timeline(user_id="u", since=date(2024, 3, 8))
        known = replace(memory, recalls=2, strength=3.0, last_recalled_at=after(9))
        assert History.of(known, []) == History("word4", after(9), strength=3.0)
        assert History.of(known, [after(9)], "x") == History("x", after(4), [after(9)])


def test_without_a_chinese_font_boxes_are_drawn_without_warnings(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(theme, "_CHINESE_FONTS", ())
    histories = [History("我的猫 Pepper", START)]
    for figure in (
        plot_forgetting(histories, LAW, until=after(9), title="遗忘"),
        plot_timeline(histories, LAW, until=after(9), title="记忆"),
        plot_recall({"记忆库": {"中文": 0.5}}, title="召回"),
    ):
        figure.savefig(tmp_path / "boxes.png")  # a warning would be an error
    figure = plot_forgetting(histories, LAW, until=after(9))
    assert figure.axes[0].texts[-1].get_text() == "□□□ Pepper"


def test_a_missing_matplotlib_is_reported():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from memorybank_core import Ebbinghaus, MissingDependencyError\n"
        "from memorybank_core.plots import *; from datetime import *\n"
        "now = datetime.now(timezone.utc)\n"
        "try: plot_forgetting([History('x', now - timedelta(days=9))], Ebbinghaus(), until=now)\n"
        "except MissingDependencyError as error: assert 'memorybank-llm[plots]' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
