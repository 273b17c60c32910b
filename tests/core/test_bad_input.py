"""Invalid input raises one of our errors and leaves the bank unchanged."""

import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from processes import BATCH, open_bank, run

from memorybank_core import (
    ConfigurationError,
    EmbedderError,
    EmbedderMismatchError,
    HashingEmbedder,
    InvalidInputError,
    Memory,
    MemoryBank,
    MemoryBankError,
    NotABankError,
    SchemaTooNewError,
    StoreBusyError,
    StoreClosedError,
    StoreWriteError,
    Turn,
)

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
NAIVE = datetime(2023, 5, 4, 12)  # noqa: DTZ001
ADA = {"user_id": "ada"}
EMPTY = ("", "-wal", "-shm", "-journal")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bank.db"


@pytest.fixture
def bank(path):
    with open_bank(path) as bank:
        bank.add([Turn("I drink green tea.", "Nice!", NOON, id="a")], **ADA)
        bank.reinforce(["a"], now=NOON, **ADA)
        yield bank


@contextmanager
def refused(bank, error=InvalidInputError, match=None):
    """Expect `error`, and the same contents of the bank as before."""
    before = bank.timeline(**ADA, archived=True), bank.users(), bank.recalls("a", **ADA)
    with pytest.raises(error, match=match):
        yield
    assert (bank.timeline(**ADA, archived=True), bank.users(), bank.recalls("a", **ADA)) == before
    assert_sound(bank.store.path)


def assert_sound(path):
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Arguments


@pytest.mark.parametrize(
    "verb", ["add", "search", "reinforce", "forget", "forecast", "restore", "unpin"]
)
@pytest.mark.parametrize("now", [NAIVE, "2023-05-04", 0, date(2023, 5, 4)])
def test_moments_need_a_time_zone(bank, verb, now):
    arguments = {
        "add": [[Turn("x")]],
        "search": ["x"],
        "reinforce": [["a"]],
        "restore": [["a"]],
        "unpin": [["a"]],
    }
    with refused(bank, match="naive|must be a datetime"):
        if verb == "forecast":
            bank.forecast(now, **ADA)
        else:
            getattr(bank, verb)(*arguments.get(verb, []), now=now, **ADA)


@pytest.mark.parametrize("at", [NAIVE, "noon", 5])
def test_a_turn_needs_a_time_with_a_zone(at):
    with pytest.raises(InvalidInputError, match=r"Turn\.at"):
        Turn("x", at=at)


def test_times_at_the_ends_of_the_calendar(tmp_path):
    with pytest.raises(InvalidInputError, match="beyond the calendar"):
        Turn("x", at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))))
    ends = [datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)]
    with open_bank(tmp_path / "utc.db") as bank:
        bank.add([Turn("the end", at=at) for at in ends], **ADA)
        assert [memory.created_at for memory in bank.timeline(**ADA)] == ends
        [result] = bank.search("the end", **ADA)
        assert (result.times, result.last_said) == (2, ends[1])
        assert len(bank.search("the end", **ADA, history=True)) == 2
    options = {"embedder": HashingEmbedder(), "timezone": "Asia/Shanghai"}
    with (
        MemoryBank.open(tmp_path / "zone.db", **options) as bank,
        pytest.raises(InvalidInputError, match="beyond the calendar"),
    ):
        bank.add([Turn("x", at=ends[1])], **ADA)


@pytest.mark.parametrize("k", [0, -1, True, 1.5, "5", None])
def test_k(bank, k):
    with refused(bank, match="k must be a whole number"):
        bank.search("tea", k=k, **ADA)


def test_a_k_beyond_everything_finds_everything(bank):
    assert len(bank.search("tea", k=10**30, **ADA)) == 1


@pytest.mark.parametrize("query", ["", " \n", "\u3000", None, 5, b"tea", ["tea"]])
def test_query(bank, query):
    with refused(bank, match="query must be a non-empty string"):
        bank.search(query, **ADA)


