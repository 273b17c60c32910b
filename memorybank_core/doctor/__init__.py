"""Doctor: checks whether a bank is whole, and repairs what can be rebuilt from its rows.

A store's inspector reads the rows as they are, damaged ones included. The checks are functions of
what was read.
"""
