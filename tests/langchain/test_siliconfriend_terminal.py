"""`siliconfriend chat` in a real pseudo-terminal, against a real server on the loopback."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("openai", reason="openai is not installed")
pytest.importorskip("prompt_toolkit", reason="prompt-toolkit is not installed")
pytest.importorskip("pexpect", reason="pexpect is not installed")

import pexpect
from openai_server import OpenAIServer

from memorybank_core import MemoryBank, Turn
from memorybank_langchain.siliconfriend.terminal.strings import STRINGS

ROOT = Path(__file__).parents[2]
TURNS = {
    "en": (
        "Good evening!",
        "My sister Nora plays the cello.",
        "I had soup for lunch.",
        "It rains a lot here.",
        "I paint small boats.",
    ),
    "zh": ("晚上好！", "我妹妹诺拉拉大提琴。", "我午饭喝了汤。", "这里老是下雨。", "我画小船。"),
}
QUESTION = {"en": "Which instrument does my sister play?", "zh": "我妹妹诺拉拉什么琴？"}
ANSWER = {"en": "cello", "zh": "大提琴"}
NAME = {"en": "Lena", "zh": "小林"}


def quoting(messages):
    """Return an answer that quotes the recalled memories, if any."""
    recalled, _, message = messages[-1]["content"].rpartition("</memorybank_context>")
    quoted = re.findall(r"(?:User|用户)[:：] ?(.*)", recalled)
    return f"recalled: {' | '.join(quoted)}" if quoted else f"heard: {message.strip()}"


class Chat:
    """The program in its own pseudo-terminal."""

    def __init__(self, server, bank, language, *options):
        command = ["-m", "memorybank_langchain.siliconfriend", "chat", "--bank", str(bank)]
        arguments = ["--language", language, "--embedder", "hashing", *options]
        env = {
            **os.environ,
            "OPENAI_BASE_URL": server.base_url,
            "SILICONFRIEND_LLM": "openai",
            "OPENAI_API_KEY": "",
            "PYTHONPATH": str(ROOT),
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "TERM": "xterm",
            "PYTHONWARNINGS": "error",
        }
        self.strings = STRINGS[language]
        self.child = pexpect.spawn(
            sys.executable, [*command, *arguments], env=env, encoding="utf-8", timeout=60,
            dimensions=(40, 120),
        )  # fmt: skip

    def sign_in(self, name):
        self.see(self.strings["ask_name"].rstrip())
        self.type(name)
        return self.prompt()

    def ask(self, text):
        """Type a line; return the output before the next prompt, without escape sequences."""
        self.type(text)
        return self.prompt()

    def type(self, text):
        self.child.send(f"{text}\r")

    def see(self, text):
        self.child.expect_exact(text)
        return self.child.before

    def prompt(self):
        """Wait for the prompt; return the output before it."""
        self.child.expect_exact("\x1b[?2004h")  # bracketed paste is switched on for each line
        output = plain(self.child.before)
        self.child.expect_exact(f"{self.strings['you']}>")
        self.child.expect_exact("\x1b[?25h")  # the cursor is visible
        return output

    def end(self, how="/stop"):
        if how:
            self.type(how)
        else:
            self.child.sendeof()
        self.child.expect(pexpect.EOF)
        self.child.close()
        return plain(self.child.before)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r\n", "\n")


@contextmanager
def chatting(server, bank, language="en", *options):
    chat = Chat(server, bank, language, *options)
    try:
        yield chat
    finally:
        chat.child.close(force=True)


@pytest.fixture
def bank(tmp_path):
    return tmp_path / "friend.db"


@pytest.fixture
def server():
    with OpenAIServer(answer=quoting) as server:
        yield server


def said(bank, user_id):
    with MemoryBank.open(bank) as opened:
        return [
            (memory.turn.query, memory.turn.response) for memory in opened.timeline(user_id=user_id)
        ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_talk_of_five_turns_is_known_when_one_comes_back(server, bank, language):
    strings, name = STRINGS[language], NAME[language]
    with chatting(server, bank, language) as chat:
        assert strings["hello"].format(name=name) in chat.sign_in(name)
        for text in TURNS[language]:
            assert f"heard: {text}" in chat.ask(text)
        assert [query for query, _ in said(bank, name)] == list(TURNS[language])
        assert "heard: " in chat.ask(QUESTION[language])  # it has them all word for word
        assert strings["in_view"].format(count=5) in chat.ask("/why")
        assert strings["bye"].format(name=name) in chat.end(None)
        assert chat.child.exitstatus == 0

    with chatting(server, bank, language) as chat:
        shown = chat.sign_in(name)
        assert strings["hello_again"].format(name=name) in shown
        assert strings["turns"].format(count=6) in shown
        assert f"{TURNS[language][1]}" in chat.ask(QUESTION[language])
        why = chat.ask("/why")
        assert TURNS[language][1] in why
        assert {"en": "score ", "zh": "得分 "}[language] in why
        assert {"en": "retention", "zh": "保持率"}[language] in why
        memory = chat.ask("/memory")
        assert all(text in memory for text in TURNS[language])
        chat.end("/quit")

    with chatting(server, bank, language, "--user", "Bob") as chat:
        shown = chat.prompt()
        assert strings["hello"].format(name="Bob") in shown
        shown += chat.ask(QUESTION[language]) + chat.ask("/why") + chat.ask("/memory")
        assert TURNS[language][1] not in shown
        assert strings["nothing_recalled"] in shown
        chat.end("/exit")


def test_ctrl_c_stops_an_answer_and_keeps_what_came(bank):
    with (
        OpenAIServer(answer=quoting, schedule=["endless"]) as server,
        chatting(server, bank) as chat,
    ):
        chat.sign_in("Lena")
        chat.type("Tell me everything.")
        chat.see("more more more")
        chat.child.kill(signal.SIGINT)
        assert STRINGS["en"]["stopped"] in chat.prompt()
        assert server.hung_up.wait(10)
        ((query, response),) = said(bank, "Lena")
        assert query == "Tell me everything."
        assert response.startswith("more more more")
        assert "heard: And now?" in chat.ask("And now?")
        chat.end()


def test_ctrl_c_at_the_prompt_drops_the_line_and_goes_on(server, bank):
    with chatting(server, bank, "en", "--user", "Lena") as chat:
        chat.prompt()
        chat.child.send("half a line\x03")
        chat.prompt()
        assert "heard: Hi!" in chat.ask("Hi!")
        chat.end()
    assert [query for query, _ in said(bank, "Lena")] == ["Hi!"]


@pytest.mark.parametrize("fault", ["401", "half", "empty", "stall"])
def test_a_server_that_fails_is_reported_and_the_next_turn_works(bank, fault):
    patience = 3 if fault == "stall" else 60
    options = ("--user", "Lena", "--patience", str(patience))
    with (
        OpenAIServer(answer=quoting, schedule=[fault], stall=2 * patience) as server,
        chatting(server, bank, "en", *options) as chat,
    ):
        chat.prompt()
        output = chat.ask("Are you there?")
        assert "No answer: " in output
        assert "Your message is kept" in output
        assert "Traceback" not in output
        assert said(bank, "Lena") == [("Are you there?", "")]
        assert "heard: Are you there?" in chat.ask("/again")
        chat.end()
    assert [query for query, _ in said(bank, "Lena")] == ["Are you there?"]


def test_clear_asks_and_erases_everything_of_this_person_alone(server, bank):
    with chatting(server, bank, "en", "--user", "Bob") as chat:
        chat.prompt()
        chat.ask("Bob was here.")
        chat.end()
    with chatting(server, bank, "en", "--user", "Lena") as chat:
        chat.prompt()
        chat.ask("My PIN is 74839.")
        chat.type("/clear")
        chat.see("Permanently erase all memories of Lena (1)? [y/N]")
        assert "Cancelled." in chat.ask("n")
        assert len(said(bank, "Lena")) == 1
        chat.type("/clear")
        chat.see("[y/N]")
        assert "Memories erased: 1; left: 0." in chat.ask("y")
        assert "There are no memories yet." in chat.ask("/memory")
        chat.child.send("\x1b[A")  # no line to come back to with ↑
        assert "74839" not in chat.ask("/portrait")
        chat.end()
    assert said(bank, "Lena") == []
    assert len(said(bank, "Bob")) == 1
    assert b"74839" not in b"".join(file.read_bytes() for file in bank.parent.iterdir())


def test_commands_digest_forget_and_start_a_new_conversation(server, bank):
    with chatting(server, bank, "en", "--user", "Lena") as chat:
        chat.prompt()
        assert "Nothing was recalled yet" in chat.ask("/why")
        assert "This conversation has no messages yet." in chat.ask("/again")
        assert "There are no summaries yet" in chat.ask("/portrait")
        chat.ask("I paint small boats.")
        digested = chat.ask("/summarize")
        assert "Days summarized: 1" in digested
        assert "How I see you" in digested
        assert "memories kept: 2." in chat.ask("/forget")
        assert "New conversation." in chat.ask("/new")
        assert "recalled: I paint small boats." in chat.ask("What do I paint?")
        assert "Unknown command: /nonsense" in chat.ask("/nonsense")
        shown = chat.ask("/help")
        assert all(f"/{name}" in shown for name in ("why", "memory", "clear", "stop"))
        chat.end()


def test_nothing_that_is_said_moves_the_terminal(bank):
    evil = "\x1b]0;owned\x07\x1b[31mred\x9b2J"
    with OpenAIServer(answer=lambda messages: f"so {evil} it is") as server:
        with MemoryBank.open(bank, embedder="hashing") as opened:
            opened.add([Turn(f"hello {evil}", evil)], user_id="Eve [31mA")
        with chatting(server, bank, "en", "--user", "Eve \x1b[31mA") as chat:
            chat.prompt()
            shown = ""
            for line in ("hello", "/memory", "/why", "/summarize", "/portrait"):
                chat.type(line)
                chat.child.expect_exact("\x1b[?2004h")
                shown += chat.child.before
                chat.see("\x1b[?25h")
            chat.end()
    assert "red" in shown
    for bad in ("\x1b]0;", "\x07", "\x1b[31mred", "\x9b"):
        assert bad not in shown


def run(*arguments, stdin="", **env):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI")}
    return subprocess.run(
        [sys.executable, "-m", "memorybank_langchain.siliconfriend", *arguments],
        input=stdin, capture_output=True, text=True, timeout=60,
        env={**clean, "PYTHONPATH": str(ROOT), **env}, check=False,
    )  # fmt: skip


class TestCommandLine:
    def test_a_pipe_talks_too(self, server, bank):
        where = ("--bank", str(bank), "--embedder", "hashing", "--user", "Lena")
        done = run(
            "chat", *where, "--llm", "openai", stdin="Hi!\n/stop\n", OPENAI_BASE_URL=server.base_url
        )
        assert "heard: Hi!" in done.stdout
        assert "\x1b" not in done.stdout
        assert done.stderr == "Loading openai …\n"

    def test_without_a_model_it_quotes_and_names_the_models_that_it_found(self, server, bank):
        where = ("--bank", str(bank), "--embedder", "hashing", "--user", "Lena")
        stdin = "I paint small boats.\nWhat do I paint?\nWhat do I paint?\n"
        done = run("chat", *where, stdin=stdin, OPENAI_BASE_URL=server.base_url)
        assert "Noted. I will remember that." in done.stdout
        assert done.stdout.count("you told me: “I paint small boats.”") == 2
        assert "nothing leaves this machine" in done.stderr
        assert "--llm openai" in done.stderr
        assert "127.0.0.1" in done.stderr
        assert not server.requests
        with MemoryBank.open(bank, embedder="hashing") as opened:
            turns = [memory.turn for memory in opened.timeline(user_id="Lena")]
        assert [turn.query for turn in turns] == stdin.splitlines()
        assert not any(turn.response for turn in turns)
        assert all(turn.answer for turn in turns)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--llm", "/no/such/model"), "the folder /no/such/model does not exist"),
            (("--llm", "openai", "--device", "cpu"), "--device: only for a local model"),
            (("--language", "fr"), "must be one of en, zh"),
            (("--bank", "/no/such/folder/x.db"), "the folder /no/such/folder does not exist"),
        ],
    )
    def test_what_cannot_be_is_one_line(self, server, tmp_path, arguments, message):
        where = ("--bank", str(tmp_path / "x.db")) if "--bank" not in arguments else ()
        done = run("chat", *where, *arguments, OPENAI_BASE_URL=server.base_url)
        assert done.returncode in (1, 2)
        assert message in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("command", ["chat", "web"])
    def test_without_langchain_it_says_what_to_install(self, command, bank):
        code = (
            "import sys; sys.modules['langchain_core'] = None\n"
            "from memorybank_langchain.siliconfriend.__main__ import main; main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, command, "--bank", str(bank)],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 1
        assert 'pip install "memorybank-llm[siliconfriend]"' in done.stderr
        assert "Traceback" not in done.stderr

    def test_help_needs_no_model(self):
        code = (
            "import sys; from memorybank_langchain.siliconfriend import cli; "
            "print([m for m in ('torch', 'langchain_core', 'faiss', 'gradio') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert done.stdout.strip() == "[]"
        shown = run("--help").stdout
        assert all(name in shown for name in ("chat", "web", "eval"))
