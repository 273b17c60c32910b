"""Loading of any causal language model from a folder or the hub, without running its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from llms.families import Family, families_with_config, find_by_config
from memorybank_core.errors import ConfigurationError, MissingDependencyError

from .conversion_cache import compute_fingerprint, is_cached, write_cache
from .glm_conversion import convert_config, convert_weights
from .memory_check import Shapes, require_memory
from .model_files import find_gguf, read_model_config, resolve_model_path
from .placement import Placement, resolve_placement
from .weights import list_tensor_names, open_weights

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_MAX_NAMES = 5


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
    """Load a language model: ChatGLM-6B to GLM-4-9B, LLaMA, or any causal LM of transformers.

    Code that comes with a model is not run, and objects are not unpickled. ChatGLM2-6B, ChatGLM3-6B
    and GLM-4-9B are loaded as `GlmForCausalLM` of transformers, which gives the same numbers.

    Args:
        folder_or_name: A folder with config.json and weights (.safetensors before .bin), a GGUF
            file or a folder with one, or a name on the Hugging Face hub such as "owner/model".
        dtype: A torch.dtype or its name, or "auto" for the dtype of the weights. None is the same
            as "auto", except on the CPU, where half precision is slow: there it is float32, or for
            quantized models float16 with 8 bit and bfloat16 with 4 bit.
        device: For example "cuda", "cuda:1", "mps" or "cpu"; None selects the first of CUDA, MPS
            and the CPU that is available.
        quantization: "8bit" or "4bit" to quantize the model with bitsandbytes; None for no
            quantization.
        attn_implementation: For example "sdpa", "eager" or "flash_attention_2"; None for the
            default of transformers.
        converted: A folder that caches the converted weights of ChatGLM2, ChatGLM3 and GLM-4, which
            makes loading faster the next time. It is rewritten if the model's files change. Other
            models are not converted.
        progress: Whether to show progress bars.

    Raises:
        ConfigurationError: If files are missing, damaged or do not match, the model is of an
            unknown type or larger than the device's free memory, or an argument is invalid.
        MissingDependencyError: If a package is missing; the message says how to install it.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise MissingDependencyError.of(package, "transformers")
    from .gguf_cache import cache_gguf_reads
    from .progress_bars import hide_progress_bars_unless

    placement = resolve_placement(device, dtype, quantization, attn_implementation)
    with hide_progress_bars_unless(progress):
        path = resolve_model_path(folder_or_name)
        gguf = find_gguf(path)
        if gguf:
            with cache_gguf_reads():
                model = _load_gguf(gguf, placement)
        else:
            model = _load_folder(path, placement, converted)
    _set_special_tokens(model)
    return model


def _load_folder(
    folder: Path, placement: Placement, converted: str | PathLike[str] | None
) -> PreTrainedModel:
    config = read_model_config(folder)
    family = find_by_config(config)
    _require_known_type(folder, family, config)
    tensors = open_weights(folder)
    placement = placement.with_dtype_of(config, tensors)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    _require_memory(shapes, placement, placement.quantization)
    if family and family.is_converted:
        return _load_official_glm(folder, config, tensors, placement, converted)
    if family and family.model_class:
        _require_original(config)
        model_class = resolve_name(family.model_class)
        return _load_checked(model_class.from_pretrained, folder, placement, folder)
    from transformers import AutoModelForCausalLM

    return _load_checked(
        AutoModelForCausalLM.from_pretrained, folder, placement, folder, trust_remote_code=False
    )


def _load_official_glm(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    placement: Placement,
    converted: str | PathLike[str] | None,
) -> PreTrainedModel:
    from transformers import GlmForCausalLM

    glm = convert_config(config)
    load = GlmForCausalLM.from_pretrained
    if converted is None:
        weights = convert_weights(tensors, glm)
        model = _load_checked(load, folder, placement, None, config=glm, state_dict=weights)
    else:
        cache = Path(converted).expanduser()
        source = compute_fingerprint(folder, config)
        if not is_cached(cache, source):
            write_cache(cache, source, glm, convert_weights(tensors, glm))
        model = _load_checked(load, cache, placement, cache)
    model.config.name_or_path = model.name_or_path = str(folder)
    return model


