"""SiliconFriend on a page of the browser's: the talk, and beside it the memory."""

import os

from memorybank_core.errors import MissingDependencyError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read where gradio is imported

try:
    import gradio  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingDependencyError.of("gradio", "siliconfriend") from error

from .page import page
from .serving import serve, start

__all__ = ["page", "serve", "start"]
