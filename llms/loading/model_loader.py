"""load_model: any model of a folder or of the hub, without running a line of its code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from llms.families import Family, families_with_config, find_by_config
from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .conversion_cache import is_kept, keep, source_of
from .glm_conversion import convert_config, convert_weights
from .memory_check import require_memory
from .model_files import find_gguf, read_model_config, resolve_model_path
from .placement import Placing, placing
from .weights import open_weights

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_NAMED = 5


def load_model(
    folder_or_name: str | PathLike[str],
    *,
    dtype: Any = None,
    device: Any = None,
    quantization: str | None = None,
    attn_implementation: str | None = None,
    converted: str | PathLike[str] | None = None,
    progress: bool = True,
) -> PreTrainedModel:
    """A language model, ready to answer: of ChatGLM-6B to GLM-4-9B, LLaMA, or any of transformers.

    No code that comes with a model runs, and no objects are unpickled. ChatGLM2-6B, ChatGLM3-6B
    and GLM-4-9B are loaded as transformers' `GlmForCausalLM`, which gives the same numbers.

    Args:
        folder_or_name: A folder with config.json and weights (.safetensors before .bin), a GGUF
            file or a folder with one, or a name on the Hugging Face hub such as "owner/model".
        dtype: A torch.dtype or its name, or "auto" for what the weights are in. None takes "auto",
            but on the CPU, where half precision is slow, float32 (quantized: float16 beside 8 bit,
            bfloat16 beside 4 bit).
        device: Such as "cuda", "cuda:1", "mps" or "cpu"; None takes the first of these that is
            there.
        quantization: "8bit" or "4bit" makes the model small with bitsandbytes; or None.
        attn_implementation: Such as "sdpa", "eager" or "flash_attention_2"; None leaves it to
            transformers.
        converted: A folder that keeps what ChatGLM2, ChatGLM3 and GLM-4 are converted to, so that
            the next time is faster; it is made again when the model's files change. Other models
            need none.
        progress: Whether to show how far loading has come.

    Raises:
        ConfigurationError: Files are missing, damaged or do not belong together, the model is of
            no known kind or larger than the device's free memory, or an argument cannot work.
        MissingDependencyError: A package is missing; the message has the command to install it.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise MissingDependencyError.of(package, "transformers")
    from .gguf_cache import cache_gguf_reads
    from .progress_bars import shown

    place = placing(device, dtype, quantization, attn_implementation)
    with shown(progress):
        source = resolve_model_path(folder_or_name)
        gguf = find_gguf(source)
        if gguf:
            with cache_gguf_reads():
                model = _of_gguf(gguf, place)
        else:
            model = _of_folder(source, place, converted)
    _set_ends(model)
    return model


