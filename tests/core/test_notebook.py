"""What a notebook shows of results, contexts, digests and reports."""

import json
import pickle
import re
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest

from memorybank_core import MemoryBank, Turn
from memorybank_core.check_reports import CheckReport, Finding
from memorybank_core.notebook import MOST_ROWS, Listing
from memorybank_core.reports import FailedDigest, SummarizeReport
from memorybank_core.testing import FakeLLM

NOW = datetime(2024, 3, 9, 12, tzinfo=timezone.utc)
EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)"> & 你好'
VOID = {"img", "br", "hr"}


class Checker(HTMLParser):
    """Collects the elements, and fails where they are not nested."""

    def __init__(self, html):
        super().__init__()
        self.open, self.names, self.text = [], set(), ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert all(name in ("style",) for name, _ in attrs)
        self.names.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(value):
    """Return the text of what a notebook shows, which holds no element of a user."""
    html = value._repr_html_()
    checked = Checker(html)
    assert checked.names <= {"table", "thead", "tbody", "tr", "th", "td", "p", "b", "div", "span"}
    assert not re.search(r"(?<!-)color:(?!rgba|#)|background:(?!none)|white;", html)
    return checked.text


@pytest.fixture
def bank(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        turns = [
            Turn(f"{EVIL} {i}", EVIL, NOW + timedelta(days=i), f"{EVIL}{i}", metadata={EVIL: EVIL})
            for i in range(4)
        ]
        bank.add(turns, user_id=EVIL)
        yield bank


def test_every_result_is_shown_with_its_texts_escaped(bank):
    later = NOW + timedelta(days=400)
    bank.rebuild(user_id=EVIL, llm=FakeLLM(lambda _: f"{EVIL} It went well.", name=EVIL), now=NOW)
    results = bank.search("alert 你好", user_id=EVIL, now=later)
    for value in (
        results, results[0], results[0].memory, bank.context("alert 你好", user_id=EVIL, now=later),
        bank.portrait(user_id=EVIL), bank.summary(user_id=EVIL, day=NOW.date()),
        bank.digests(user_id=EVIL), bank.timeline(user_id=EVIL),
        bank.forecast(later, user_id=EVIL), bank.forget(user_id=EVIL, now=later, dry_run=True),
        SummarizeReport(1, 2, (FailedDigest(EVIL, "summary", None, EVIL),), 0, 3, None),
        CheckReport(EVIL, (Finding("rows", "error", EVIL, EVIL, ids=(EVIL,)),), (EVIL,)),
        bank.delete(user_id=EVIL, ids=[results[0].memory.id]),
    ):  # fmt: skip
        assert EVIL in shown(value), value
    assert "similarity" in shown(results)
    assert "0 results" in shown(bank.search("x", user_id="nobody"))
    receipt = shown(bank.delete(user_id=EVIL))
    assert "DeletionReceipt" in receipt
    assert re.search(r"memories[1-9]", receipt)


def test_reports_without_texts_are_shown(bank):
    for value in (bank.add("Hi.", user_id="ada"), bank.stats(), bank.verify()):
        assert shown(value)
    assert "file_bytes" in shown(bank.stats())
    assert "missing" in shown(bank.verify())


def test_a_long_list_is_short_in_a_notebook(bank):
    bank.add([Turn(f"Turn {i}.", at=NOW, id=str(i)) for i in range(MOST_ROWS + 7)], user_id="ada")
    text = shown(bank.timeline(user_id="ada"))
    assert text.endswith("7 more")
    assert text.count("Turn ") == MOST_ROWS


def test_a_listing_is_a_list(bank):
    results = bank.search("alert", user_id=EVIL)
    plain = list(results)
    assert results == plain
    assert repr(results) == repr(plain)
    assert pickle.loads(pickle.dumps(results)) == plain
    assert json.dumps(Listing([1, 2])) == "[1, 2]"
