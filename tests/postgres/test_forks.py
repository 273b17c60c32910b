"""Forked children of a process that used a bank in PostgreSQL."""

import os

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

from fork_runner import run_forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

FUNCTIONS = ["generations", "busy_threads", "interpreter_exit"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_parent_and_children_use_one_bank(postgres, function):
    run_forks(function, postgres.new())
