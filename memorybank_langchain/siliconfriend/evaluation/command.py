"""Command `siliconfriend eval`: the evaluation of the paper, in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.terminal import clean, console, print_json, progress_bar
from memorybank_langchain.siliconfriend.startup import load_chat_model

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from .judges import Judge
    from .scores import Evaluation

HUMAN = "human"


def evaluate_command(
    bank: Annotated[
        Path, typer.Option("--bank", help="Simulated histories: a memory JSON as in the paper.")
    ],
    gold: Annotated[Path, typer.Option("--gold", help="Questions with their evidence, as JSON.")],
    llm: Annotated[
        list[str] | None,
        typer.Option("--llm", metavar="MODEL", help="Model, as for `chat`; repeat to add others."),
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            "--judge", help="human: you judge, in this terminal; or a model, as for --llm."
        ),
    ] = HUMAN,
    language: options.Language = None,
    embedder: Annotated[
        str | None,
        typer.Option("--embedder", envvar="MEMORYBANK_EMBEDDER", help="Name of the embedder."),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", help="Maximum number of recalled memories; by default it depends on the host."
        ),
    ] = None,
    digest: Annotated[
        bool, typer.Option("--digest", help="Have each host digest the days first.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Maximum number of questions.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask probing questions on simulated histories, and score the answers as in the paper.

    A model as judge is biased, above all towards its own answers; the paper's judges were people
    (--judge human).
    """
    from memorybank_core.evaluation import read_conversations
    from memorybank_langchain.siliconfriend import chat_model  # noqa: F401 - explains a missing package
    from memorybank_langchain.siliconfriend.models import QUOTATION

    from .runner import evaluate

    conversations = read_conversations("memorybank", bank, gold)
    hosts = {name: load_chat_model(name) for name in llm or (QUOTATION,)}
    answer_judge = _create_judge(judge, hosts, language or "en")
    bar = (
        nullcontext() if judge == HUMAN else progress_bar("Evaluating", None, "answers and scores")
    )
    with bar as advance:
        evaluation = evaluate(
            hosts,
            conversations,
            answer_judge,
            language=language or "en",
            embedder=embedder,
            k=k,
            digest=digest,
            limit=limit,
            progress=advance,
        )
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _print_results(evaluation)


def _create_judge(name: str, hosts: Mapping[str, BaseChatModel], language: str) -> Judge:
    """Create the judge called `name`: a person ("human"), one of the hosts, or another model.

    Questions to a person are printed on stderr, so that stdout has only the results.
    """
    from memorybank_core.registry import LLMS, load_llm, plugin_names
    from memorybank_langchain import as_llm

    from .human_judge import HumanJudge
    from .judges import ModelJudge

    if name == HUMAN:
        return HumanJudge(_print_to_stderr, _read_line, language)
    if name in hosts:
        return ModelJudge(as_llm(hosts[name], name=name), language)
    kind, _, model = name.partition(":")
    is_plugin = kind in plugin_names(LLMS) and bool(model)
    llm = load_llm(name) if is_plugin else as_llm(load_chat_model(name), name=name)
    return ModelJudge(llm, language)


def _print_to_stderr(text: str) -> None:
    typer.echo(clean(text), err=True)


def _read_line(question: str) -> str:
    typer.echo(f"{question} ", err=True, nl=False)  # typer.prompt also writes to stdout
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line


def _print_results(evaluation: Evaluation) -> None:
    from .tables import as_table, make_notes

    out = console()
    out.print(as_table(evaluation))
    for note in make_notes(evaluation):
        out.print(note)
