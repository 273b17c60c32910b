"""Parts that the pages of `memorybank ui` and of the companion share. Pages need the extra `ui`.

HTML is made by plain functions of records, with every text escaped; `theme` and `server` use
gradio.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it on import
