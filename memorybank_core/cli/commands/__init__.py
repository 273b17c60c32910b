"""The commands of `memorybank`, one module for each group of them."""