@pytest.mark.parametrize("query", ["?", "…", "\0", "\ud800", "🍵", "NEAR/3 OR *", "x" * 100_000])
def test_a_strange_query_is_no_error(bank, query):
    assert len(bank.search(query, **ADA)) == 1


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan"), float("inf"), "0.5", None])
def test_threshold(bank, threshold):
    with refused(bank, match="threshold"):
        bank.forget(threshold=threshold, **ADA)
    with refused(bank, match="threshold"):
        bank.forecast(NOON, threshold=threshold, **ADA)


@pytest.mark.parametrize("kind", ["", "Turn", "summary", 5, ["turn"]])
def test_kind(bank, kind):
    with refused(bank, match="kind must be one of turn, event"):
        bank.search("tea", kind=kind, **ADA)
    with refused(bank, match="kind must be one of turn, event"):
        bank.timeline(kind=kind, **ADA)


@pytest.mark.parametrize("day", [NOON, "2023-05-04", 20230504])
def test_days_are_dates(bank, day):
    """A datetime would match no day, and a deletion would quietly delete nothing."""
    for verb, name in ((bank.timeline, "since"), (bank.timeline, "until"), (bank.delete, "day")):
        with refused(bank, match=f"{name} must be a datetime.date"):
            verb(**{name: day}, **ADA)
    with refused(bank, match="since must be a datetime.date"):
        bank.search("tea", since=day, **ADA)


@pytest.mark.parametrize("ids", ["a", [None], [5], [b"a"], [Turn("x")]])
def test_ids(bank, ids):
    for verb in (bank.reinforce, bank.restore, bank.pin, bank.unpin):
        with refused(bank, match="id"):
            verb(ids, **ADA)
    with refused(bank, match="id"):
        bank.delete(ids=ids, **ADA)


def test_one_memory_is_no_list(bank):
    for verb in (bank.reinforce, bank.restore, bank.pin, bank.unpin):
        with refused(bank, match="list"):
            verb(bank.timeline(**ADA)[0], **ADA)


def test_delete_takes_ids_or_a_day(bank):
    with refused(bank, match="not both"):
        bank.delete(ids=["a"], day=NOON.date(), **ADA)


@pytest.mark.parametrize("turns", [None, 5, iter([Turn("x")]), {"x"}])
def test_turns_are_a_list(bank, turns):
    with refused(bank, match="turns must be a list of Turn"):
        bank.add(turns, **ADA)


@pytest.mark.parametrize("turn", [None, {"query": "x"}, ("x", "y", "z"), 5])
def test_a_list_of_turns_holds_turns(bank, turn):
    with refused(bank, match="turns must be Turn records"):
        bank.add([Turn("good"), turn], **ADA)


def test_memories_are_whole(bank):
    day = NOON.date()
    for memory in (
        Memory("m", "ada", "event", " ", NOON, day, "s"),
        Memory("m", "ada", "event", "x", NAIVE, day, "s"),
        Memory("m", "ada", "turn", "x", NOON, day, "s"),
        Memory("m", "ada", "dream", "x", NOON, day, "s"),
        Memory("m", "bob", "event", "x", NOON, day, "s"),
        "x",
    ):
        with refused(bank):
            bank.add_memories([memory], **ADA)


@pytest.mark.parametrize("profile", [[], None, "x", {"at": NOON}, {"x": float("nan")}, {"x": {1}}])
def test_a_profile_is_a_json_object(bank, profile):
    with refused(bank, match="JSON"):
        bank.set_profile(profile, **ADA)


