"""SiliconFriend in the terminal."""

from memorybank_core.errors import MissingDependencyError

try:
    from .sign_in import talk
except ModuleNotFoundError as error:
    package = str(error.name).partition(".")[0]
    raise MissingDependencyError.of(package, "siliconfriend") from error

__all__ = ["talk"]
