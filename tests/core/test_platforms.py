"""Windows and macOS, as far as Linux can simulate what they lack and refuse."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from memorybank_core import MemoryBank, StoreWriteError
from memorybank_core.backup import back_up, restore
from memorybank_core.locations import is_url
from memorybank_core.output_files import sqlite_uri
from memorybank_core.stores.sqlite import file_lock

linux_only = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason="finds open files in /proc, and pathlib of Python 3.10 keeps the calls of os",
)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (
            PureWindowsPath(r"C:\Users\诺拉\a b.db"),
            "file:///C:/Users/%E8%AF%BA%E6%8B%89/a%20b.db?x",
        ),
        (PureWindowsPath(r"C:\50%#?.db"), "file:///C:/50%25%23%3F.db?x"),
        (PureWindowsPath(r"\\server\share\a.db"), "file:////server/share/a.db?x"),
        (PureWindowsPath(r"\\?\C:\long\a.db"), "file:////%3F/C:/long/a.db?x"),
        (PurePosixPath("/home/ada/a.db"), "file:///home/ada/a.db?x"),
    ],
)
def test_sqlite_opens_paths_of_each_system_by_a_uri_without_host(path, uri):
    assert sqlite_uri(path, "x") == uri


@pytest.mark.parametrize("name", ["50%#?&=a.db", "C:memory.db", "诺拉 é.db", "torn \udcff.db"])
def test_any_name_of_a_file_can_be_opened(tmp_path, name):
    path = tmp_path / name
    with closing(sqlite3.connect(sqlite_uri(path, "mode=rwc"), uri=True)) as db:
        db.execute("CREATE TABLE t (x)")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("path", [r"C:\a.db", "C:/a.db", r"\\server\a.db", r"c:a.db"])
def test_a_path_of_windows_is_no_url(path):
    assert not is_url(path)
    assert not is_url(PureWindowsPath(path))


@pytest.fixture
def windows(monkeypatch):
    """Refuses to rename, replace and delete a file that this process has open, as Windows does."""

    def require_closed(*paths):
        for descriptor in Path("/proc/self/fd").iterdir():
            for path in paths:
                try:
                    is_open = descriptor.samefile(path)
                except OSError:
                    continue
                if is_open:
                    raise PermissionError(13, "it is being used by another process", str(path))

    def checked(call):
        def call_if_closed(*paths, **options):
            require_closed(*paths)
            return call(*paths, **options)

        return call_if_closed

    for name in ("rename", "replace", "unlink", "remove"):
        monkeypatch.setattr(os, name, checked(getattr(os, name)))
    for name in ("pread", "pwrite"):
        monkeypatch.delattr(os, name)
    monkeypatch.setattr(file_lock, "RENAMES_OPEN_FILES", False)


def texts(path):
    with MemoryBank.open(path) as bank:
        return [it.memory.text for it in bank.search("cello Oslo", user_id="ada", k=9)]


@linux_only
def test_a_bank_is_backed_up_restored_and_erased_where_open_files_cannot_be_replaced(
    folder, windows
):
    bank, copy = folder / "bank.db", folder / "copy.db"
    with MemoryBank.open(bank, embedder="hashing") as open_bank:
        open_bank.add(["My sister plays the cello."], user_id="ada")
        back_up(bank, copy)
        back_up(bank, copy, force=True)
        secret = open_bank.add(["The code is 4711."], user_id="ada").ids
        assert open_bank.delete(user_id="ada", ids=secret).erased
        assert b"4711" not in bank.read_bytes()
        open_bank.add(["I moved to Oslo."], user_id="ada")
    receipt = restore(copy, bank)
    assert texts(bank) == ["My sister plays the cello."]
    assert "I moved to Oslo." in texts(receipt.replaced)
    restore(copy, bank, force=True)
    assert texts(bank) == ["My sister plays the cello."]
    names = {Path(receipt.replaced).name, "bank.db", "copy.db"}
    assert {file.name for file in folder.iterdir()} == names


@linux_only
def test_where_open_files_cannot_be_replaced_a_restore_loses_nothing_if_another_opens_the_bank(
    folder, windows
):
    bank, copy = folder / "bank.db", folder / "copy.db"
    with MemoryBank.open(bank, embedder="hashing") as open_bank:
        open_bank.add(["My sister plays the cello."], user_id="ada")
        back_up(bank, copy)
        open_bank.add(["I moved to Oslo."], user_id="ada")
    with bank.open("rb"), pytest.raises(StoreWriteError, match="Nothing was replaced"):
        restore(copy, bank)
    assert len(texts(bank)) == 2


@linux_only
def test_an_empty_bank_is_removed_where_open_files_cannot_be_deleted(folder, windows):
    path = folder / "bank.db"
    MemoryBank.open(path, embedder="hashing").close()
    file_lock.remove_if_empty(path)
    assert list(folder.iterdir()) == []
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.add(["I moved to Oslo."], user_id="ada")
    file_lock.remove_if_empty(path)
    assert path.exists()


WITHOUT_POSIX = """
import os, sys
for name in ("fork", "register_at_fork", "pread", "pwrite", "getuid", "geteuid", "O_NOFOLLOW"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "readline"):
    sys.modules[name] = None
from memorybank_core import MemoryBank
from memorybank_core.stores.sqlite import disk_space
disk_space._find_allocate = lambda: None  # only Linux has it
with MemoryBank.open("bank.db", embedder="hashing") as bank:
    bank.add(["我住在奥斯陆。"], user_id="ada")
    print(len(bank.search("我住在哪里？", user_id="ada")), bank.delete(user_id="ada").erased)
import memorybank_core.cli.app
"""


def test_the_library_and_the_command_do_without_the_modules_and_calls_of_posix(tmp_path):
    pytest.importorskip("typer", reason="typer is not installed")
    script = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    done = subprocess.run(
        [*script, "-c", WITHOUT_POSIX], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"}, timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("1 True\n", "")
