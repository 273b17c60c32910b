"""Page that shows any bank in a browser: `memorybank ui BANK`. It needs the extra `ui`.

It lists every user's memories by day, searches them with each part of the score, draws forgetting
curves, looks ahead at what fades, shows digests with their sources, and runs the checks of
`memorybank doctor`. It changes memories only if it was started with `write=True`.
"""

from memorybank_core.extras import explain_missing_package

with explain_missing_package("ui"):
    import memorybank_core.web  # noqa: F401  # before gradio

    from .page import page
    from .server import serve, start

__all__ = ["page", "serve", "start"]
