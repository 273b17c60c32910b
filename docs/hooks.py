"""What MkDocs does here beyond its plugins: the commands' pages, and the language of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

COMMANDS = "<!-- commands of {} -->"
"""Where a page shows a command line program: each command with its arguments and options."""

_WIDE = "\u3000-\u303f\u3400-\u9fff\uff00-\uffef“”"
_BREAK = re.compile(rf"(?<=[{_WIDE}])\n *(?=[{_WIDE}])")
_FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Puts what the programs know of themselves into the page that asks for it."""
    if page.file.src_uri.startswith("zh/"):
        return _joined(markdown)
    from memorybank_core.cli.app import app as memorybank
    from memorybank_langchain.siliconfriend.cli import app as siliconfriend

    for name, app in (("memorybank", memorybank), ("siliconfriend", siliconfriend)):
        place = COMMANDS.format(name)
        if place in markdown:
            told = "\n".join(_described(typer.main.get_command(app), name))
            markdown = markdown.replace(place, told)
    return markdown


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Says which language a page is in: screen readers and the choice of font go by it."""
    if page.file.src_uri.startswith("zh/"):
        return output.replace('<html lang="en"', '<html lang="zh-Hans"', 1)
    return output


def _joined(markdown: str) -> str:
    """Lines of Chinese as one: browsers show a line break between them as a space."""
    parts = _FENCED.split(markdown)
    return "".join(part if _FENCED.match(part) else _BREAK.sub("", part) for part in parts)


def _described(command: Any, path: str) -> Iterator[str]:
    """A command as Markdown; of a group, its commands."""
    inner = getattr(command, "commands", None)
    if inner:
        for name, one in inner.items():
            yield from _described(one, f"{path} {name}")
        return
    shown = [one for one in command.params if "--help" not in one.opts]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    usage = [path, *(_metavar(one) for one in arguments)]
    yield f"### {path.split(' ', 1)[-1]}\n"
    yield f"{_cell(command.help)}\n"
    yield f"```text\n{' '.join(usage)} [OPTIONS]\n```\n"
    yield "| | | default |\n| --- | --- | --- |"
    for one in shown:
        yield f"| `{_spelled(one)}` | {_cell(one.help)} | {_default(one)} |"
    yield ""


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _metavar(parameter)
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    variable = f" (or `${parameter.envvar}`)" if getattr(parameter, "envvar", None) else ""
    if parameter.required:
        return f"required{variable}"
    value = parameter.default
    if value in (None, (), "") or callable(value):
        return variable.strip(" ()")
    if isinstance(value, bool):
        return ("yes" if value else "no") + variable
    return f"`{value}`{variable}"


def _cell(text: str | None) -> str:
    """One line of text in a table."""
    return " ".join((text or "").split()).replace("|", r"\|")
