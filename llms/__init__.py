"""Model hosts for MemoryBank."""
