"""Run `python -m memorybank_langchain.siliconfriend`; the same as the command `siliconfriend`."""

from memorybank_core.cli import require_extra


def main() -> None:
    """Run the command `siliconfriend`."""
    require_extra()
    from .cli import app

    app()


if __name__ == "__main__":
    main()
