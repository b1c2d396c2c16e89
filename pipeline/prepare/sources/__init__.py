"""The user's files as rows of raw cells, unguessed, a chunk at a time: one module a kind of file."""