def test_torn_emoji_and_nul_are_stored_and_found(bank):
    turn = Turn("the moon \ud83d at night", "be\0fore", NOON, user_name="A\udc00", id="torn")
    bank.add([turn], **ADA)
    bank.set_profile({"name": "\ud83d"}, **ADA)
    (stored,) = (memory.turn for memory in bank.timeline(**ADA) if memory.id == "torn")
    assert (stored.query, stored.response) == ("the moon \ufffd at night", "be\0fore")
    assert stored.user_name == "A\ufffd"
    assert bank.search("moon \ud83d", **ADA)[0].memory.id == "torn"
    assert bank.search("be\0fore", **ADA)[0].memory.id == "torn"
    bank.add([turn], **ADA)  # the same again changes nothing
    assert bank.stats().memories == 2


def test_torn_characters_in_ids_are_refused(bank):
    for call in (
        lambda: bank.add([Turn("x", id="\ud800")], **ADA),
        lambda: bank.add([Turn("x", session="\ud800")], **ADA),
        lambda: bank.reinforce(["\ud800"], **ADA),
        lambda: bank.reinforce(["a"], turn="\ud800", **ADA),
        lambda: bank.delete(ids=["\ud800"], **ADA),
        lambda: bank.recalls("\ud800", **ADA),
        lambda: bank.timeline(session="\ud800", **ADA),
    ):
        with refused(bank, match="cannot be stored"):
            call()


# Embedders


class Answering(HashingEmbedder):
    """Returns what `answer` computes, if it is set."""

    answer = None

    def embed_documents(self, texts):
        return super().embed_documents(texts) if self.answer is None else self.answer(len(texts))

    def embed_query(self, text):
        return super().embed_query(text) if self.answer is None else self.answer(1)


class AwayEmbedder(HashingEmbedder):
    """Cannot be reached while it `is_away`."""

    is_away = False

    def embed_documents(self, texts):
        return self.embed_query("") if self.is_away else super().embed_documents(texts)

    def embed_query(self, text):
        if self.is_away:
            raise ConnectionError("no route")
        return super().embed_query(text)


def test_an_embedder_that_fails_is_named_with_its_cause(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=AwayEmbedder()) as bank:
        bank.add([Turn("hello")], user_id="ada")
        bank.embedder.is_away = True
        message = "'hashing' failed: ConnectionError: no route"
        with pytest.raises(EmbedderError, match=message) as error:
            bank.add([Turn("x")], user_id="ada")
        assert isinstance(error.value.__cause__, ConnectionError)
        with pytest.raises(EmbedderError, match=message):
            bank.search("x", user_id="ada")
        assert len(bank.timeline(user_id="ada")) == 1


def filled(value):
    return lambda n: np.full((n, 256), value, np.float32)


@pytest.mark.parametrize(
    "answer",
    [
        filled(np.nan),
        filled(np.inf),
        filled(-np.inf),
        filled(0.0),
        lambda n: np.zeros((n, 255), np.float32),
        lambda n: np.ones((n + 1, 256), np.float32),
        lambda n: np.ones((n, 256, 1), np.float32),
        lambda n: np.ones((0, 256), np.float32),
        lambda n: [],
        lambda n: None,
        lambda n: ["x"] * n,
        lambda n: [[1.0], [1.0, 2.0]],
    ],
)
def test_vectors_that_cannot_be_used(path, answer):
    embedder = Answering()
    with MemoryBank.open(path, embedder=embedder) as bank:
        bank.add([Turn("tea", id="a")], **ADA)
        embedder.answer = answer
        with refused(bank, EmbedderError, match="the embedder returned"):
            bank.add([Turn("one"), Turn("two")], **ADA)
        with refused(bank, EmbedderError, match="the embedder returned"):
            bank.search("tea", **ADA)
        embedder.answer = None
        assert bank.search("tea", **ADA)[0].memory.id == "a"


def test_vectors_of_another_length_are_made_unit_vectors(path):
    embedder = Answering()
    embedder.answer = filled(3.0)
    with MemoryBank.open(path, embedder=embedder) as bank:
        bank.add([Turn("tea")], **ADA)
        assert bank.search("tea", **ADA)[0].cosine == pytest.approx(1.0)


