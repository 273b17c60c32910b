"""The order of a turn, the same for every adapter: recall, store, answer, store, strengthen."""
