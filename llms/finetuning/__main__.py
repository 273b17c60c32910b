"""`python -m llms.finetuning` is `memorybank finetune`."""

import sys

import typer

from memorybank_core.cli.group import OneLineErrors

from .cli import finetune

app = typer.Typer(cls=OneLineErrors, add_completion=False, pretty_exceptions_enable=False)
app.command("finetune")(finetune)
app.callback()(lambda: None)  # keeps it a group, which tells errors in one line
app(["finetune", *sys.argv[1:]], prog_name="memorybank")
