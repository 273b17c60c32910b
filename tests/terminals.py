"""Pseudo-terminals, on which a command asks a person."""

import os
import pty
import subprocess
import sys


def answer_command(words, answer):
    """Run the command `memorybank` on a terminal, answer its question, and return its end.

    Returns:
        The exit code, the output and the errors.
    """
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "memorybank_core.cli", *words]
    with subprocess.Popen(
        command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.write(controller, f"{answer}\n".encode())
        out, err = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    return process.returncode, out, err
