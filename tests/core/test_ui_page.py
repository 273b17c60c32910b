"""The page of a bank in a real browser, with one server for each language."""

import re
from datetime import datetime, timedelta, timezone
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from browsers import MARKS, call_handler, free_port, launched, serious_faults, watch
from playwright.sync_api import expect

from memorybank_core import MemoryBank, Turn
from memorybank_core.ui import page, start
from memorybank_core.ui.strings import STRINGS
from memorybank_core.web.markup import format_day

pytestmark = MARKS
NOW = datetime.now(timezone.utc).replace(hour=20) - timedelta(days=1)  # of whole days of turns
EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> ${alert(3)} {{value}} [a](javascript:b)"
)
PASSWORD = "芝麻开门"
DESKTOP, PHONE = (1280, 800), (390, 844)


class Served:
    """A page with its own bank: three turns a day, and a second user of hostile texts."""

    def __init__(self, folder, language, turns, **options):
        self.strings = STRINGS[language]
        self.bank = MemoryBank.open(folder / "bank.db", embedder="hashing", language=language)
        swims = [
            Turn(f"I swam {i} lengths.", "Well done!", at=NOW - timedelta(hours=8 * i), id=f"t{i}")
            for i in range(turns)
        ]
        self.bank.add(swims, user_id="ada")
        self.bank.reinforce(["t3"], user_id="ada", now=NOW)
        self.bank.pin(["t4"], user_id="ada")
        self.bank.archive(["t5"], user_id="ada")
        self.bank.summarize(user_id="ada")
        self.bank.add(
            [Turn(EVIL, EVIL, id=EVIL, session=EVIL, metadata={EVIL: EVIL})], user_id=EVIL
        )
        self.blocks = page(self.bank, language=language, user_id="ada", **options)
        self.url = start(self.blocks, port=free_port(), has_password="password" in options)

    def close(self):
        self.blocks.close(verbose=False)
        self.bank.close()


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("en"), "en", 60, write=True)
    yield served
    served.close()


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("zh"), "zh", 8, password=PASSWORD)
    yield served
    served.close()


@pytest.fixture
def visit(browser):
    """Open a page; afterwards check that nothing was executed or loaded from outside."""
    opened = []

    def visit(served, **options):
        web = browser.new_page(**options)
        opened.append((web, *watch(web, served.url)))
        web.goto(served.url)
        return web

    yield visit
    for web, dialogs, outside in opened:
        web.close()
        assert (dialogs, outside) == ([], [])


def tab(web, name):
    web.locator(f"[role=tab]:visible >> text={name}").click()


def test_a_bank_is_searched_paged_and_changed(visit, english):
    web, strings = visit(english), english.strings
    cards = web.locator("#mb-memories details")
    expect(cards).to_have_count(25)
    expect(web.locator(".mb-bars button").first).to_be_visible()
    expect(web.locator("#mb-stats")).to_contain_text("1pinned")
    web.locator("[data-do=older]").click()
    expect(web.locator(".mb-pager")).to_contain_text("Page 2")
    web.locator("[data-do=newer]").click()
    expect(web.locator("[data-do=newer]")).to_have_count(0)
    day = (NOW - timedelta(days=12)).date()
    web.locator("input[type=date]").fill(str(day))
    expect(web.locator("#mb-memories .mb-day").first).to_have_text(format_day(day, strings))
    expect(cards.filter(has_text="I swam 36 lengths.").first).to_be_visible()
    web.get_by_text(strings["archived"], exact=True).first.click()
    expect(cards).to_have_count(1)
    web.locator("#mb-state").get_by_text(strings["active"]).click()
    search = web.locator("#mb-search").locator("input, textarea")
    search.fill("How many lengths did I swim? 7")
    search.press("Enter")
    expect(cards.first.locator(".mb-parts li").first).to_be_visible()
    web.locator("[data-do=clear]").click()
    expect(search).to_have_value("")

    card = cards.filter(has_text="User I swam 3 lengths.")
    card.locator("summary").click()
    expect(card.locator("svg.curve .dot")).to_have_count(1)
    card.locator("[data-do=delete]").click()
    expect(card.locator(".cancel")).to_be_focused()
    card.locator("[data-do=confirm]").click()
    expect(web.locator(".mb-receipt")).to_contain_text("erased for ada")
    expect(card).to_have_count(0)
    assert english.bank.get(["t3"], user_id="ada") == {}

    tab(web, strings["forgetting"])
    lead = web.locator("#mb-forgetting .mb-lead")
    expect(lead).to_contain_text("active memories will fade")
    before = lead.inner_text()
    web.locator("#mb-ahead input[type=number]").fill("2")
    expect(lead).not_to_have_text(before)
    tab(web, strings["digests"])
    expect(web.locator("#mb-digests")).to_contain_text(strings["state_missing"])
    web.locator("#mb-digests .mb-sources summary").first.click()
    web.locator("#mb-digests [data-do=jump]").first.click()
    expect(cards.first).to_be_visible()
    tab(web, strings["health"])
    web.locator("[data-do=check]").click()
    expect(web.locator(".mb-findings .mb-badge").first).to_be_visible()


