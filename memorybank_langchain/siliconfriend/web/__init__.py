"""Web app of SiliconFriend: a page with the conversation and the user's memories."""

import os

from memorybank_core.extras import explain_missing_package

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it on import

with explain_missing_package("siliconfriend"):
    from .page import page
    from .server import serve, start

__all__ = ["page", "serve", "start"]
