"""LlamaIndex surfaces of MemoryBank."""
