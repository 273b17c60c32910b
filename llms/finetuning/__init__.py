"""Fine-tuning: a LoRA adapter for a language model of this machine, learnt from dialogues.

Imports torch, transformers and peft only where it trains.
"""

from .recipe import Recipe
from .report import EpochLoss, FinetuneReport
from .run import finetune

__all__ = ["EpochLoss", "FinetuneReport", "Recipe", "finetune"]
