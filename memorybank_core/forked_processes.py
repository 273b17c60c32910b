"""Forked processes: keep what a child inherits usable.

A fork copies the memory of a process, but of its threads only the one that forks. Servers fork
after they loaded the application (gunicorn with preload, Celery, multiprocessing), so a child may
inherit an open bank and a loaded model. Three things would then go wrong:

- OpenMP waits forever for worker threads that the child does not have. With one thread it needs
  none, so a child computes with one (`limit_threads`).
- What another thread was changing stays half changed, and its locks stay locked. So a fork waits
  until no thread is inside a block of `no_fork` or holds a `ForkLock`.
- Two processes would use one connection. So SQLite's are closed before the fork, and others are
  abandoned in the child: `call_before_fork`, `call_in_child`, `abandon`.

All of it works by `os.register_at_fork`. uWSGI forks without it: there, the first `no_fork` of the
child does what can still be done.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from .errors import ForkedProcessError

WAIT = 5.0
"""Maximum number of seconds that a fork waits for other threads, and they for a fork."""

_POLL = 0.0005  # seconds

_Methods = dict[int, weakref.WeakMethod[Callable[[], None]]]

_process = os.getpid()
_forks = 0  # between the first process and this one
_inside: dict[int, int] = {}  # number of blocks that each thread is inside of
_forking: set[int] = set()  # threads
_before: _Methods = {}
_after: _Methods = {}
_at_exit: _Methods = {}
_numbers = count()
_limited: list[Callable[[int], Any]] = []


class _NoFork:
    """Block in which no other thread forks the process; blocks may be nested.

    The thread in the block may itself fork.
    """

    def __enter__(self) -> None:
        if os.getpid() != _process:
            _start_child()  # the program that forked did not call Python's hooks
        thread = threading.get_ident()
        depth = _inside.get(thread, 0)
        _inside[thread] = depth + 1
        if _forking and not depth and thread not in _forking:
            self._wait(thread)

    def __exit__(self, *error: object) -> None:
        thread = threading.get_ident()
        depth = _inside.get(thread, 1) - 1
        if depth:
            _inside[thread] = depth
        else:
            _inside.pop(thread, None)

    def _wait(self, thread: int) -> None:
        """Wait outside until no fork is in progress."""
        deadline = time.monotonic() + WAIT
        while _forking and time.monotonic() < deadline:
            _inside.pop(thread, None)
            while _forking and time.monotonic() < deadline:
                time.sleep(_POLL)
            _inside[thread] = 1  # before the next look at `_forking`, which `_prepare` sets first


no_fork = _NoFork()


class ForkLock:
    """Reentrant lock that no other thread holds while the process forks.

    Args:
        guarded: What it guards, for the message of an error.
    """

    def __init__(self, guarded: str) -> None:
        self._guarded, self._lock, self._forks = guarded, threading.RLock(), _forks

    @property
    def is_orphaned(self) -> bool:
        """True in a forked child if a thread of the parent held the lock at the fork."""
        if self._forks != _forks:
            if not self._lock.acquire(blocking=False):
                return True
            self._lock.release()
            self._forks = _forks
        return False

    def __enter__(self) -> None:
        no_fork.__enter__()
        try:
            if self._forks != _forks:
                self._require_free()
            self._lock.acquire()
        except BaseException:
            no_fork.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        self._lock.release()
        no_fork.__exit__()

    def _require_free(self) -> None:
        """Raise ForkedProcessError if the lock is orphaned."""
        if self.is_orphaned:
            raise ForkedProcessError(
                f"another thread was using {self._guarded} when this process was forked, so it "
                "cannot be used here. Fork while no call is running."
            )


def call_before_fork(method: Callable[[], None]) -> None:
    """Call a method before each fork, as long as its object exists; not under uWSGI."""
    _register(method, _before)


def call_in_child(method: Callable[[], None]) -> None:
    """Call a method in each forked child, as long as its object exists.

    Many children only start another program, so it must be quick and start no thread.
    """
    _register(method, _after)


def call_at_exit(method: Callable[[], None]) -> None:
    """Call a method when Python exits, as long as its object exists."""
    _register(method, _at_exit)


def limit_threads(set_threads: Callable[[int], Any]) -> None:
    """Let a library compute with one thread in forked children.

    Args:
        set_threads: The library's function that sets the number of threads.
    """
    if set_threads not in _limited:
        _limited.append(set_threads)


def set_torch_threads(count: int) -> None:
    """Set the number of threads of torch, if it is loaded."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def abandon(inherited: object) -> None:
    """Keep an object until the process ends, and beyond: its end would disturb other processes."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))  # Python's exit deletes what it can


def _prepare() -> None:
    """Before a fork: wait for other threads, then close connections."""
    _forking.add(me := threading.get_ident())
    deadline = time.monotonic() + WAIT
    while _inside.keys() - {me} and time.monotonic() < deadline:
        time.sleep(_POLL)
    _call(_before)


def _start_child() -> None:
    """In a forked child: forget the parent's other threads, then renew what must be."""
    global _process, _forks
    _process, _forks = os.getpid(), _forks + 1
    for thread in _inside.keys() - {threading.get_ident()}:
        del _inside[thread]
    _forking.clear()
    for set_threads in _limited:
        set_threads(1)
    _call(_after)


def _register(method: Callable[[], None], methods: _Methods) -> None:
    number = next(_numbers)
    methods[number] = weakref.WeakMethod(method, lambda _: methods.pop(number, None))


def _call(methods: _Methods) -> None:
    for reference in tuple(methods.values()):
        if method := reference():
            method()


def _end() -> None:
    if os.getpid() == _process:  # what a child inherited without Python's hooks is the parent's
        _call(_at_exit)
    for methods in (_before, _after, _at_exit):
        methods.clear()  # Python 3.10 reports an error for each method that is freed later


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_prepare,
        after_in_parent=lambda: _forking.discard(threading.get_ident()),
        after_in_child=_start_child,
    )
