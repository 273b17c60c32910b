"""MemPalace: the tools of its MCP server, a wing for each user."""

import os

from compare.openai_endpoint import EmbeddingEndpoint
from compare.protocol import Hit

NAME = "MemPalace"
PACKAGE = "mempalace"
ENVIRONMENT = "mempalace"
SETTING = '`add_drawer`, `search` with `candidate_strategy="union"` (vectors and BM25), ChromaDB'
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._endpoint = EmbeddingEndpoint(embedder)
        os.environ |= {
            "MEMPALACE_CONFIG_DIR": str(folder),
            "MEMPALACE_PALACE_PATH": str(folder / "palace"),
            "MEMPALACE_EMBEDDING_MODEL": "openai-compat",
            "MEMPALACE_EMBEDDING_API_URL": self._endpoint.url,
            "MEMPALACE_EMBEDDING_API_MODEL": embedder.name,
        }
        from mempalace import mcp_server  # reads the variables

        self._server = mcp_server
        self._file = folder / "ids.txt"  # drawers have ids made of their text
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._ids = dict(line.split("\t") for line in lines)

    def add(self, turns, user):
        with self._file.open("a") as file:
            for turn in turns:
                filed = self._server.tool_add_drawer(_name(user), "conversation", turn.text)
                if not filed["success"]:
                    raise RuntimeError(filed["error"])
                self._ids.setdefault(filed["drawer_id"], turn.id)
                file.write(f"{filed['drawer_id']}\t{turn.id}\n")

    def search(self, query, user, k, now):
        with self._endpoint.asking():
            found = self._server.tool_search(
                query, limit=k, wing=_name(user), candidate_strategy="union"
            )
        if "error" in found:
            raise RuntimeError(found["error"])
        return [
            Hit(hit["text"], self._ids.get(_handle(hit)), hit.get("similarity"))
            for hit in found["results"]
        ]

    def delete(self, turns, user):
        ids = {turn.id for turn in turns}
        for drawer in [drawer for drawer, id in self._ids.items() if id in ids]:
            self._server.tool_delete_drawer(drawer)

    def close(self):
        self._endpoint.close()


def _name(user):
    return f"wing_{user}".lower().replace(" ", "_")


def _handle(hit):
    """A long text is split; its parts name the drawer that they belong to."""
    return (hit.get("parent_drawer_id") or hit.get("drawer_id") or "").partition("_chunk_")[0]


def open(folder, embedder):
    return System(folder, embedder)
