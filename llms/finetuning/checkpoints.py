"""The folder of a fine-tuning: what it was begun with, and its checkpoints.

A checkpoint is several files, and a process may die between them: last of all comes a list of
the files with their sizes, and a folder that does not match its list is torn.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memorybank_core.errors import ConfigurationError

from .recipe import differences

BEGUN = "finetuning.json"
"""What a fine-tuning was begun with."""
WHOLE = "whole.json"
"""The list of a checkpoint's files."""

_PREFIX = "checkpoint-"


def begin(output: Path, settings: Mapping[str, Any], *, resume: bool) -> Path | None:
    """Readies a folder for a training, and says which checkpoint it goes on from.

    What is torn is removed, and where a training is not to go on, all its checkpoints.

    Args:
        output: Where the training saves.
        settings: All that its result depends on.
        resume: Whether to go on with a training that was begun there.

    Raises:
        ConfigurationError: It was begun otherwise, or something else is in the folder.
    """
    begun = _read(output / BEGUN)
    if begun is None and output.exists() and any(_foreign(output)):
        raise ConfigurationError(
            f"{output} is not empty, and no fine-tuning was begun there: name a new folder"
        )
    if resume and begun is not None and (different := differences(begun, settings)):
        raise ConfigurationError(
            f"the fine-tuning in {output} was begun otherwise: {'; '.join(different)}. Go on with "
            "what it was begun with, name another output, or begin anew with resume=False."
        )
    output.mkdir(parents=True, exist_ok=True)
    whole = [path for path in _checkpoints(output) if resume and is_complete(path)]
    for path in _checkpoints(output):
        if path not in whole:
            shutil.rmtree(path)
    _write(output / BEGUN, settings)
    return whole[-1] if whole else None


def mark_whole(checkpoint: Path) -> None:
    """Says that all files of a checkpoint are written."""
    _write(checkpoint / WHOLE, _sizes(checkpoint))


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint has all its files, at their full sizes."""
    listed = _read(checkpoint / WHOLE)
    return bool(listed) and listed == _sizes(checkpoint)


def step_of(checkpoint: Path) -> int:
    """After how many steps a checkpoint was saved."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def _checkpoints(output: Path) -> list[Path]:
    """The oldest first."""
    found = [path for path in output.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdecimal()]
    return sorted(found, key=step_of)


def _foreign(output: Path) -> list[Path]:
    """What is in a folder beside a beginning that was not finished."""
    return [path for path in output.iterdir() if path != (output / BEGUN).with_suffix(".new")]


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != WHOLE
    }


def _read(file: Path) -> dict[str, Any] | None:
    """The JSON object of a file; None where there is none."""
    try:
        told = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _write(file: Path, told: Mapping[str, Any]) -> None:
    """In one step: the file is the old one or the new one."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", "utf-8")
    new.replace(file)
