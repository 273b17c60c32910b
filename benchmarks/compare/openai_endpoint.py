"""The embedder of the comparison behind an OpenAI-compatible endpoint on the loopback address.

For systems that take an embedder only by its URL. Runs in a thread of the worker.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from compare.protocol import Embedder


class EmbeddingEndpoint:
    """Serves `POST /v1/embeddings`.

    The interface does not tell questions from documents: texts are documents, but questions
    inside `asking()`.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._is_asking = False
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = endpoint.answer(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Embed texts as questions."""
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def answer(self, request: dict) -> bytes:
        """Return the body of an answer."""
        texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
        if self._is_asking:
            vectors = [self._embedder.embed_query(text) for text in texts]
        else:
            vectors = self._embedder.embed_documents(texts)
        data = [
            {"object": "embedding", "index": i, "embedding": vector}
            for i, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": 0, "total_tokens": 0}
        answer = {"object": "list", "data": data, "model": request.get("model"), "usage": usage}
        return json.dumps(answer).encode()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
