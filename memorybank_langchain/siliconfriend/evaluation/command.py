"""`siliconfriend eval`: the paper's evaluation, in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memorybank_core.cli import options
from memorybank_core.terminal import clean, console, print_json, progress_bar
from memorybank_langchain.siliconfriend.startup import loaded

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from .judges import Judge
    from .scores import Evaluation

HUMAN = "human"


def evaluate_command(
    bank: Annotated[
        Path, typer.Option("--bank", help="Simulated histories: the paper's memory JSON.")
    ],
    gold: Annotated[Path, typer.Option("--gold", help="Questions with their evidence.")],
    llm: Annotated[
        list[str] | None, typer.Option("--llm", help="A host, as for `chat`; repeat to compare.")
    ] = None,
    judge: Annotated[
        str, typer.Option("--judge", help="human: you, here; or a model, as for --llm.")
    ] = HUMAN,
    language: options.Language = "en",
    embedder: Annotated[
        str | None, typer.Option("--embedder", envvar="MEMORYBANK_EMBEDDER", help="Its name.")
    ] = None,
    k: Annotated[
        int | None, typer.Option("--k", help="How many memories are recalled; default by host.")
    ] = None,
    digest: Annotated[
        bool, typer.Option("--digest", help="Each host first digests the days.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", help="Only so many questions.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Probing questions over simulated histories, scored as in the MemoryBank paper.

    A model that judges is biased, above all where it judges its own answers; the paper's judges
    were people (--judge human).
    """
    from memorybank_core.evaluation import read_conversations
    from memorybank_langchain.siliconfriend import chat_model  # noqa: F401 - says what is missing

    from .runner import evaluate

    conversations = read_conversations("memorybank", bank, gold)
    hosts = {name: loaded(name) for name in _names(llm or ())}
    judging = _judge(judge, hosts, language)
    counted = nullcontext() if judge == HUMAN else progress_bar("Answers and judgements", None)
    with counted as advance:
        evaluation = evaluate(
            hosts,
            conversations,
            judging,
            language=language,
            embedder=embedder,
            k=k,
            digest=digest,
            limit=limit,
            progress=advance,
        )
    if as_json:
        print_json(evaluation.to_dict())
    else:
        _print(evaluation)


def _names(given: Sequence[str]) -> Sequence[str]:
    """The hosts that were named, or the one that is taken where none is."""
    from memorybank_langchain.siliconfriend.models import chosen

    return given or [chosen()]


def _judge(name: str, hosts: Mapping[str, BaseChatModel], language: str) -> Judge:
    """A person on stderr, which leaves stdout to the results, or a model: a host's, or another."""
    from memorybank_core.registry import LLMS, llm_named
    from memorybank_langchain import as_llm

    from .human_judge import HumanJudge
    from .judges import ModelJudge

    if name == HUMAN:
        return HumanJudge(_show, _read, language)
    if name in hosts:
        return ModelJudge(as_llm(hosts[name], name=name), language)
    kinds = {entry.name for entry in entry_points(group=LLMS)}
    kind, _, model = name.partition(":")
    is_plugin = kind in kinds and bool(model)
    llm = llm_named(name) if is_plugin else as_llm(loaded(name), name=name)
    return ModelJudge(llm, language)


def _show(text: str) -> None:
    typer.echo(clean(text), err=True)


def _read(question: str) -> str:
    typer.echo(f"{question} ", err=True, nl=False)  # typer.prompt writes to stdout, too
    line = sys.stdin.readline()
    if not line:
        raise typer.Abort
    return line


def _print(evaluation: Evaluation) -> None:
    from .tables import as_table, notes

    out = console()
    out.print(as_table(evaluation))
    for note in notes(evaluation):
        out.print(note)
