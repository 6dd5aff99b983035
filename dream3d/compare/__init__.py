"""Compare distillation losses, fields, priors or settings: a grid of runs and a report."""
