"""Entry point of the command `siliconfriend` and of `python -m` with this package."""

from memorybank_core.cli import require_extra


def main() -> None:
    """Run the command `siliconfriend`."""
    require_extra()
    from .cli import app

    app()


if __name__ == "__main__":
    main()
