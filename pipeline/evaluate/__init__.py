"""Stage 4: what the exported model scores on the test set, beside its baselines."""
