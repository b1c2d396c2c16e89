"""Ratios against plain AutoKeras, measured side by side in one run."""
