"""Scores side by side, as text and as Markdown."""

from typing import Any

Scores = dict[str, dict[str, Any]]


def as_text(scores: Scores) -> str:
    """Set scores side by side for a terminal: one line a metric, one column a model."""
    models = _models(scores)
    lines = ["".join([f"{'test set':<24}", *(f"{name:>20}" for name in models)])]
    for metric in scores["model"]:
        cells = (f"{_cell(scores[name], metric):>20}" for name in models)
        lines.append("".join([f"{metric:<24}", *cells]))
    return "\n".join(lines)


def as_markdown(scores: Scores) -> str:
    """Set scores side by side as a Markdown table."""
    models = _models(scores)
    lines = [f"| test set | {' | '.join(models)} |", f"|---|{'---:|' * len(models)}"]
    for metric in scores["model"]:
        cells = " | ".join(_cell(scores[name], metric) for name in models)
        lines.append(f"| {metric} | {cells} |")
    return "\n".join(lines)


def _models(scores: Scores) -> list[str]:
    """Put the model itself first, before what it is compared with."""
    return sorted(scores, key=lambda name: (name != "model", name))


def _cell(values: dict[str, Any], metric: str) -> str:
    return f"{values[metric]:.5g}" if metric in values else "-"
