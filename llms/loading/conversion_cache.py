"""A converted model kept in a folder, so that it is converted once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

from .model_files import read_json_object
from .weights import find_weight_files

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GlmConfig

SOURCE = "converted_from.json"
"""The file in the folder that tells what was converted, and how large the outcome is."""

_VERSION = 1  # another one has all folders made again
_SHARD_BYTES = 2_000_000_000


def source_of(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What tells an original from another: its config.json, its files' sizes and times."""
    files = find_weight_files(folder)
    times = {path.name: path.stat().st_mtime_ns for path in files}
    return {"version": _VERSION, "config": dict(config), "files": _sizes(files), "times": times}


def is_kept(folder: Path, source: Mapping[str, Any]) -> bool:
    """Whether `folder` has all that was once made of `source`.

    Raises:
        ConfigurationError: The folder has other things in it, which are not to be overwritten.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        note = read_json_object(folder / SOURCE)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{folder} has no readable {SOURCE}, so it was not made by converting a model: pass "
            "an empty folder, or one that does not exist, as converted="
        ) from error
    there = _sizes(folder.iterdir())
    made = {name: there.get(name) for name in note.get("made", {})}
    return bool(note.get("source") == source and note.get("made") == made)


def keep(
    folder: Path, source: Mapping[str, Any], config: GlmConfig, tensors: Mapping[str, Tensor]
) -> None:
    """Writes the converted model; at any moment `folder` has all of one or none.

    Raises:
        ConfigurationError: It cannot be written there.
    """
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            new = Path(beside) / "new"
            _write(new, source, config, tensors)
            if folder.exists():
                folder.rename(Path(beside) / "old")
            new.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error}") from error


def _write(
    new: Path, source: Mapping[str, Any], config: GlmConfig, tensors: Mapping[str, Tensor]
) -> None:
    from safetensors.torch import save_file

    new.mkdir()
    config.architectures = ["GlmForCausalLM"]
    config.save_pretrained(new)
    places: dict[str, str] = {}
    for number, names in zip(count(1), _shards(tensors)):
        file = f"model-{number:05}.safetensors"
        shard = {name: tensors[name].clone().contiguous() for name in names}
        save_file(shard, new / file, metadata={"format": "pt"})
        places.update(dict.fromkeys(names, file))
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    _write_json(new / "model.safetensors.index.json", index)
    _write_json(new / SOURCE, {"source": source, "made": _sizes(new.iterdir())})


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Names of tensors that go into one file: as much as may lie in memory a second time."""
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.nbytes > _SHARD_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.nbytes
    yield names


def _sizes(files: Iterable[Path]) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(files)}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
