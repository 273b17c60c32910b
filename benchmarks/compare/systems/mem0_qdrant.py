"""mem0 without a language model: `infer=False`, Qdrant on disk."""

from compare.mem0_memory import Mem0

NAME = "mem0, Qdrant"
PACKAGE = "mem0ai"
ENVIRONMENT = "mem0"
SETTING = "`add(..., infer=False)`, `search`; one text for a turn; Qdrant in a folder"
CHOOSES_EMBEDDER = True


def open(folder, embedder):
    store = {"path": str(folder / "qdrant"), "on_disk": True}
    return Mem0(folder, embedder, "qdrant", store)
