"""The loop of the terminal app with typed lines and a model that can fail, in this process."""

import io
from datetime import datetime, timezone

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("prompt_toolkit", reason="prompt-toolkit is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from rich.console import Console
from test_siliconfriend_again import Model, Unsteady

from memorybank_core import AnswerError, InvalidInputError, MemoryBank, Turn
from memorybank_core.turns import backlog
from memorybank_langchain.siliconfriend.companion import Companion
from memorybank_langchain.siliconfriend.failures import (
    ModelFailedError,
    ModelStalledError,
    describe_failure,
)
from memorybank_langchain.siliconfriend.startup import open_bank_and_model
from memorybank_langchain.siliconfriend.terminal import talk
from memorybank_langchain.siliconfriend.terminal.lines import LineReader
from memorybank_langchain.siliconfriend.terminal.repl import Repl
from memorybank_langchain.siliconfriend.terminal.strings import STRINGS

LANGUAGES = ("en", "zh")
TURN = Turn("诺拉拉大提琴。", "真好！", at=datetime(2026, 11, 20, 20, tzinfo=timezone.utc))


class TypedLines(LineReader):
    """Lines that were typed before."""

    def __init__(self, *lines):
        self._lines, self._session = list(lines), None

    def read(self, prompt):
        if not self._lines:
            raise EOFError
        return self._lines.pop(0)


@pytest.fixture(params=LANGUAGES)
def bank(request, folder):
    path, options = folder / "friend.db", {"timezone": "Asia/Shanghai", "language": request.param}
    with MemoryBank.open(path, embedder=Unsteady(), **options) as bank:
        yield bank


def run(bank, *lines, pieces=("Hm.",), width=100):
    """Return what is printed after these lines."""
    out = Console(
        file=io.StringIO(), width=width, markup=False, highlight=False, emoji=False, no_color=True
    )
    companion = Companion(Model(pieces=list(pieces), heard=[]), bank, user_id="Lena")
    Repl(companion, TypedLines(*lines), out, 0).run()
    return out.file.getvalue()


@pytest.mark.parametrize("end", ["/stop", "/stop now", "/quit  now", "/exit", None])
def test_a_conversation_ends_with_a_command_and_what_follows_it(bank, end):
    strings = STRINGS[bank.language]
    assert run(bank, *filter(None, [end])).strip() == strings["bye_unknown"].format(name="Lena")
    assert strings["bye"].format(name="Lena") in run(bank, "Hi!", *filter(None, [end]))


def test_after_everything_is_erased_nobody_is_remembered(bank):
    strings = STRINGS[bank.language]
    shown = run(bank, "Hi!", "/clear", strings["yes"].split(",")[-1], "/stop")
    assert shown.endswith(strings["bye_unknown"].format(name="Lena") + "\n")


@pytest.mark.parametrize(("width", "columns"), [(34, 2), (59, 2), (60, 4)])
def test_a_narrow_terminal_shows_the_text_of_memories(bank, width, columns):
    bank.add([TURN], user_id="Lena")
    shown = run(bank, "/memory", width=width)
    assert "诺拉" in shown
    headings = STRINGS[bank.language]["head"].split(",")
    assert sum(heading in shown for heading in headings) == columns


def test_a_digest_says_how_and_on_which_day_it_was_made(bank):
    bank.add([TURN], user_id="Lena")
    bank.summarize(user_id="Lena", now=datetime(2026, 11, 21, 20, tzinfo=timezone.utc))
    author = {"en": "quoted, without a language model, 22 November 2026",
              "zh": "摘录而成，未用语言模型, 2026年11月22日"}[bank.language]  # fmt: skip
    assert f"({author})" in run(bank, "/portrait")


def test_an_outage_is_said_and_nothing_is_called_kept(bank, monkeypatch):
    monkeypatch.setattr(backlog, "OPEN_SECONDS", 0.0)
    strings = STRINGS[bank.language]
    bank.embedder.is_down = True
    assert strings["not_stored"] in run(bank, "Hi!")
    shown = run(bank, "Hello!", pieces=[OSError("cut")])
    assert strings["not_stored"] in shown
    assert strings["kept"] not in shown
    bank.embedder.is_down = False
    assert strings["not_stored"] not in run(bank, "Are you back?")
    assert len(bank.timeline(user_id="Lena")) == 3


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (ModelStalledError(120.0), "the model sent nothing for 120 seconds", "模型 120 秒没有输出"),
        (ModelFailedError(OSError("x")), "the model failed: OSError: x", "模型出错：OSError: x"),
        (AnswerError("nothing\ncame", reason="empty"), "nothing came", "模型的回答是空的"),
        (AnswerError("another"), "another", "another"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_in_the_language_of_the_app(error, english, chinese):
    assert describe_failure(error, "en") == english
    assert describe_failure(error, "zh") == chinese


def test_errors_of_a_command_are_in_the_language_of_the_app(bank):
    bank.add([TURN], user_id="Lena")
    shown = run(bank, "Hi!", pieces=[""])
    reason = {"en": "the model returned an empty answer", "zh": "模型的回答是空的"}[bank.language]
    assert STRINGS[bank.language]["failed"].format(error=reason) in shown
    bank.close()
    assert {"en": "error: ", "zh": "出错了："}[bank.language] in run(bank, "/forget")


@pytest.mark.parametrize("patience", [0, -1, float("nan")])
def test_a_patience_without_time_is_refused(bank, patience):
    with pytest.raises(InvalidInputError, match="patience must be more than 0 seconds"):
        Companion(Model(pieces=[]), bank, user_id="Lena", patience=patience)
    with pytest.raises(InvalidInputError, match="patience"):
        talk(bank, Model(pieces=[]), user="Lena", patience=patience)


def test_the_start_speaks_the_language_of_the_bank(folder, capsys):
    path = folder / "friend.db"
    options = dict.fromkeys(("language", "timezone", "date_order", "embedder", "reranker"))
    options["embedder"] = "hashing"
    for language in ("zh", None):
        with open_bank_and_model(str(path), "quotation", {}, {**options, "language": language}) as (
            bank,
            _,
        ):
            assert (bank.language, bank.llm) == ("zh", None)
        assert "回答只引用你说过的话" in capsys.readouterr().err
