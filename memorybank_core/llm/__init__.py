"""Language models: prompts, checks of answers, and an adapter for models of other frameworks."""
