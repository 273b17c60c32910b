"""Cache folder for a converted model, so that it is converted only once."""

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

SOURCE_FILE = "converted_from.json"
"""Name of the file with the fingerprint of the original and the sizes of the cached files."""

_VERSION = 1  # increase it to invalidate all caches
_SHARD_BYTES = 2_000_000_000


def compute_fingerprint(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity of an original model: config.json, and sizes and times of its files."""
    files = find_weight_files(folder)
    times = {path.name: path.stat().st_mtime_ns for path in files}
    return {"version": _VERSION, "config": dict(config), "files": _sizes(files), "times": times}


def is_cached(folder: Path, source: Mapping[str, Any]) -> bool:
    """Return whether `folder` has the complete conversion of the original model `source`.

    Args:
        folder: The cache folder.
        source: The fingerprint of the original.

    Raises:
        ConfigurationError: If the folder contains other files, which must not be overwritten.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        record = read_json_object(folder / SOURCE_FILE)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{folder} has no readable {SOURCE_FILE}, so it is not a cache of a converted model: "
            "pass an empty or a new folder as converted="
        ) from error
    present = _sizes(folder.iterdir())
    written = {name: present.get(name) for name in record.get("made", {})}
    return bool(record.get("source") == source and record.get("made") == written)


def write_cache(
    folder: Path, source: Mapping[str, Any], config: GlmConfig, tensors: Mapping[str, Tensor]
) -> None:
    """Write a converted model; at any moment, `folder` is complete or does not exist.

    Args:
        folder: The cache folder; an older conversion in it is replaced.
        source: The fingerprint of the original.
        config: The converted configuration.
        tensors: The converted weights.

    Raises:
        ConfigurationError: If the folder cannot be written.
    """
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            _write_model(new, source, config, tensors)
            if folder.exists():
                folder.rename(Path(temporary) / "old")
            new.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error}") from error


def _write_model(
    folder: Path, source: Mapping[str, Any], config: GlmConfig, tensors: Mapping[str, Tensor]
) -> None:
    from safetensors.torch import save_file

    folder.mkdir()
    config.architectures = ["GlmForCausalLM"]
    config.save_pretrained(folder)
    weight_map: dict[str, str] = {}
    for number, names in zip(count(1), _split_into_shards(tensors)):
        file = f"model-{number:05}.safetensors"
        shard = {name: tensors[name].clone().contiguous() for name in names}
        save_file(shard, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(names, file))
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write_json(folder / "model.safetensors.index.json", index)
    _write_json(folder / SOURCE_FILE, {"source": source, "made": _sizes(folder.iterdir())})


def _split_into_shards(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Yield the tensor names of each file; files are small because saving copies them in memory."""
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