def test_hostile_texts_are_text_and_colours_are_remembered(visit, english):
    web = visit(english, color_scheme="light")
    expect(web.locator("#mb-memories details").first).to_be_visible()
    web.locator("#mb-user input").click()
    web.get_by_role("option").filter(has_text="script").click()
    card = web.locator("#mb-memories details")
    expect(card).to_have_count(1)
    card.locator("summary").click()
    expect(card.locator(".mb-said").first).to_contain_text(EVIL)
    assert web.locator(".gradio-container img[src=x], .mb-said a").count() == 0
    web.locator("#mb-theme").click()
    expect(web.locator("body")).to_have_class(re.compile("dark"))
    web.reload()
    expect(web.locator("#mb-memories details").first).to_be_visible()
    expect(web.locator("body")).to_have_class(re.compile("dark"))


def test_the_page_has_no_serious_fault_of_accessibility(visit, chinese):
    web, strings = visit(chinese), chinese.strings
    password = web.locator("#mb-password input")
    password.fill("芝麻")
    password.press("Enter")
    expect(web.locator("#mb-refused")).to_contain_text(strings["wrong_password"])
    faults = serious_faults(web, ("light",))
    password.fill(PASSWORD)
    password.press("Enter")
    expect(web.locator(".mb-strip")).to_be_visible()
    assert web.locator("[data-do=delete], [data-do=pin]").count() == 0
    web.locator("#mb-memories summary").first.click()
    faults += serious_faults(web)
    search = web.locator("#mb-search").locator("input, textarea")
    search.fill("swam")
    search.press("Enter")
    expect(web.locator(".mb-parts li").first).to_be_visible()
    for name, there, size, scheme in (
        ("forgetting", "svg.remaining", DESKTOP, "dark"),
        ("digests", ".mb-sources", DESKTOP, "dark"),
        ("health", "[data-do=check]", PHONE, "light"),
        ("digests", ".mb-sources", PHONE, "light"),
        ("forgetting", "svg.remaining", PHONE, "light"),
        ("memories", ".mb-parts", PHONE, "dark"),
    ):
        web.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        tab(web, strings[name])
        expect(web.locator(there).first).to_be_visible()
        faults += serious_faults(web, (scheme,))
        assert web.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert faults == [], "\n".join(map(str, faults))


def test_handlers_reveal_nothing_without_the_password(chinese):
    """Call every handler directly, with an invented view."""
    names = {id: fn.name for id, fn in chinese.blocks.fns.items() if fn.fn and id >= 0}
    assert {"search", "handle_click", "choose_user", "load_overview"} <= set(names.values())
    for id in names:
        handler = chinese.blocks.fns[id]
        data = [{"user_id": "ada"}] + ["ada"] * (len(handler.inputs) - 1)
        answer = call_handler(chinese.url, id, data)
        assert "swam" not in answer
        assert '"ada"' not in answer


def test_what_the_page_does_not_use_is_closed(english):
    for path in ("gradio_api/upload", "gradio_api/file=/etc/hostname"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(english.url + path, timeout=5)
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(english.url, headers={"Host": "evil.example"}), timeout=5)


def test_a_reverse_proxy_names_the_page_by_other_headers_than_host(english):
    headers = {"X-Forwarded-Host": "memory.example.com", "X-Forwarded-Proto": "https"}
    with urlopen(Request(english.url, headers=headers), timeout=5) as answer:
        assert '"root":"https://memory.example.com"' in answer.read().decode()