def _load_gguf(path: Path, placement: Placement) -> PreTrainedModel:
    if find_spec("gguf") is None:
        raise MissingDependencyError("gguf is not installed. Run: pip install gguf")
    if placement.quantization:
        raise ConfigurationError(f"{path} is already quantized: omit quantization")
    import gguf
    from transformers import AutoModelForCausalLM

    try:
        # The same call as in transformers, so that the cached result is reused.
        tensors = gguf.GGUFReader(str(path)).tensors
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ConfigurationError(f"{path} is truncated or not a GGUF file: {error}") from error
    shapes = {tensor.name: (int(tensor.n_elements),) for tensor in tensors}
    _require_memory(shapes, placement, None)
    model = _load_checked(
        AutoModelForCausalLM.from_pretrained,
        path,
        placement,
        path.parent,
        gguf_file=path.name,
        trust_remote_code=False,
    )
    _remove_quantization_config(model)
    return model


def _remove_quantization_config(model: Any) -> None:
    """Mark a model from a GGUF file as not quantized, so that it can be fine-tuned and saved."""
    if model.hf_quantizer is not None:
        model.hf_quantizer.remove_quantization_config(model)


def _load_checked(
    load: Callable[..., Any], source: Path, placement: Placement, *args: Any, **options: Any
) -> PreTrainedModel:
    """Call `load` and require that the files had exactly the weights of the model.

    Args:
        load: A `from_pretrained` of transformers.
        source: The path, for error messages.
        placement: Device, dtype, quantization and attention implementation.
        args: Positional arguments for `load`.
        options: Keyword arguments for `load`.

    Raises:
        ConfigurationError: If loading fails, or weights are missing, unexpected or of another
            shape.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        loaded: tuple[PreTrainedModel, dict[str, Any]] = load(
            *args,
            **options,
            **placement.loading_arguments(),
            ignore_mismatched_sizes=True,  # reported below with the other faults
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, ImportError, StrictDataclassError) as error:
        raise ConfigurationError(f"{source} cannot be loaded: {error}") from error
    model, report = loaded
    shapes = [
        f"{name} ({list(actual)} in the file, {list(expected)} by config.json)"
        for name, actual, expected in report["mismatched_keys"]
    ]
    faults = [
        f"{fault}: {list_tensor_names(names, _MAX_NAMES)}"
        for fault, names in (
            ("missing", report["missing_keys"]),
            ("unexpected", report["unexpected_keys"]),
            ("of another shape", shapes),
        )
        if names
    ]
    if faults:
        raise ConfigurationError(
            f"the weights of {source} do not match its config.json. {'; '.join(faults)}"
        )
    return model


def _require_memory(shapes: Shapes, placement: Placement, quantization: str | None) -> None:
    free = placement.free_bytes
    if free is not None:
        device = str(placement.device)
        require_memory(shapes, placement.itemsize, quantization, free=free, device=device)


def _require_known_type(folder: Path, family: Family | None, config: Mapping[str, Any]) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if family or config["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    code = " and has its own code, which is never run" if "auto_map" in config else ""
    rows = families_with_config()
    titles = [row.title for row in rows if row.is_converted or row.model_class]
    raise ConfigurationError(
        f"{folder} has the model_type {config['model_type']!r}, which is not supported{code}. "
        f"Supported are {', '.join(titles)}, and every causal language model of the installed "
        "transformers, such as llama, qwen2 and mistral."
    )


def _require_original(config: Mapping[str, Any]) -> None:
    """Reject a ChatGLM-6B that is quantized or has other positions than the original."""
    unsupported = [
        f"{field}={config[field]!r}"
        for field, original in (("quantization_bit", 0), ("position_encoding_2d", True))
        if bool(config.get(field, original)) != bool(original)
    ]
    if unsupported:
        raise ConfigurationError(
            f"config.json has {', '.join(unsupported)}: use the original ChatGLM-6B; for a small "
            'GPU, pass quantization="8bit" or "4bit"'
        )


def _set_special_tokens(model: PreTrainedModel) -> None:
    """Set the end and padding tokens that the generation config lacks."""
    generation, config = model.generation_config, model.config
    if generation.eos_token_id is None:
        generation.eos_token_id = config.eos_token_id
    if generation.pad_token_id is None or generation.pad_token_id < 0:
        ends = generation.eos_token_id
        generation.pad_token_id = ends[0] if isinstance(ends, list) else ends
