"""SiliconFriend on a page of the browser's: the talk, and beside it the memory."""

import os

from memorybank_core.errors import MissingDependencyError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read where gradio is imported

try:
    from .page import page
    from .server import serve, start
except ModuleNotFoundError as error:
    package = str(error.name).partition(".")[0]
    raise MissingDependencyError.of(package, "siliconfriend") from error

__all__ = ["page", "serve", "start"]
