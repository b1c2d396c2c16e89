"""Stage 3: one model that takes raw rows, proved against the live predictions."""
