"""The settings that a bank keeps: time zone, law of forgetting and language, in every store."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import pytest

from memorybank_core import (
    FSRS,
    Change,
    ConfigurationError,
    Ebbinghaus,
    FormatError,
    HashingEmbedder,
    MemoryBank,
    PowerLaw,
    SettingsWarning,
    StoreError,
    Summary,
    Turn,
)
from memorybank_core.configuration import law_from_text, law_to_text
from memorybank_core.json_format import export_json, import_json
from memorybank_core.moving import move

ADA = "ada@example.com"
LATE = datetime(2024, 3, 9, 23, 30, tzinfo=timezone.utc)  # 00:30 of 10 March in Oslo
NOON = datetime(2024, 3, 9, 12, tzinfo=timezone.utc)


@pytest.fixture
def opening(place):
    """Return a function that opens the bank of the test."""
    return lambda **options: MemoryBank.open(place, embedder=HashingEmbedder(), **options)


def settings_of(bank):
    return bank.timezone.key, bank.law, bank.language


def test_a_bank_takes_the_settings_that_it_was_made_with(opening):
    with opening(timezone="Europe/Oslo", law=PowerLaw(9), language="zh") as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
    with opening() as bank:
        assert settings_of(bank) == ("Europe/Oslo", PowerLaw(9), "zh")
        assert bank.date_order == "month-first"
        bank.add([Turn("I moved again.", at=LATE)], user_id=ADA)
        assert {memory.day for memory in bank.timeline(user_id=ADA)} == {date(2024, 3, 10)}


def test_a_bank_keeps_its_time_zone_and_warns_of_another(opening):
    with opening(timezone="Europe/Oslo") as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
    with pytest.warns(SettingsWarning, match=r"Europe/Oslo, which is used, not Asia/Tokyo") as seen:
        bank = opening(timezone="Asia/Tokyo")
    assert seen[0].filename == __file__
    assert "bank.configure(timezone='Asia/Tokyo')" in str(seen[0].message)
    with bank:
        assert settings_of(bank) == ("Europe/Oslo", Ebbinghaus(), "en")


def test_another_law_and_language_apply_until_the_bank_is_closed(opening):
    with opening() as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
    with pytest.warns(SettingsWarning) as seen:
        bank = opening(law="fsrs", language="zh")
    assert ["keeps the language en; zh is used" in str(w.message) for w in seen] == [True, False]
    assert "keeps the law" in str(seen[1].message)
    with bank:
        assert settings_of(bank) == ("UTC", FSRS(), "zh")
    with opening() as bank:
        assert settings_of(bank) == ("UTC", Ebbinghaus(), "en")


def test_an_empty_bank_takes_other_settings(opening):
    opening(timezone="Europe/Oslo", law="power").close()
    with opening(timezone="Asia/Tokyo", law="fsrs") as bank:
        assert settings_of(bank) == ("Asia/Tokyo", FSRS(), "en")
    with opening() as bank:
        assert settings_of(bank) == ("Asia/Tokyo", FSRS(), "en")


def test_settings_that_are_not_valid_are_refused_together(opening):
    with opening() as bank:
        for call in (opening, bank.configure):
            with pytest.raises(ConfigurationError, match=r"language.*timezone.*unknown law 'x'"):
                call(language="de", timezone="Oslo", law="x")
        assert settings_of(bank) == ("UTC", Ebbinghaus(), "en")


def test_configure_moves_turns_to_their_days_and_keeps_all_else(opening):
    turns = [
        Turn("I play chess.", "Nice!", NOON, "noon"),
        Turn("I moved to Oslo.", "How was it?", LATE, "late"),
        Turn("I bought a boat.", "Where?", LATE + timedelta(days=9), "later", "boats"),
    ]
    with opening() as bank:
        bank.add(turns, user_id=ADA)
        bank.add([Turn("Hello.", at=LATE)], user_id="bob")
        bank.summarize()
        bank.reinforce(["late"], user_id=ADA, now=NOON + timedelta(days=3), turn="t")
        bank.pin(["later"], user_id=ADA)
        bank.store.record_changes(ADA, [Change("late", "noon", "model", NOON)])
        before = bank.get(["noon", "late", "later"], user_id=ADA)
        found = bank.search("boat", user_id=ADA, k=1)[0]
        report = bank.configure(timezone="Europe/Oslo")
        assert (report.moved, report.stale) == (3, len(bank.verify()))
        after = bank.get(["noon", "late", "later"], user_id=ADA)
        assert after["noon"] == before["noon"]
        late, later = after["late"], after["later"]
        assert (late.day, late.session) == (date(2024, 3, 10), "2024-03-10")
        assert (later.day, later.session) == (date(2024, 3, 19), "boats")
        assert (late.strength, late.recalls, later.pinned) == (2.0, 1, True)
        assert bank.recalls("late", user_id=ADA) == [NOON + timedelta(days=3)]
        assert [change.newer for change in bank.changes(user_id=ADA)] == ["late"]
        assert bank.search("boat", user_id=ADA, k=1)[0].cosine == found.cosine
        assert {stale.day for stale in bank.verify(user_id=ADA)} >= {
            date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 19),
        }  # fmt: skip
        bank.summarize()
        events = bank.timeline(user_id=ADA, kind="event")
        assert [event.day.day for event in events] == [9, 10, 19]
        assert bank.configure(timezone="Europe/Oslo").moved == 0
        assert not bank.verify()
    with opening() as bank:
        assert bank.timezone.key == "Europe/Oslo"


def test_a_summary_that_cannot_be_made_again_stays(opening):
    with opening() as bank:
        bank.add([Turn("I moved.", at=LATE, id="late")], user_id=ADA)
        bank.summarize()
        day = LATE.date()
        bank.store.set_digests(ADA, [Summary(ADA, "She moved.", day, "a model", NOON)])
        bank.configure(timezone="Europe/Oslo")
        assert bank.summary(user_id=ADA, day=day).text == "She moved."


def test_configure_keeps_strengths_under_another_law(opening):
    with opening() as bank:
        bank.add([Turn("I moved.", at=NOON, id="a")], user_id=ADA)
        bank.reinforce(["a"], user_id=ADA, now=NOON)
        assert bank.configure(law=PowerLaw(exponent=2), language="zh").moved == 0
        assert settings_of(bank) == ("UTC", PowerLaw(exponent=2), "zh")
    with opening() as bank:
        assert settings_of(bank) == ("UTC", PowerLaw(exponent=2), "zh")
        assert bank.get(["a"], user_id=ADA)["a"].strength == 2.0


def forget_settings(bank):
    with bank.store._connections.write() as db:
        db.execute("DELETE FROM meta WHERE name LIKE 'setting.%'")


def test_an_older_file_keeps_what_it_is_opened_with(tmp_path):
    def opening(**options):
        return MemoryBank.open(tmp_path / "old.db", embedder=HashingEmbedder(), **options)

    with opening(timezone="Europe/Oslo") as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
        forget_settings(bank)
    with pytest.warns(SettingsWarning, match="days of another time zone than UTC"):
        bank = opening()  # as before, and not kept
    with bank:
        assert bank.timezone.key == "UTC"
    opening(timezone="Europe/Oslo").close()
    with opening() as bank:
        assert bank.timezone.key == "Europe/Oslo"
        forget_settings(bank)
        bank.delete(user_id=ADA)
        bank.add([Turn("I moved.", at=NOON)], user_id=ADA)
        forget_settings(bank)
    opening().close()
    with opening() as bank:
        assert bank.store.settings.read()["timezone"] == "UTC"


def test_reading_only_keeps_nothing(tmp_path):
    path = tmp_path / "old.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        bank.add([Turn("I moved.", at=NOON)], user_id=ADA)
        forget_settings(bank)
    for zone in ("Europe/Oslo", "Asia/Tokyo"):
        with MemoryBank.open(
            path, embedder=HashingEmbedder(), readonly=True, timezone=zone
        ) as bank:
            assert bank.timezone.key == zone
            assert "timezone" not in bank.store.settings.read()
            with pytest.raises(StoreError, match="read"):
                bank.configure(timezone="UTC")


def test_a_move_takes_the_settings_along(tmp_path, place):
    with MemoryBank.open(
        tmp_path / "old.db", embedder=HashingEmbedder(), timezone="Europe/Oslo"
    ) as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
        settings = bank.store.settings.read()
    move(tmp_path / "old.db", place)
    with MemoryBank.open(place, embedder=HashingEmbedder()) as bank:
        assert bank.timezone.key == "Europe/Oslo"
        assert bank.store.settings.read() == settings


def test_an_export_takes_the_settings_along(tmp_path):
    def opening(name, **options):
        return MemoryBank.open(tmp_path / name, embedder=HashingEmbedder(), **options)

    with opening("old.db", timezone="Europe/Oslo", law=PowerLaw(9)) as bank:
        bank.add([Turn("I moved.", at=LATE)], user_id=ADA)
        data = json.loads(json.dumps(export_json(bank)))
        assert "" not in export_json(bank, users=[ADA])
    with opening("new.db") as bank:
        assert import_json(bank, data).users == 1
        assert settings_of(bank) == ("Europe/Oslo", PowerLaw(9), "en")
        assert bank.timeline(user_id=ADA)[0].day == date(2024, 3, 10)
        assert export_json(bank) == data
    with opening("new.db") as bank:
        assert settings_of(bank) == ("Europe/Oslo", PowerLaw(9), "en")
    with opening("tokyo.db", timezone="Asia/Tokyo") as bank:
        import_json(bank, data)
        assert settings_of(bank) == ("Asia/Tokyo", PowerLaw(9), "en")
    with opening("bad.db") as bank, pytest.raises(FormatError, match="timezone must be"):
        import_json(bank, {**data, "": {"settings": {"timezone": "Mars"}}})


@dataclass(frozen=True)
class Own(Ebbinghaus):
    pace: float = 2.0


@pytest.mark.parametrize("law", [Ebbinghaus(1), Ebbinghaus(), PowerLaw(2, 3), FSRS()])
def test_a_law_is_kept_with_its_parameters(law):
    assert law_from_text(law_to_text(law)) == law


def test_a_law_without_a_name_must_be_passed_again(opening):
    with opening(law=Own()) as bank:
        bank.add([Turn("I moved.", at=NOON)], user_id=ADA)
    opening(law=Own()).close()
    with pytest.warns(SettingsWarning, match=r"Own has no name.*the default is used.*law="):
        opening().close()
