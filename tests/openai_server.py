"""A small real server of OpenAI's chat completions and embeddings, which fails on request.

with OpenAIServer(schedule=["500", "reset"]) as server:
    OpenAIChat("any", base_url=server.base_url).complete(...)  # succeeds at the third attempt
    server.requests  # three
"""

import base64
import json
import math
import socket
import struct
import threading
import time
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "ok": {},
    "eos": {"finish_reason": "eos"},
    "length": {"finish_reason": "length"},
    "filtered": {"finish_reason": "content_filter"},
    "tool": {"finish_reason": "tool_calls"},
    "unfinished": {"finish_reason": None},
    "empty": {"content": ""},
    "blank": {"content": " \n"},
    "refusal": {"content": None, "refusal": "I would rather not."},
    "parts": {"content": ["no", "string"]},
}
"""Differences of each answer from a complete one."""

BODIES = {
    "html": "<html>Welcome!</html>",
    "torn": '{"choices": [{"mess',
    "null": "null",
    "list": "[1, 2]",
    "no choices": '{"id": "x"}',
    "empty choices": '{"choices": []}',
    "odd choices": '{"choices": ["x"]}',
    "no message": '{"choices": [{"finish_reason": "stop"}]}',
    "error in 200": '{"error": {"message": "out of memory"}}',
    "overflow in 200": '{"error": {"message": "prompt is too long"}}',
}
"""Bodies sent with status 200 instead of an answer; all but the HTML as JSON."""

VECTORS = {
    "fewer": lambda items: items[:-1],
    "more": lambda items: [*items, items[0]],
    "shorter": lambda items: [{**it, "embedding": it["embedding"][:-1]} for it in items],
    "ragged": lambda items: [{**items[0], "embedding": [1.0]}, *items[1:]],
    "nan": lambda items: [{**it, "embedding": [float("nan")] * 4} for it in items],
    "zeros": lambda items: [{**it, "embedding": [0.0] * len(it["embedding"])} for it in items],
    "words": lambda items: [{**it, "embedding": "none"} for it in items],
    "no vector": lambda items: [{"index": it["index"]} for it in items],
    "reversed": lambda items: items[::-1],
    "no index": lambda items: [{"embedding": it["embedding"]} for it in items],
}
"""Changes of the vectors in an answer to a request for embeddings."""

STATUSES = {
    "400": (400, {"message": "temperature must be at most 2"}),
    "401": (401, {"message": "Incorrect API key provided: {key}", "code": "invalid_api_key"}),
    "401 text": (401, "Bearer {key} is unknown"),
    "403": (403, {"message": "The project of {key} may not use it"}),
    "404": (404, {"message": "The model `any` does not exist", "code": "model_not_found"}),
    "413": (413, "<h1>Request Entity Too Large</h1>"),
    "429": (429, {"message": "Slow down"}),
    "500": (500, {"message": "Bad luck"}),
    "503": (503, "<h1>Service Unavailable</h1>"),
    "quoting": (400, {"message": "Cannot read {input}"}),
    "batch": (422, {"message": "batch size 3 > maximum allowed batch size 2"}),
    "overflow": (400, {"message": "It is too long.", "code": "context_length_exceeded"}),
}
"""Error statuses and bodies; {key} and {input} are replaced by those of the client."""


@dataclass
class Request:
    """A request that the server received."""

    body: dict
    headers: Message
    time: float