def _of_folder(
    folder: Path, place: Placing, converted: str | PathLike[str] | None
) -> PreTrainedModel:
    config = read_model_config(folder)
    family = find_by_config(config)
    _require_known(folder, family, config)
    tensors = open_weights(folder)
    place = place.with_dtype_of(config, tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if place.free is not None:
        require_memory(
            shapes, place.itemsize, place.quantization, free=place.free, device=place.name
        )
    if family and family.is_converted:
        return _of_official_glm(folder, config, tensors, place, converted)
    if family and family.model_class:
        _require_plain(config)
        model_class = resolve_name(family.model_class)
        return _loaded(model_class.from_pretrained, folder, place, folder)
    from transformers import AutoModelForCausalLM

    return _loaded(
        AutoModelForCausalLM.from_pretrained, folder, place, folder, trust_remote_code=False
    )


def _of_official_glm(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    place: Placing,
    converted: str | PathLike[str] | None,
) -> PreTrainedModel:
    from transformers import GlmForCausalLM

    glm = convert_config(config)
    load = GlmForCausalLM.from_pretrained
    if converted is None:
        weights = convert_weights(tensors, glm)
        model = _loaded(load, folder, place, None, config=glm, state_dict=weights)
    else:
        kept = Path(converted).expanduser()
        source = source_of(folder, config)
        if not is_kept(kept, source):
            keep(kept, source, glm, convert_weights(tensors, glm))
        model = _loaded(load, kept, place, kept)
    model.config.name_or_path = model.name_or_path = str(folder)
    return model


def _of_gguf(path: Path, place: Placing) -> PreTrainedModel:
    if find_spec("gguf") is None:
        raise MissingDependencyError("gguf is not installed. Run: pip install gguf")
    if place.quantization:
        raise ConfigurationError(f"{path} is quantized already: leave out quantization")
    import gguf
    from transformers import AutoModelForCausalLM

    try:
        tensors = gguf.GGUFReader(str(path)).tensors  # as transformers calls it: it is read once
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ConfigurationError(f"{path} is cut off or no GGUF file: {error}") from error
    shapes = {tensor.name: (int(tensor.n_elements),) for tensor in tensors}
    if place.free is not None:
        require_memory(shapes, place.itemsize, None, free=place.free, device=place.name)
    load = AutoModelForCausalLM.from_pretrained
    how = {"gguf_file": path.name, "trust_remote_code": False}
    model = _loaded(load, path, place, path.parent, **how)
    _forget_quantization(model)
    return model


def _forget_quantization(model: Any) -> None:
    """Of a GGUF file: its weights are plain floats by now, so it can be fine-tuned and saved."""
    if model.hf_quantizer is not None:
        model.hf_quantizer.remove_quantization_config(model)


def _loaded(
    load: Callable[..., Any], source: Path, place: Placing, *what: Any, **how: Any
) -> PreTrainedModel:
    """The model that `load` makes, if each of its weights was in the files."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        loaded: tuple[PreTrainedModel, dict[str, Any]] = load(
            *what,
            **how,
            **place.arguments(),
            ignore_mismatched_sizes=True,  # told of below, with all that is wrong
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, ImportError, StrictDataclassError) as error:
        raise ConfigurationError(f"{source} cannot be loaded: {error}") from error
    model, report = loaded
    shapes = [
        f"{name} ({list(found)} in the file, {list(wanted)} by config.json)"
        for name, found, wanted in report["mismatched_keys"]
    ]
    faults = [
        f"{what}: {_first(names)}"
        for what, names in (
            ("missing", report["missing_keys"]),
            ("of no use", report["unexpected_keys"]),
            ("of another shape", shapes),
        )
        if names
    ]
    if faults:
        raise ConfigurationError(
            f"the weights of {source} do not belong to its config.json. {'; '.join(faults)}"
        )
    return model


def _first(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    return ", ".join(ordered[:_NAMED]) + more


def _require_known(folder: Path, family: Family | None, config: Mapping[str, Any]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if family or config["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    code = " and brings its own code, which is never run" if "auto_map" in config else ""
    titles = [row.title for row in families_with_config() if row.is_converted or row.model_class]
    raise ConfigurationError(
        f"{folder} has the model_type {config['model_type']!r}, which is unknown here{code}. Known "
        f"are {', '.join(titles)}, and every causal language model of the installed transformers, "
        "such as llama, qwen2 and mistral."
    )


def _require_plain(config: Mapping[str, Any]) -> None:
    """Refuses a ChatGLM-6B of other numbers than those of the official code's defaults."""
    wrong = [
        f"{field}={config[field]!r}"
        for field, plain in (("quantization_bit", 0), ("position_encoding_2d", True))
        if bool(config.get(field, plain)) != bool(plain)
    ]
    if wrong:
        raise ConfigurationError(
            f"config.json has {', '.join(wrong)}: take the plain ChatGLM-6B, and for a small card "
            'quantization="8bit" or "4bit"'
        )


def _set_ends(model: PreTrainedModel) -> None:
    """The ids that end an answer and fill a batch, where the generation config lacks them."""
    generation, config = model.generation_config, model.config
    if generation.eos_token_id is None:
        generation.eos_token_id = config.eos_token_id
    if generation.pad_token_id is None or generation.pad_token_id < 0:
        ends = generation.eos_token_id
        generation.pad_token_id = ends[0] if isinstance(ends, list) else ends
