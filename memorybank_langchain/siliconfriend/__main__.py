"""Entry point of the command `siliconfriend` and of `python -m` with this package."""

from memorybank_core.cli import exit_on_interrupt, require_extra


def main() -> None:
    """Run the command `siliconfriend`."""
    require_extra()
    with exit_on_interrupt():
        from .cli import app

        app()


if __name__ == "__main__":
    main()
