"""Hooks for MkDocs: tables of commands and options, languages, Chinese search."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jieba
import typer

COMMANDS = "<!-- commands of {} -->"
"""Placeholder in a page for all commands of a program, with their arguments and options."""

_WIDE = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef“”"
_BREAK = re.compile(rf"(?<=[{_WIDE}])\n *(?=[{_WIDE}])")
_FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """Read the address of the repository, and split Chinese compounds for the search."""
    config.repo_url = _read_repository()
    config.repo_name = "/".join(config.repo_url.split("/")[-2:])
    jieba.cut = _splitting_compounds(jieba.cut)
    return config


def _read_repository() -> str:
    """Return the address of the repository, whose one source is pyproject.toml."""
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^Repository = "(.+?)"', project, re.MULTILINE)
    if found is None:
        raise ValueError("pyproject.toml does not name the repository")
    return found[1]


def _splitting_compounds(cut: Callable[[bytes], Iterator[str]]) -> Callable[[bytes], Iterator[str]]:
    """Return `cut` with compounds split, so that 曲线 finds 遗忘曲线: a search matches prefixes."""

    def cut_compounds(text: bytes) -> Iterator[str]:
        for word in cut(text):
            halves = word[:2], word[2:]
            is_compound = len(word) == 4 and all(half in jieba.dt.FREQ for half in halves)
            yield from halves if is_compound else (word,)

    return cut_compounds


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace the placeholders for commands by their descriptions, and join lines of Chinese."""
    from memorybank_core.cli.app import app as memorybank
    from memorybank_langchain.siliconfriend.cli import app as siliconfriend

    for name, app in (("memorybank", memorybank), ("siliconfriend", siliconfriend)):
        placeholder = COMMANDS.format(name)
        if placeholder in markdown:
            description = "\n".join(_describe(typer.main.get_command(app), name))
            markdown = markdown.replace(placeholder, description)
    return _join_lines(markdown) if page.file.src_uri.startswith("zh/") else markdown


def on_page_context(context: Any, *, page: Any, config: Any, **_: Any) -> Any:
    """Show the theme in the language of the page, with links to the page in each language."""
    own = page.file.src_uri
    english = own.removeprefix("zh/")
    config.theme["language"] = "en" if own == english else "zh"
    for link in config.extra["alternate"]:
        folder = "" if link["lang"] == "en" else "zh/"
        exists = Path(config.docs_dir, folder + english).is_file()
        link["link"] = folder + (english.replace(".md", ".html") if exists else "index.html")
    return context


def _join_lines(markdown: str) -> str:
    """Join lines of Chinese, because browsers show a line break between them as a space."""
    parts = _FENCED.split(markdown)
    return "".join(part if _FENCED.match(part) else _BREAK.sub("", part) for part in parts)


def _describe(command: Any, path: str) -> Iterator[str]:
    """Yield a command, or all commands of a group, as Markdown."""
    subcommands = getattr(command, "commands", None)
    if subcommands:
        for name, subcommand in subcommands.items():
            yield from _describe(subcommand, f"{path} {name}")
        return
    parameters = [
        parameter
        for parameter in command.params
        if "--help" not in parameter.opts and not getattr(parameter, "hidden", False)
    ]
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    usage = [path, *(_format_argument(argument) for argument in arguments)]
    yield f"### {path.split(' ', 1)[-1]}\n"
    yield f"{_format_cell(command.help)}\n"
    yield f"```text\n{' '.join(usage)} [OPTIONS]\n```\n"
    yield "| | | default |\n| --- | --- | --- |"
    for parameter in parameters:
        name, default = _format_name(parameter), _format_default(parameter)
        yield f"| `{name}` | {_format_cell(parameter.help)} | {default} |"
    yield ""


def _format_argument(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _format_name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _format_argument(parameter)
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _format_default(parameter: Any) -> str:
    variable = f" (or `${parameter.envvar}`)" if getattr(parameter, "envvar", None) else ""
    if parameter.required:
        return f"required{variable}"
    value = parameter.default
    if value in (None, (), "") or callable(value):
        return variable.strip(" ()")
    if isinstance(value, bool):
        return ("yes" if value else "no") + variable
    return f"`{value}`{variable}"


def _format_cell(text: str | None) -> str:
    """Return `text` as a cell of a Markdown table."""
    return " ".join((text or "").split()).replace("|", r"\|")
