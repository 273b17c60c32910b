"""Debian's Chromium for tests of pages, and what every page must hold to."""

import json
import socket
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

import hypothesis  # noqa: F401 - its plugin would at the end, where Playwright upsets the parser
from playwright.sync_api import expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason="there is no Chromium: apt-get install chromium"
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # gradio's event loops and sockets
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::Warning:gradio.*"),  # pandas' in gradio's queue
]

expect.set_options(timeout=20_000)  # two workers may share the processors


@contextmanager
def launched():
    """Give a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def watch(page, url):
    """Return lists of the dialogs that the page opens, and of requests to other servers."""
    dialogs, outside = [], []
    page.set_default_timeout(20_000)
    page.on("dialog", lambda box: (dialogs.append(box.message), box.dismiss()))

    def note(request):
        if not request.url.startswith((url, "data:", "blob:")):
            outside.append(request.url)

    page.on("request", note)
    return dialogs, outside


def serious_faults(page, schemes=("light", "dark")):
    """Return the serious faults that axe finds, in light and dark colours."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    script = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    faults = []
    for scheme in schemes:
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", scheme == "dark")
        page.wait_for_timeout(250)  # colours change gradually
        page.evaluate(script)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        faults.extend(
            (scheme, fault["id"], node["html"][:120], node["failureSummary"])
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        )
    return faults


def call_handler(url, id, data):
    """Return the server's response to a call without a browser."""
    body = {"fn_index": id, "data": data, "session_hash": f"intruder{id}", "event_data": None}
    headers = {"Content-Type": "application/json"}
    join = Request(f"{url}gradio_api/queue/join", json.dumps(body).encode(), headers)
    urlopen(join, timeout=10).close()
    with urlopen(f"{url}gradio_api/queue/data?session_hash=intruder{id}", timeout=20) as stream:
        answer = ""
        for line in stream:
            answer += line.decode()
            if "process_completed" in answer or "close_stream" in answer:
                return answer
    return answer
