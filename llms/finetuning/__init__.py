"""Fine-tune a LoRA adapter for a local language model on dialogues.

Imports torch, transformers and peft only when training starts.
"""

from .recipe import Recipe
from .report import EpochLoss, FinetuneReport
from .run import finetune

__all__ = ["EpochLoss", "FinetuneReport", "Recipe", "finetune"]
