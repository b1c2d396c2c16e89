"""Encore: AutoKeras searches that can be played again."""
