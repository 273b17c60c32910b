"""Output folder of a fine-tuning run: its settings and its checkpoints.

A checkpoint consists of several files, and the process may be killed while writing them. Therefore
a list of the files with their sizes is written last. A checkpoint that does not match its list is
incomplete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memorybank_core.errors import ConfigurationError

from .recipe import list_differences

SETTINGS_FILE = "finetuning.json"
"""Name of the file with the settings that the run was started with."""
FILE_LIST = "whole.json"
"""Name of the file with the names and sizes of a checkpoint's files."""

_PREFIX = "checkpoint-"


def prepare_output(output: Path, settings: Mapping[str, Any], *, resume: bool) -> Path | None:
    """Prepare the output folder and return the checkpoint to resume from.

    Incomplete checkpoints are deleted; without `resume`, all checkpoints are deleted.

    Args:
        output: The output folder.
        settings: Everything that the result depends on.
        resume: Whether to continue a run that was started in this folder.

    Returns:
        The folder of the latest complete checkpoint; None to start from the beginning.

    Raises:
        ConfigurationError: If that run had other settings, or the folder contains other files.
    """
    saved_settings = _read_object(output / SETTINGS_FILE)
    if saved_settings is None and output.exists() and _list_other_files(output):
        raise ConfigurationError(
            f"{output} is not empty and has no fine-tuning run: pass a new folder"
        )
    if resume and saved_settings is not None:
        _require_same(saved_settings, settings, output)
    output.mkdir(parents=True, exist_ok=True)
    usable = [path for path in _find_checkpoints(output) if resume and is_complete(path)]
    for path in _find_checkpoints(output):
        if path not in usable:
            shutil.rmtree(path)
    _write_object(output / SETTINGS_FILE, settings)
    return usable[-1] if usable else None


def mark_complete(checkpoint: Path) -> None:
    """Write the file list of a checkpoint, which marks it as complete."""
    _write_object(checkpoint / FILE_LIST, _file_sizes(checkpoint))


def is_complete(checkpoint: Path) -> bool:
    """Return whether a checkpoint has all its files with their full sizes."""
    sizes = _read_object(checkpoint / FILE_LIST)
    return bool(sizes) and sizes == _file_sizes(checkpoint)


def saved_step(checkpoint: Path) -> int:
    """Return the training step after which a checkpoint was saved."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def _require_same(
    saved_settings: Mapping[str, Any], settings: Mapping[str, Any], output: Path
) -> None:
    if differences := list_differences(saved_settings, settings):
        raise ConfigurationError(
            f"the fine-tuning run in {output} was started with other settings: "
            f"{'; '.join(differences)}. Continue with the same settings, pass another output "
            "folder, or restart with resume=False."
        )


def _find_checkpoints(output: Path) -> list[Path]:
    """Return the checkpoint folders, the oldest first."""
    folders = output.glob(f"{_PREFIX}*")
    return sorted(
        (path for path in folders if path.name[len(_PREFIX) :].isdecimal()), key=saved_step
    )


def _list_other_files(output: Path) -> list[Path]:
    """Return the content of a folder without a settings file that was not written completely."""
    unfinished = (output / SETTINGS_FILE).with_suffix(".new")
    return [path for path in output.iterdir() if path != unfinished]


def _file_sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != FILE_LIST
    }


def _read_object(file: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if it does not exist or contains something else."""
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _write_object(file: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object atomically."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", "utf-8")
    new.replace(file)
