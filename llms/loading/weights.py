"""Memory-mapped tensors of a model's weight files; files are read as data, never executed."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError

from .model_files import read_json_object

if TYPE_CHECKING:
    from torch import Tensor

UNSHARDED_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of unsharded weight files, the preferred format first; shards have an index file."""


def find_weight_files(folder: Path) -> list[Path]:
    """Return the files with a folder's weights; .safetensors is preferred to .bin.

    Raises:
        ConfigurationError: If the folder has no weights, or shards listed in the index are missing.
    """
    for name in UNSHARDED_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _find_shards(index)
    names = [file for name in UNSHARDED_FILES for file in (name, f"{name}.index.json")]
    raise ConfigurationError(f"{folder} has no weights: none of {', '.join(names)}")


def open_weights(folder: Path) -> dict[str, Tensor]:
    """Map all tensors of a folder by name. Weights take no memory until they are used.

    Raises:
        ConfigurationError: If files are missing or damaged, or contain anything but tensors.
    """
    tensors: dict[str, Tensor] = {}
    for path in find_weight_files(folder):
        tensors.update(open_weight_file(path))
    if not tensors:
        raise ConfigurationError(f"the weight files in {folder} contain no tensors")
    return tensors


def open_weight_file(path: Path) -> dict[str, Tensor]:
    """Map the tensors of one file by name, in the format of safetensors or of torch.save.

    Raises:
        ConfigurationError: If the file is damaged, or contains anything but tensors by name. Code
            in it is never executed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        return _open_torch_file(path)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damage_error(path, str(error)) from error
    return tensors


def list_tensor_names(names: Iterable[str], limit: int) -> str:
    """Return the first `limit` names, sorted, and the number of the others, for a message."""
    ordered = sorted(names)
    rest = len(ordered) - limit
    return ", ".join(ordered[:limit]) + (f" and {rest} more" if rest > 0 else "")


def _open_torch_file(path: Path) -> dict[str, Tensor]:
    import torch

    if not zipfile.is_zipfile(path):
        raise _damage_error(path, "it does not have the format of torch.save since torch 1.6")
    try:
        tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigurationError(
            f"{path} is damaged, or contains objects that only running code can create. Nothing in "
            "it was executed. Use a .safetensors file, or a file with tensors only, from a source "
            "that you trust."
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise _damage_error(path, str(error)) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise ConfigurationError(f"{path} contains objects other than tensors by name")
    return tensors


def _damage_error(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is truncated or not a weight file ({reason or 'it ends too early'}). Nothing in "
        "it was executed. Download it again and compare its size with the original's."
    )


def _find_shards(index: Path) -> list[Path]:
    """Return the files listed in an index, without duplicates."""
    files = read_json_object(index).get("weight_map")
    if not isinstance(files, dict) or not files:
        raise ConfigurationError(f'{index} has no "weight_map": download it again')
    names = sorted(set(map(str, files.values())))
    outside = [name for name in names if Path(name).name != name]
    _reject_files(index, "files in other folders", outside)
    shards = [index.parent / name for name in names]
    _reject_files(index, "missing files", [path.name for path in shards if not path.is_file()])
    return shards


def _reject_files(index: Path, fault: str, names: Iterable[str]) -> None:
    listed = ", ".join(names)
    if listed:
        raise ConfigurationError(
            f"{index} lists {fault}: {listed}. Download all files into that folder."
        )
