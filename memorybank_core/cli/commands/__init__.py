"""The commands of `memorybank`, with one module for each group."""