@pytest.mark.parametrize("other", [HashingEmbedder(64), "hashing"])
def test_another_embedder_than_the_files(path, other):
    with MemoryBank.open(path, embedder=HashingEmbedder(32)) as bank:
        bank.add([Turn("tea")], **ADA)
    before = path.read_bytes()
    with pytest.raises(EmbedderMismatchError) as raised:
        MemoryBank.open(path, embedder=other)
    assert "'hashing-32'" in str(raised.value)
    assert ("'hashing-64'" if other != "hashing" else "'hashing'") in str(raised.value)
    assert "reembed" in str(raised.value)
    assert path.read_bytes() == before


# Configuration


def test_all_faults_of_a_configuration_are_named_together(path):
    with pytest.raises(ConfigurationError) as raised:
        MemoryBank.open(path, embedder="hashing", language="no", timezone="Oslo", law="moore")
    for fault in ("language", "'no'", "timezone", "'Oslo'", "law", "'moore'"):
        assert fault in str(raised.value)
    assert not path.exists()


@pytest.mark.parametrize("zone", ["", "Mars", "../etc", "Europe", "/etc/passwd", "\0", 5])
def test_timezone(path, zone):
    with pytest.raises(ConfigurationError, match="timezone must be an IANA name"):
        MemoryBank.open(path, embedder="hashing", timezone=zone)


@pytest.mark.parametrize("option", [{"language": "no"}, {"language": ["en"]}, {"law": 5}])
def test_options(path, option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        MemoryBank.open(path, embedder="hashing", **option)


def test_unknown_embedder(path):
    with pytest.raises(ConfigurationError, match="unknown embedder 'word2vec'; known: "):
        MemoryBank.open(path, embedder="word2vec")
    assert not path.exists()


# Files


@pytest.mark.filterwarnings("ignore:no embedding model")
@pytest.mark.parametrize("embedder", ["hashing", None])
@pytest.mark.parametrize(
    "content",
    [b"x", b"Dear diary,\n" * 400, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 64, b"\0" * 8192],
)
def test_a_file_that_is_no_database_is_left_as_it_is(path, content, embedder):
    path.write_bytes(content)
    with pytest.raises((NotABankError, ConfigurationError)) as raised:
        MemoryBank.open(path, embedder=embedder)
    assert embedder is None or raised.type is NotABankError
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("schema", ["CREATE TABLE notes (text)", "CREATE TABLE meta (name, value)"])
def test_another_applications_database_is_left_as_it_is(path, mode, schema):
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode={mode}")
        db.execute(schema)
        db.commit()
    before = path.read_bytes()
    with pytest.raises(NotABankError, match="another application"):
        MemoryBank.open(path, embedder="hashing")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_newer_schema(path):
    open_bank(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNewError, match=r"schema 99.*pip install --upgrade"):
        open_bank(path)
    assert path.read_bytes() == before


def fill(path):
    """A closed bank of a few dozen pages."""
    with open_bank(path) as bank:
        bank.add([Turn(f"tea {n} " + "x" * 300, at=NOON, id=f"{n}") for n in range(60)], **ADA)
    return path.read_bytes()


@pytest.mark.parametrize("length", [1, 99, 100, 512, 8191, 8192, 8193, 65_536, -8193, -4096, -1])
def test_a_file_that_was_cut_off(path, length):
    whole = fill(path)
    path.write_bytes(whole[:length])
    with pytest.raises(NotABankError):
        open_bank(path)
    assert path.read_bytes() == whole[:length]


def test_damaged_pages_never_raise_anything_but_our_errors(path):
    whole = fill(path)
    for start in range(0, len(whole), 8192):
        for junk in (b"\xff" * 8192, b"\0" * 8192):
            path.write_bytes(whole[:start] + junk + whole[start + 8192 :])
            try:
                with open_bank(path) as bank:
                    bank.timeline(**ADA)
                    bank.search("tea", **ADA)
                    bank.add([Turn("more tea")], **ADA)
            except MemoryBankError:
                pass
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("place", ["missing/bank.db", ".", "\0", "file/bank.db", "n" * 300])
def test_a_place_where_no_file_can_be(tmp_path, place):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreWriteError):
        open_bank(tmp_path / place)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_bank_in_memory_is_refused_with_a_reason():
    with pytest.raises(ConfigurationError, match="a bank is a file"):
        MemoryBank.open(":memory:", embedder="hashing")


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "what?.db", "#1.db", "朋友.db", "file:x.db"])
def test_odd_file_names(tmp_path, name):
    with open_bank(tmp_path / name) as bank:
        bank.add([Turn("tea")], **ADA)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    with MemoryBank.open(tmp_path / name) as bank:  # finds the embedder's name in the file
        assert bank.stats().memories == 1


