"""Stage 1: the user's table, checked, split and turned into float32 arrays."""
