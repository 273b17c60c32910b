"""LangChain surfaces of MemoryBank."""
