"""Stage 2: the search, made of pure proposals and pure trials, and the final fit."""
