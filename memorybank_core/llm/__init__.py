"""Language models: prompts, the check of their answers, and adapters for foreign models."""
