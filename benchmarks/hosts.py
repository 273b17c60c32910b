"""Generation speed of the hosts on a GPU, at full size with random weights.

The speed is compared with plain `generate` and with the bound of the memory bandwidth.

python benchmarks/hosts.py [--tiny] [--bandwidth GB/s]    needs CUDA; --tiny runs anywhere
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from transformers import GlmConfig, GlmForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from llms import Sampling
from llms.chatglm import ChatGLMConfig, ChatGLMForCausalLM
from llms.generation import ReusableCache, generate
from llms.stream_decoder import StreamDecoder

GOLDEN = Path(__file__).parents[1] / "tests" / "data" / "chatglm" / "v1a"
GREEDY = Sampling(temperature=0)
TINY = {"hidden_size": 64, "num_attention_heads": 4, "vocab_size": 3008}
GLM = {  # ChatGLM2-6B, and ChatGLM3-6B
    "vocab_size": 65024,
    "num_hidden_layers": 28,
    "max_position_embeddings": 32768,
    "pad_token_id": 0,
    "eos_token_id": 2,
}

MODELS: dict[str, tuple[type[PreTrainedModel], type, dict[str, int], dict[str, int]]] = {
    "ChatGLM-6B": (ChatGLMForCausalLM, ChatGLMConfig, {}, {"num_layers": 2, **TINY}),
    "ChatGLM2/3-6B": (
        GlmForCausalLM,
        GlmConfig,
        GLM,
        {**GLM, "num_hidden_layers": 2, "head_dim": 16, "intermediate_size": 128, **TINY},
    ),
    "LLaMA-7B (BELLE)": (
        LlamaForCausalLM,
        LlamaConfig,
        {},
        {"num_hidden_layers": 2, "intermediate_size": 128, **TINY},
    ),
}


class Workload(NamedTuple):
    """Lengths in tokens, and the number of timed calls.

    Attributes:
        prompt: Tokens of a prompt.
        answer: Tokens of an answer.
        long_prompt: Tokens of the prompt for the time to the first token.
        calls: Number of timed calls.
    """

    prompt: int = 128
    answer: int = 256
    long_prompt: int = 1500
    calls: int = 3


class LetterTokenizer:
    """A tokenizer for random weights: every token is a letter."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        """Return one letter for each token."""
        return "x" * len(ids)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tiny", action="store_true", help="small models, on any device")
    arguments.add_argument("--bandwidth", type=float, default=3350, help="of the memory, GB/s")
    options = arguments.parse_args()
    workload = Workload(16, 16, 64, 1) if options.tiny else Workload()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    table = Table("", "plain", "ours", "bound", "share", "first token", "x 8", "x 32", "memory")
    for name in MODELS:
        table.add_row(name, *measure(name, device, options.tiny, workload, options.bandwidth * 1e9))
    console = Console(width=120)
    console.print(table)
    console.print(
        f"{device_name(device)}, torch {torch.__version__}, float16. plain, ours, bound, x 8, "
        f"x 32: tokens/s, {workload.answer} tokens after {workload.prompt}; "
        f"first token: after {workload.long_prompt}."
    )
    if (GOLDEN / "golden.safetensors").exists():
        console.print(
            f"ChatGLM-6B golden logits in float16 differ by {golden_difference(device):.3f}"
        )


def measure(
    name: str, device: torch.device, tiny: bool, workload: Workload, bandwidth: float
) -> Iterator[str]:
    """Yield the columns of a model's row."""
    model_class, config_class, full, small = MODELS[name]
    reset_memory(device)
    model = random_model(model_class, config_class(**(small if tiny else full)), device)
    size = sum(weight.numel() * weight.element_size() for weight in weights_per_step(model))
    bound = bandwidth / size
    plain = workload.answer / time_plain(model, workload)
    ours = workload.answer / time_host(model, 1, workload)
    yield f"{plain:.0f}"
    yield f"{ours:.0f}"
    yield f"{bound:.0f}"
    yield f"{ours / bound:.0%}"
    first = time_host(model, 1, workload._replace(prompt=workload.long_prompt, answer=1))
    yield f"{first * 1000:.0f} ms"
    for batch in (8, 32):
        yield f"{batch * workload.answer / time_host(model, batch, workload):.0f}"
    yield f"{peak_memory(device) / 2**30:.1f} GiB"


def random_model(
    model_class: type[PreTrainedModel], config: object, device: torch.device
) -> PreTrainedModel:
    """Return a model with random weights in float16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        with device:
            return model_class(config).eval()
    finally:
        torch.set_default_dtype(before)


def weights_per_step(model: PreTrainedModel) -> Iterator[torch.Tensor]:
    """Yield the weights that a step reads in full: an embedding only if the output shares it."""
    tied = model.config.tie_word_embeddings
    embedding = model.get_input_embeddings().weight
    yield from (weight for weight in model.parameters() if tied or weight is not embedding)


def prompts(model: PreTrainedModel, batch: int, length: int) -> list[list[int]]:
    """Return random prompts; those of ChatGLM-6B end with its two control tokens."""
    ids = torch.randint(100, 2900, (batch, length)).tolist()
    if isinstance(model, ChatGLMForCausalLM):
        control = [model.config.gmask_token_id, model.config.bos_token_id]
        control = [token % model.config.vocab_size for token in control]
        ids = [prompt[:-2] + control for prompt in ids]
        model.config.gmask_token_id, model.config.bos_token_id = ids[0][-2:]
    return ids


def time_plain(model: PreTrainedModel, workload: Workload) -> float:
    """Return the seconds of `generate` of transformers with its defaults."""
    ids = torch.tensor(prompts(model, 1, workload.prompt), device=model.device)

    def answer() -> None:
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=workload.answer,
            min_new_tokens=workload.answer,
            do_sample=False,
            pad_token_id=0,
        )

    return median_seconds(answer, model.device, workload.calls)


def time_host(model: PreTrainedModel, batch: int, workload: Workload) -> float:
    """Return the seconds of the `generate` of a `LocalModel`."""
    ids = prompts(model, batch, workload.prompt)
    cache = ReusableCache()

    def answer() -> None:
        generate(
            model,
            ids,
            [StreamDecoder(LetterTokenizer(), ()) for _ in ids],
            max_new_tokens=workload.answer,
            stop_ids=(),
            sampling=GREEDY,
            pad_id=0,
            cancelled=threading.Event(),
            cache=cache,
        )

    with without_stop_ids(model):
        return median_seconds(answer, model.device, workload.calls)


@contextmanager
def without_stop_ids(model: PreTrainedModel) -> Iterator[None]:
    """Prevent random weights from ending an answer by chance."""
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = None
    try:
        yield
    finally:
        model.generation_config.eos_token_id = before


def median_seconds(call: Callable[[], None], device: torch.device, calls: int) -> float:
    """Return the median time of `calls` calls, after two that compile."""
    times = []
    for _ in range(2 + calls):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else 0


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def golden_difference(device: torch.device) -> float:
    """Return the largest difference of ChatGLM-6B's logits in float16 from the official ones."""
    from llms import load_model

    numbers = load_file(GOLDEN / "golden.safetensors")
    model = load_model(GOLDEN, dtype=torch.float16, device=device, progress=False)
    with torch.inference_mode():
        logits = model(numbers["in.single.input_ids"].to(device)).logits
    return float((logits[..., ::8].cpu() - numbers["out.half_single"]).abs().max())


if __name__ == "__main__":
    main()
