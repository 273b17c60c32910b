"""The tensors of a model's folder, mapped from its files: read as data, and only when needed."""

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

FORMATS = ("model.safetensors", "pytorch_model.bin")
"""The names of whole weight files, the better format first; shards have an index beside them."""


def find_weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights, .safetensors where there are both kinds.

    Raises:
        ConfigurationError: There are none, or shards that the index names are missing.
    """
    for name in FORMATS:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    names = [kind for name in FORMATS for kind in (name, f"{name}.index.json")]
    raise ConfigurationError(f"{folder} has no weights: none of {', '.join(names)}")


def open_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by name, mapped from the files: 12 GB take no memory until used.

    Raises:
        ConfigurationError: Files are missing or damaged, or hold anything else than tensors.
    """
    tensors: dict[str, Tensor] = {}
    for path in find_weight_files(folder):
        tensors.update(open_weight_file(path))
    if not tensors:
        raise ConfigurationError(f"{folder} has not one tensor in its weight files")
    return tensors


def open_weight_file(path: Path) -> dict[str, Tensor]:
    """The tensors of one .safetensors file, or of one that torch.save wrote, mapped.

    Raises:
        ConfigurationError: It is damaged, or holds anything else than tensors by name. Nothing in
            it was executed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix != ".safetensors":
        return _unpickled(path)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error
    return tensors


def _unpickled(path: Path) -> dict[str, Tensor]:
    import torch

    if not zipfile.is_zipfile(path):
        raise _damaged(path, "it is not what torch.save of torch 1.6 or later writes")
    try:
        tensors = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ConfigurationError(
            f"{path} is damaged, or holds objects that only running code could make. Nothing in "
            "it was executed. Take a .safetensors file, or one from whom you trust that has "
            "tensors alone."
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise ConfigurationError(f"{path} holds other things than tensors by name")
    return tensors


def _damaged(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is truncated or not a weight file ({why or 'it ends too early'}). Nothing in it "
        "was executed. Download it again and compare its size with the original's."
    )


def _shards(index: Path) -> list[Path]:
    """The files that an index names, each once."""
    places = read_json_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ConfigurationError(f'{index} has no "weight_map": download it again')
    names = sorted(set(map(str, places.values())))
    _refuse(index, "other folders' files", [name for name in names if Path(name).name != name])
    shards = [index.parent / name for name in names]
    _refuse(index, "missing files", [path.name for path in shards if not path.is_file()])
    return shards


def _refuse(index: Path, what: str, names: Iterable[str]) -> None:
    listed = ", ".join(names)
    if listed:
        raise ConfigurationError(f"{index} names {what}: {listed}. Download them into that folder.")
