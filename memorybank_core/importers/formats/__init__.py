"""Readers of the formats, one module each; an entry point of "memorybank.importers" names it."""
