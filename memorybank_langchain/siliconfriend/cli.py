"""The command `siliconfriend`: the companion in the terminal and on a page, and its evaluation.

What goes wrong is one line on stderr, as with `memorybank`. Modules that take long to import are
imported by the commands that need them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from memorybank_core import __version__
from memorybank_core.cli import options
from memorybank_core.cli.group import OneLineErrors

from .evaluation.command import evaluate_command

__all__ = ["app", "main"]

app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The commands, to be called by a program or taken into another one."""

Llm = Annotated[
    str | None,
    typer.Option(
        "--llm",
        envvar="SILICONFRIEND_LLM",
        metavar="MODEL",
        help="openai[:MODEL], chatglm[:PATH], belle[:PATH], smollm2, a PATH or a name on the hub; "
        "default openai where there is a key, or the built-in smollm2.",
    ),
]
Adapter = Annotated[str | None, typer.Option("--adapter", help="A folder with a LoRA adapter.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps …")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="float32, bfloat16, float16.")]
Quantization = Annotated[str | None, typer.Option("--quantization", help="8bit or 4bit.")]
BankPlace = Annotated[
    str,
    typer.Option(
        "--bank",
        envvar="SILICONFRIEND_BANK",
        metavar="FILE",
        help="Where the memories are, made where there is none; or a postgresql:// URL.",
    ),
]
HOME_BANK = "~/siliconfriend.db"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"siliconfriend {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """SiliconFriend: a companion that remembers, and forgets, like a person."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def chat(
    llm: Llm = None,
    adapter: Adapter = None,
    device: Device = None,
    dtype: Dtype = None,
    quantization: Quantization = None,
    language: options.Language = "en",
    bank: BankPlace = HOME_BANK,
    user: Annotated[
        str | None, typer.Option("--user", "-u", help="Who you are; default: you are asked.")
    ] = None,
    timezone: options.Timezone = "UTC",
    embedder: options.EmbedderName = None,
    patience: Annotated[
        float, typer.Option("--patience", help="Seconds of silence after which it gives up.")
    ] = 120.0,
) -> None:
    """Talk with the companion, here in the terminal."""
    from .startup import opened
    from .terminal import talk

    how = {"adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization}
    where = {"language": language, "timezone": timezone, "embedder": embedder}
    with opened(bank, llm, how, where) as (memory, model):
        talk(memory, model, user=user, patience=patience)


@app.command()
def web(
    llm: Llm = None,
    adapter: Adapter = None,
    device: Device = None,
    dtype: Dtype = None,
    quantization: Quantization = None,
    language: options.Language = "en",
    bank: BankPlace = HOME_BANK,
    host: Annotated[str, typer.Option("--host", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Where to listen.")] = 7860,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            envvar="SILICONFRIEND_PASSWORD",
            help="What everyone must know who wants in.",
        ),
    ] = None,
    timezone: options.Timezone = "UTC",
    embedder: options.EmbedderName = None,
) -> None:
    """Serve the companion on a page; on this machine alone, unless told otherwise."""
    from .startup import opened
    from .web import serve

    how = {"adapter": adapter, "device": device, "dtype": dtype, "quantization": quantization}
    where = {"language": language, "timezone": timezone, "embedder": embedder}
    with opened(bank, llm, how, where) as (memory, model):
        from .models import budget

        serve(
            memory,
            model,
            host=host,
            port=port,
            language=language,
            password=password,
            **budget(model),
        )


app.command("eval")(evaluate_command)


def main() -> None:
    """Runs the command line."""
    app()