def test_a_folder_that_may_only_be_read():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        with open_bank(folder / "old.db") as bank:
            bank.add([Turn("I like tea.")], user_id="ada")
        (folder / "old.db").chmod(0o444)
        folder.chmod(0o555)
        lines = run("read_only", folder, 65_534)
        [line] = lines  # it was opened for reading
        assert line.startswith("[True, 1, 0]")
        assert "old.db was opened for reading only; nothing was changed" in line
        assert [file.name for file in folder.iterdir()] == ["old.db"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("room", [0, 20_000, 100_000, 300_001])
def test_a_full_disk(path, room):
    *calls, error, count = run("disk_full", path, room)
    acknowledged = [id for call in calls for id in call.split()]
    assert "Nothing was changed" in error
    assert int(count) == len(acknowledged)
    with open_bank(path) as bank:
        ids = [memory.id for memory in bank.timeline(**ADA)]
        assert len(ids) == len(set(ids)) == len(acknowledged) + BATCH
        assert set(acknowledged) < set(ids)
    assert_sound(path)


def test_a_locked_file_can_be_read_but_not_written(path):
    options = {"embedder": HashingEmbedder(), "busy_timeout": 0.2}
    with MemoryBank.open(path, **options) as bank:
        bank.add([Turn("tea", id="a")], **ADA)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for write in (
                lambda: bank.add([Turn("more")], **ADA),
                lambda: bank.reinforce(["a"], **ADA),
                lambda: bank.delete(**ADA),
            ):
                with refused(bank, StoreBusyError, match="Another process is writing"):
                    write()
            assert bank.search("tea", **ADA)[0].memory.id == "a"
            with MemoryBank.open(path, **options) as second:
                assert second.search("tea", **ADA)[0].memory.id == "a"
        assert bank.add([Turn("more")], **ADA).added == 1


def test_use_after_close(path):
    bank = open_bank(path)
    bank.add([Turn("tea", id="a")], **ADA)
    bank.close()
    bank.close()
    for call in (
        lambda: bank.add([Turn("x")], **ADA),
        lambda: bank.search("tea", **ADA),
        lambda: bank.reinforce(["a"], **ADA),
        lambda: bank.timeline(**ADA),
        lambda: bank.recalls("a", **ADA),
        lambda: bank.forget(**ADA),
        lambda: bank.forecast(NOON, **ADA),
        lambda: bank.restore(["a"], **ADA),
        lambda: bank.delete(**ADA),
        lambda: bank.profile(**ADA),
        lambda: bank.set_profile({}, **ADA),
        bank.users,
        bank.stats,
    ):
        with pytest.raises(StoreClosedError, match="Open the bank again"):
            call()


def test_a_file_that_vanishes_is_not_created_again(tmp_path, path):
    with open_bank(path) as bank:
        bank.add([Turn("tea")], **ADA)
        for suffix in EMPTY:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        bank.store._connections._idle.clear()
        with pytest.raises(StoreWriteError):
            bank.timeline(**ADA)
    assert list(tmp_path.iterdir()) == []
