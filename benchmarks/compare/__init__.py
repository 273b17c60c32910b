"""The open comparison: MemoryBank and other memories, on the same data, by one command.

`python -m compare` (in this folder's parent) makes one virtual environment for each package, runs
each system in a process of its own, and writes results/*.json, docs/comparison.md and its pictures.
"""
