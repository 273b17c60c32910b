"""Entry point of `python -m llms.finetuning`, which is the same as `memorybank finetune`."""

import sys

from memorybank_core.cli import require_extra


def main() -> None:
    """Run the command `finetune`."""
    require_extra()
    import typer

    from memorybank_core.cli.group import OneLineErrorGroup

    from .cli import finetune

    app = typer.Typer(cls=OneLineErrorGroup, add_completion=False, pretty_exceptions_enable=False)
    app.command("finetune")(finetune)
    app.callback()(lambda: None)  # makes the app a group, so that errors print in one line
    app(["finetune", *sys.argv[1:]], prog_name="memorybank")


main()
