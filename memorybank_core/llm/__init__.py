"""Language models: what they are asked, how their answers are checked, models of others."""
