"""Doctor on a database: damage a bank in each way, and see the finding and the repair."""

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from findings import problems
from postgres_servers import connect
from test_row_security import as_app, create_with_role

from memorybank_core import Change, MemoryBank, Turn
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.stores.postgres.pages import Page, pack, unpack
from memorybank_core.testing.examples import ADA, BOB, EAST, turn

NOW = datetime(2025, 5, 9, 12, tzinfo=timezone.utc)
SAID = [
    "My sister Nora plays the cello.",
    "The cat is called Miso.",
    "I moved to Lisbon in spring.",
    "我妹妹在学大提琴。",
    "I live in Porto\0 now.",
    "我住在上海。",
]
CHECKS = [
    "server", "integrity", "schema", "leftovers", "counts", "disk", "permissions", "row security",
    "write", "embedder", "users", "rows", "dates", "index", "search", "digests",
]  # fmt: skip


@pytest.fixture
def url(postgres):
    with postgres.lent() as url:
        with open_bank(url) as bank:
            for user in ("lin", "林"):
                turns = [Turn(text, "Yes.", NOW, id=f"t{n}") for n, text in enumerate(SAID)]
                bank.add(turns, user_id=user)
                bank.summarize(user_id=user, now=NOW)
        yield url


def open_bank(url):
    return MemoryBank.open(url, embedder="hashing")


def check(url, **options):
    with open_bank(url) as bank:
        return bank.check(now=NOW, **options)


def execute(url, *statements):
    with connect(url, autocommit=True) as db:
        for statement in statements:
            db.execute(statement)


def test_a_sound_bank_has_one_ok_of_each_check(url):
    report = check(url, repair=True)
    assert problems(report) == []
    assert [finding.check for finding in report.findings] == CHECKS
    assert report.repaired == ()


def test_near_equal_users_are_listed(url):
    with open_bank(url) as bank:
        for user in ("Lin", " lin", "ｌｉｎ"):
            bank.add([Turn("Hello.", at=NOW)], user_id=user)
        [finding] = problems(bank.check(now=NOW), "users")
    assert "' lin', 'Lin', 'lin', 'ｌｉｎ'" in finding.message


ROW = "WHERE user_id = 'lin' AND id = 't2'"
STATE = "INSERT INTO memorybank.states VALUES ('lin', 3, 1, 'NaN', 0, NULL, NULL, false)"
UNREADABLE = {
    f"UPDATE memorybank.memories SET kind = 'dream' {ROW}": "an unknown kind",
    f"UPDATE memorybank.memories SET day = '2025-13-45' {ROW}": "a day that is not in the calendar",
    f"UPDATE memorybank.memories SET created_at = 9e18::bigint {ROW}": "a time that is not in",
    f"UPDATE memorybank.memories SET metadata = '{{x' {ROW}": "metadata that are not a JSON object",
    STATE: "a strength that is not a positive number",
}


def test_damaged_rows_are_listed_and_not_deleted(url):
    for statement, fault in UNREADABLE.items():
        execute(url, statement)
        report = check(url, repair=True)
        found = [finding for finding in problems(report, "rows") if fault in finding.message]
        assert [(finding.user_id, finding.ids) for finding in found] == [("lin", ("t2",))]
        assert not found[0].repairable
    with connect(url) as db:
        select = "SELECT count(*) FROM memorybank.memories WHERE kind <> 'event'"
        assert db.execute(select).fetchone() == (12,)


def change_page(url, change):
    """Change the page of a user's memories."""
    select = "SELECT first_seq, last_seq, columns, vectors FROM memorybank.pages"
    update = "UPDATE memorybank.pages SET columns = %s, vectors = %s WHERE user_id = 'lin'"
    with connect(url) as db:
        rows = db.execute(f"{select} WHERE user_id = 'lin' ORDER BY first_seq").fetchall()
        page = Page(*rows[0])
        new = change(page, unpack([page]))
        db.execute(f"{update} AND first_seq = %s", (new.columns, new.vectors, page.first_seq))


def drop_vector(page, batch):
    return pack(batch.select(batch.key != 3), page.first_seq, page.last_seq)


def with_vector(value):
    def change(page, batch):
        vectors = batch.vectors.copy()
        vectors[batch.key == 3] = value
        return Page(page.first_seq, page.last_seq, page.columns, vectors.tobytes())

    return change


def with_other_traits(page, batch):
    return pack(replace(batch, asks=batch.asks ^ (batch.key == 3)), page.first_seq, page.last_seq)


REBUILT = {
    "no vector": drop_vector,
    "values that are not finite": with_vector(np.nan),
    "not of unit length": with_vector(0.5),
    "terms that are not those of the text": with_other_traits,
}


@pytest.mark.parametrize("fault", REBUILT)
def test_what_is_made_from_the_text_is_repaired(url, fault):
    change_page(url, REBUILT[fault])
    [finding] = problems(check(url), "rows")
    assert fault in finding.message
    assert finding.ids == ("t2",)
    assert finding.repairable
    report = check(url, repair=True)
    assert problems(report) == []
    assert report.repaired == ("user 'lin': vectors or terms of 1 memory",)


