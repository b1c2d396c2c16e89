"""`init`: from a dataset to sensible params, and why they are what they are."""
