"""How fast the hosts write on a GPU, at full size with random weights, beside plain `generate`.

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


class Work(NamedTuple):
    """What is asked: tokens before an answer, in it, and before the one that is long in coming."""

    prompt: int = 128
    written: int = 256
    long: int = 1500
    calls: int = 3


class Letters:
    """A tokenizer for random weights: every token is a letter."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "x" * len(ids)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tiny", action="store_true", help="small models, on any device")
    arguments.add_argument("--bandwidth", type=float, default=3350, help="of the memory, GB/s")
    chosen = arguments.parse_args()
    work = Work(16, 16, 64, 1) if chosen.tiny else Work()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    table = Table("", "plain", "ours", "bound", "of it", "first token", "x 8", "x 32", "memory")
    for name in MODELS:
        table.add_row(name, *figures(name, device, chosen.tiny, work, chosen.bandwidth * 1e9))
    console = Console(width=120)
    console.print(table)
    console.print(
        f"{device_name(device)}, torch {torch.__version__}, float16. plain, ours, bound, x 8, "
        f"x 32: tokens/s, {work.written} tokens after {work.prompt}; "
        f"first token: after {work.long}."
    )
    if (GOLDEN / "golden.safetensors").exists():
        console.print(f"ChatGLM v1 golden logits in float16 differ by {golden(device):.3f}")


def figures(
    name: str, device: torch.device, tiny: bool, work: Work, bandwidth: float
) -> Iterator[str]:
    """A row of the table."""
    kind, configuration, full, small = MODELS[name]
    reset_memory(device)
    model = random_model(kind, configuration(**(small if tiny else full)), device)
    size = sum(weight.numel() * weight.element_size() for weight in read_each_token(model))
    bound = bandwidth / size
    plain = work.written / plainly(model, work)
    ours = work.written / through_host(model, 1, work)
    yield f"{plain:.0f}"
    yield f"{ours:.0f}"
    yield f"{bound:.0f}"
    yield f"{ours / bound:.0%}"
    first = through_host(model, 1, work._replace(prompt=work.long, written=1))
    yield f"{first * 1000:.0f} ms"
    for batch in (8, 32):
        yield f"{batch * work.written / through_host(model, batch, work):.0f}"
    yield f"{peak_memory(device) / 2**30:.1f} GiB"


def random_model(
    kind: type[PreTrainedModel], config: object, device: torch.device
) -> PreTrainedModel:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        with device:
            return kind(config).eval()
    finally:
        torch.set_default_dtype(before)


def read_each_token(model: PreTrainedModel) -> Iterator[torch.Tensor]:
    """The weights that a step reads whole: an embedding only where it is the output's too."""
    tied = model.config.tie_word_embeddings
    embedding = model.get_input_embeddings().weight
    yield from (weight for weight in model.parameters() if tied or weight is not embedding)


def prompts(model: PreTrainedModel, batch: int, length: int) -> list[list[int]]:
    """Random tokens; for ChatGLM-6B with the two marks at their end."""
    ids = torch.randint(100, 2900, (batch, length)).tolist()
    if isinstance(model, ChatGLMForCausalLM):
        marks = [model.config.gmask_token_id, model.config.bos_token_id]
        ids = [one[:-2] + [mark % model.config.vocab_size for mark in marks] for one in ids]
        model.config.gmask_token_id, model.config.bos_token_id = ids[0][-2:]
    return ids


def plainly(model: PreTrainedModel, work: Work) -> float:
    """Seconds of transformers' `generate` as it comes."""
    ids = torch.tensor(prompts(model, 1, work.prompt), device=model.device)

    def answer() -> None:
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=work.written,
            min_new_tokens=work.written,
            do_sample=False,
            pad_token_id=0,
        )

    return seconds(answer, model.device, work.calls)


def through_host(model: PreTrainedModel, batch: int, work: Work) -> float:
    """Seconds of what `LocalModel` runs."""
    ids = prompts(model, batch, work.prompt)
    cache = ReusableCache()

    def answer() -> None:
        generate(
            model,
            ids,
            [StreamDecoder(Letters(), ()) for _ in ids],
            max_new_tokens=work.written,
            stop_ids=(),
            sampling=GREEDY,
            pad_id=0,
            cancelled=threading.Event(),
            cache=cache,
        )

    with no_end(model):
        return seconds(answer, model.device, work.calls)


@contextmanager
def no_end(model: PreTrainedModel) -> Iterator[None]:
    """Random weights must not end an answer by chance."""
    before = model.generation_config.eos_token_id
    model.generation_config.eos_token_id = None
    try:
        yield
    finally:
        model.generation_config.eos_token_id = before


def seconds(call: Callable[[], None], device: torch.device, calls: int) -> float:
    """The median of so many calls, after two that compile."""
    taken = []
    for _ in range(2 + calls):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else 0


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def golden(device: torch.device) -> float:
    """How far the logits of ChatGLM v1 in half precision are from the official ones."""
    from llms import load_model

    numbers = load_file(GOLDEN / "golden.safetensors")
    model = load_model(GOLDEN, dtype=torch.float16, device=device, progress=False)
    with torch.inference_mode():
        logits = model(numbers["in.single.input_ids"].to(device)).logits
    return float((logits[..., ::8].cpu() - numbers["out.half_single"]).abs().max())


if __name__ == "__main__":
    main()
