"""Scores side by side, as text and as Markdown."""

from typing import Any

Scores = dict[str, dict[str, Any]]


def as_text(scores: Scores) -> str:
    """Set scores side by side for a terminal: one line a metric, one column a model."""
    lines = ["".join([f"{'test set':<24}", *(f"{name:>20}" for name in scores)])]
    for metric in scores["model"]:
        cells = (f"{_cell(values, metric):>20}" for values in scores.values())
        lines.append("".join([f"{metric:<24}", *cells]))
    return "\n".join(lines)


def as_markdown(scores: Scores) -> str:
    """Set scores side by side as a Markdown table."""
    lines = [f"| test set | {' | '.join(scores)} |", f"|---|{'---:|' * len(scores)}"]
    for metric in scores["model"]:
        cells = " | ".join(_cell(values, metric) for values in scores.values())
        lines.append(f"| {metric} | {cells} |")
    return "\n".join(lines)


def _cell(values: dict[str, Any], metric: str) -> str:
    return f"{values[metric]:.5g}" if metric in values else "-"
