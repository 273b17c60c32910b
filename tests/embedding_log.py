"""An embedder that records what it embeds, to count the texts of a turn."""

from memorybank_core import HashingEmbedder


class EmbeddingLog:
    """`HashingEmbedder` that records the kind and the text of each embedding."""

    def __init__(self):
        self._inner, self.entries = HashingEmbedder(), []
        self.name, self.dimension = self._inner.name, self._inner.dimension

    def embed_documents(self, texts):
        self.entries += [("document", text) for text in texts]
        return self._inner.embed_documents(texts)

    def embed_query(self, text):
        self.entries.append(("query", text))
        return self._inner.embed_query(text)

    def of(self, run):
        """Return the entries that `run()` adds."""
        start = len(self.entries)
        run()
        return self.entries[start:]
