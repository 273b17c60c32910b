"""Formats of datasets: each module parses one format."""
