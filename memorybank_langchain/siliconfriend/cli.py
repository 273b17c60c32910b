"""Command `siliconfriend`: the companion in a terminal or a browser, and its evaluation.

An error is printed as one line on stderr, as by `memorybank`. Slow modules are imported only when
a command runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.cli.group import create_app

from .evaluation.command import evaluate_command

__all__ = ["app"]

app = create_app(
    "siliconfriend", "SiliconFriend: a companion that remembers, and forgets, like a person."
)
"""Typer application of the command."""

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        envvar="SILICONFRIEND_LLM",
        metavar="MODEL",
        help="quotation (the default: no model, answers quote your words), ollama:MODEL, "
        "openai[:MODEL], chatglm[:PATH], belle[:PATH], smollm2, a PATH or a name on the hub.",
    ),
]
Adapter = Annotated[str | None, typer.Option("--adapter", help="Folder with a LoRA adapter.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps …")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32, bfloat16, float16.")]
Quantization = Annotated[str | None, typer.Option("--quantization", help="8bit or 4bit.")]
BankLocation = Annotated[
    str,
    typer.Option(
        "--bank",
        envvar="SILICONFRIEND_BANK",
        metavar="FILE",
        help="File of the bank, created if it does not exist; or a postgresql:// URL.",
    ),
]
DEFAULT_BANK = "~/siliconfriend.db"


@app.command()
def chat(
    llm: Llm = None,
    adapter: Adapter = None,
    device: Device = None,
    dtype: Dtype = None,
    quantization: Quantization = None,
    language: options.Language = None,
    bank: BankLocation = DEFAULT_BANK,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Your name; by default the app asks for it.")
    ] = None,
    timezone: options.Timezone = None,
    date_order: options.DateOrder = None,
    embedder: options.EmbedderName = None,
    reranker: options.RerankerName = None,
    patience: Annotated[
        float,
        typer.Option("--patience", help="Seconds without output after which an answer is aborted."),
    ] = 120.0,
) -> None:
    """Talk with the companion in this terminal."""
    from .startup import open_bank_and_model
    from .terminal import talk

    model_options = {
        "adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization
    }  # fmt: skip
    bank_options = {
        "language": language, "timezone": timezone, "date_order": date_order,
        "embedder": embedder, "reranker": reranker,
    }  # fmt: skip
    with open_bank_and_model(bank, llm, model_options, bank_options) as (memory_bank, model):
        talk(memory_bank, model, user=user, patience=patience)


@app.command()
def web(
    llm: Llm = None,
    adapter: Adapter = None,
    device: Device = None,
    dtype: Dtype = None,
    quantization: Quantization = None,
    language: options.Language = None,
    bank: BankLocation = DEFAULT_BANK,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 7860,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            envvar="SILICONFRIEND_PASSWORD",
            help="Password that visitors must enter.",
        ),
    ] = None,
    timezone: options.Timezone = None,
    date_order: options.DateOrder = None,
    embedder: options.EmbedderName = None,
    reranker: options.RerankerName = None,
) -> None:
    """Serve the companion as a web page, by default only for this machine."""
    from .startup import open_bank_and_model
    from .web import serve

    model_options = {
        "adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization
    }  # fmt: skip
    bank_options = {
        "language": language, "timezone": timezone, "date_order": date_order,
        "embedder": embedder, "reranker": reranker,
    }  # fmt: skip
    with open_bank_and_model(bank, llm, model_options, bank_options) as (memory_bank, model):
        from .models import budget

        serve(
            memory_bank,
            model,
            host=host,
            port=port,
            password=password,
            **budget(model),
        )


app.command("eval")(evaluate_command)
