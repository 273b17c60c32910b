"""Fixtures of the tests of the LlamaIndex adapter."""

import asyncio

import pytest


@pytest.fixture
def own_loop():
    """Provide the event loop for LlamaIndex's sync methods, which would leave theirs open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