def test_a_damaged_page_is_written_again(url):
    with open_bank(url) as bank:
        bank.reinforce(["t2"], user_id="lin", now=NOW)
        bank.store.record_changes("lin", [Change("t2", "t1", "model", NOW)])
        query = "Where do I live?"
        before = [found.memory.id for found in bank.search(query, user_id="lin", now=NOW)]
        change_page(url, lambda page, batch: Page(1, page.last_seq, page.columns[:-7], b"12"))
        [finding] = problems(bank.check(now=NOW), "rows")
        assert len(finding.ids) >= 6
        assert problems(bank.check(now=NOW, repair=True)) == []
        after = [found.memory.id for found in bank.search(query, user_id="lin", now=NOW)]
        assert after == before
        assert bank.recalls("t2", user_id="lin") == [NOW]
        assert [change.newer for change in bank.changes(user_id="lin")] == ["t2"]


def test_an_index_with_deleted_memories_is_built_again(url):
    execute(url, "DELETE FROM memorybank.memories WHERE user_id = 'lin' AND id IN ('t1', 't2')")
    names = {finding.check for finding in problems(check(url))}
    assert {"index", "counts"} <= names
    assert problems(check(url, repair=True), "index", "search", "counts", "rows") == []


def test_rows_without_a_memory_and_wrong_rows_of_users_are_repaired(url):
    execute(
        url,
        "INSERT INTO memorybank.recalls VALUES ('lin', 99, 1, 0, NULL)",
        "INSERT INTO memorybank.replacements VALUES ('lin', 1, 97, 'm', 0)",
        "INSERT INTO memorybank.pages VALUES ('lin', 9, 1, 1, 1, '', '')",
        "UPDATE memorybank.users SET next_seq = 2, memories = 99 WHERE user_id = 'lin'",
        "DELETE FROM memorybank.users WHERE user_id = '林'",
    )
    leftovers, counts = problems(check(url), "leftovers", "counts")
    assert "1 of recalls, 1 of replacements, 1 of pages" in leftovers.message
    assert "'lin', '林'" in counts.message
    report = check(url, repair=True)
    assert problems(report) == []
    assert len(report.repaired) == 4
    with open_bank(url) as bank:
        assert bank.search("cello", user_id="林", now=NOW)
        bank.add([Turn("It rains.", id="rain")], user_id="lin")


def test_indexes_are_built_again(postgres):
    url = postgres.new()
    open_bank(url).close()
    execute(
        url,
        "DROP INDEX memorybank.memories_by_day",
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'memorybank.users_3_pkey'::regclass",
        "ALTER TABLE memorybank.items DETACH PARTITION memorybank.items_2",
        "GRANT SELECT ON memorybank.memories TO PUBLIC",
    )
    integrity, *schema, permissions = problems(check(url))
    assert "users_3_pkey" in integrity.message
    assert "REVOKE ALL" in permissions.advice
    partitions, indexes = sorted(schema, key=lambda finding: finding.repairable)
    assert "not all 8 partitions are attached to: items" in partitions.message
    assert "memories_by_day" in indexes.message
    report = check(url, repair=True)
    assert report.repaired == ("the index users_3_pkey", "the index memories_by_day")
    assert [finding.check for finding in problems(report)] == ["schema", "permissions"]
    postgres.drop(url)


@pytest.fixture(scope="module")
def secured(postgres):
    url = create_with_role(postgres)
    store = PostgresStore(as_app(url), embedder="by-hand", dimension=3)
    for user in (ADA, BOB):
        store.add(user, [turn("a", user=user)], [EAST])
    store.close()
    yield url
    postgres.drop(url)


def examine(url):
    store = PostgresStore(url, embedder="by-hand", dimension=3)
    findings = store.inspector.examine()
    store.close()
    return {finding.check: finding for finding in findings}


def test_row_security_is_tried_as_another_user(secured):
    found = examine(as_app(secured))
    assert {finding.severity for finding in found.values()} == {"ok"}
    assert "not visible to another" in found["row security"].message
    assert examine(secured)["row security"].severity == "warning"  # a superuser


@pytest.mark.parametrize(
    ("damage", "undo", "message"),
    [
        (
            "ALTER TABLE memorybank.memories_1 DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE memorybank.memories_1 ENABLE ROW LEVEL SECURITY",
            "not in force on memories_1",
        ),
        (
            "ALTER TABLE memorybank.digests NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE memorybank.digests FORCE ROW LEVEL SECURITY",
            "not in force on digests",
        ),
        (
            "CREATE POLICY lax ON memorybank.memories USING (true)",
            "DROP POLICY lax ON memorybank.memories",
            "visible in memories",
        ),
    ],
)
def test_row_security_that_is_not_in_force_is_an_error(secured, damage, undo, message):
    execute(secured, damage)
    finding = examine(as_app(secured))["row security"]
    execute(secured, undo)
    assert finding.severity == "error"
    assert message in finding.message


def test_a_role_that_may_not_write_is_an_error(secured):
    execute(secured, "REVOKE INSERT ON memorybank.users FROM app")
    found = examine(as_app(secured))
    execute(secured, "GRANT INSERT ON memorybank.users TO app")
    assert {name for name, f in found.items() if f.severity == "error"} == {"permissions", "write"}
    assert "may not read and write the tables users" in found["permissions"].message