class OpenAIServer:
    """Answers each request with `answer(messages)`, unless the schedule has something else.

    Args:
        answer: Returns the text of an answer.
        embed: Returns the vectors of texts.
        batch: Maximum number of texts of a request for embeddings.
        schedule: Behaviours, the names above or "reset", "half", "stall", "endless",
            "error_event" and "overflow_event": one for each request, then "ok"; or a function of
            the request's number, from 0, and its body.
        context: Maximum length of a prompt in characters.
        retry_after: Seconds in the Retry-After header of 429 and 5xx.
        stall: Seconds that a stalled answer takes.
    """

    def __init__(
        self,
        answer=lambda messages: "All is fine.",
        schedule=(),
        *,
        embed=None,
        batch=None,
        context=None,
        retry_after=0.01,
        stall=30.0,
    ):
        self.answer, self.schedule, self.context = answer, schedule, context
        self.embed, self.batch = embed, batch
        self.retry_after, self.stall = retry_after, stall
        self.requests = []
        self.closing, self.hung_up = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _HTTP(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def prompts(self):
        """The messages of each request."""
        return [request.body["messages"] for request in self.requests]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def behaviour(self, body, headers):
        """Record a request and return the behaviour for it."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(Request(body, headers, time.monotonic()))
        if callable(self.schedule):
            behaviour = self.schedule(number, body)
        else:
            behaviour = self.schedule[number] if number < len(self.schedule) else "ok"
        if behaviour == "ok" and len(body.get("input", ())) > (self.batch or math.inf):
            return "batch"
        texts = body.get("input") or [message["content"] for message in body["messages"]]
        length = max(map(len, texts)) if "input" in body else sum(map(len, texts))
        return "overflow" if behaviour == "ok" and length > (self.context or length) else behaviour


class _HTTP(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them
    request_queue_size = 100


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: each request has its own connection."""

    owner = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
            self.send("text/plain", f"there is no {self.path}", 404)
            return
        self.body, behaviour = body, self.owner.behaviour(body, self.headers)
        if "input" in body and (behaviour == "ok" or behaviour in VECTORS):
            self.vectors(VECTORS.get(behaviour, list))
        elif behaviour in ANSWERS:
            text = self.owner.answer(body["messages"])
            answer = {"content": text, "finish_reason": "stop", **ANSWERS[behaviour]}
            (self.stream if body.get("stream") else self.whole)(**answer)
        elif behaviour in BODIES:
            kind = "text/html" if behaviour == "html" else "application/json"
            self.send(kind, BODIES[behaviour])
        elif behaviour in STATUSES:
            self.refuse(*STATUSES[behaviour])
        else:
            getattr(self, behaviour)()

    def whole(self, finish_reason, **message):
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        self.send("application/json", json.dumps({"choices": [choice], "usage": usage}))

    def vectors(self, change):
        vectors = self.owner.embed(self.body["input"])
        items = [
            {"object": "embedding", "index": index, "embedding": self.encode(vector)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        answer = {"object": "list", "data": change(items), "model": "any", "usage": usage}
        self.send("application/json", json.dumps(answer))

    def encode(self, vector):
        if self.body.get("encoding_format") == "base64":
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return vector.tolist()

    def stream(self, finish_reason, content=None, refusal=None):
        self.begin_stream()
        for piece in content.split(" ") if isinstance(content, str) else [content]:
            self.event(content=f"{piece} " if isinstance(piece, str) else piece)
        self.event(finish_reason, refusal=refusal)
        self.wfile.write(b'data: {"choices": [], "usage": {"total_tokens": 7}}\n\n')
        self.wfile.write(b"data: [DONE]\n\n" if finish_reason else b"")

    def endless(self):
        """Stream until the client disconnects."""
        self.begin_stream()
        try:
            while not self.owner.closing.wait(0.01):
                self.event(content="more ")
        except OSError:
            self.owner.hung_up.set()

    def overflow_event(self):
        """Send a stream whose first event is an error."""
        self.begin_stream()
        self.wfile.write(b'data: {"error": {"message": "Context size has been exceeded."}}\n\n')

    def error_event(self):
        """Send a stream that fails after its first piece."""
        self.begin_stream()
        self.event(content="Once ")
        self.wfile.write(b'data: {"error": {"message": "out of memory"}}\n\n')

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def event(self, finish_reason=None, **delta):
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def refuse(self, status, error):
        text = error if isinstance(error, str) else json.dumps({"error": error})
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        kind = "text/html" if isinstance(error, str) else "application/json"
        self.send(kind, text.replace("{key}", key).replace("{input}", self.quoted()), status)

    def quoted(self):
        """Return the end of the first text, as a server's message quotes it."""
        return json.dumps(self.body.get("input", [""])[0][-20:])[1:-1]

    def reset(self):
        """Reset the connection."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def half(self):
        """Announce more bytes than it sends."""
        self.send("text/event-stream", 'data: {"choices": []}\n\n', more=1000)

    def stall(self):
        self.owner.closing.wait(self.owner.stall)

    def send(self, kind, text, status=200, more=0):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode()) + more))
        if status in (429, 500, 503):
            self.send_header("Retry-After", str(self.owner.retry_after))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        """Suppress the log."""
