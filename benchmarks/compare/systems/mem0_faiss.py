"""mem0 without a language model: `infer=False`, FAISS."""

from compare.mem0_memory import Mem0

NAME = "mem0, FAISS"
PACKAGE = "mem0ai"
ENVIRONMENT = "mem0"
SETTING = "`add(..., infer=False)`, `search`; one text for a turn; FAISS with cosine"
CHOOSES_EMBEDDER = True


def open(folder, embedder):
    store = {"path": str(folder / "faiss"), "distance_strategy": "cosine"}
    return Mem0(folder, embedder, "faiss", store)
