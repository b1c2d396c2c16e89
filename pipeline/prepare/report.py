"""What the data is like, for people and for the run: columns, classes, ranges, and what stands out."""

from typing import Any

import numpy as np

from pipeline.prepare.findings import Findings
from pipeline.prepare.look import Look
from pipeline.prepare.split import Rows


def data_report(
    look: Look, schema: dict[str, Any], rows: Rows, targets: np.ndarray, found: Findings
) -> dict[str, Any]:
    """Sum up the data: rows a part, columns, the target, and notes on what may be a mistake."""
    parts = rows._asdict()
    notes = list(found.notes)
    copies = _copies(look, rows)
    if copies:
        notes.append(
            f"{copies} of {len(rows.test)} test rows are also in train or validation, cell by cell: the test "
            "scores flatter the model. Remove the duplicates, or keep copies together with split.group."
        )
    return {
        "rows": look.n_rows,
        "parts": {part: len(chosen) for part, chosen in parts.items()},
        "test_rows_also_in_train": copies,
        "columns": {
            column["name"]: look.profiles[column["name"]].report(column["type"])
            for column in schema["columns"]
        },
        "target": {"name": look.target, "task": schema["task"], **_target(schema, parts, targets)},
        "notes": notes,
    }


def _target(schema: dict[str, Any], parts: dict[str, np.ndarray], targets: np.ndarray) -> dict[str, Any]:
    if schema["task"] == "classification":
        counts = {
            part: np.bincount(targets[rows], minlength=len(schema["classes"])) for part, rows in parts.items()
        }
        return {
            "classes": {
                name: {part: int(counts[part][code]) for part in parts}
                for code, name in enumerate(schema["classes"])
            }
        }
    values = {part: targets[rows] for part, rows in parts.items()}
    return {
        "values": {
            part: {"minimum": float(v.min()), "mean": float(v.mean()), "maximum": float(v.max())}
            for part, v in values.items()
        }
    }


def _copies(look: Look, rows: Rows) -> int:
    """Count the test rows whose features are those of a row that the search sees."""
    hashes = np.concatenate(look.feature_hashes)
    seen = hashes[np.concatenate([rows.train, rows.validation])]
    return int(np.isin(hashes[rows.test], seen).sum())


def as_markdown(report: dict[str, Any]) -> str:
    """Write the report as a page of tables."""
    parts = list(report["parts"])
    lines = [
        "# The data",
        "",
        f"{report['rows']} rows: " + ", ".join(f"{p} {report['parts'][p]}" for p in parts),
    ]
    target = report["target"]
    lines += ["", f"## Target: {target['name']}", ""]
    if "classes" in target:
        lines += _table(
            ["class", *parts], [[name, *counts.values()] for name, counts in target["classes"].items()]
        )
    else:
        lines += _table(
            ["part", "minimum", "mean", "maximum"],
            [[part, *values.values()] for part, values in target["values"].items()],
        )
    lines += ["", "## Columns", ""]
    lines += _table(
        ["column", "type", "missing", "what it holds"],
        [
            [name, column["type"], column["missing"], _summary(column)]
            for name, column in report["columns"].items()
        ],
    )
    if report["notes"]:
        lines += ["", "## Worth a look", "", *(f"- {note}" for note in report["notes"])]
    return "\n".join(lines) + "\n"


def _table(header: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for row in rows:
        cells = (f"{cell:.6g}" if isinstance(cell, float) else str(cell).replace("|", "\\|") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _summary(column: dict[str, Any]) -> str:
    if "mean_words" in column:
        return f"{column['mean_words']:.1f} words on average, {column['most_words']} at most"
    if "minimum" in column:
        mean = f", mean {column['mean']:.6g}" if "mean" in column else ""
        return f"{column['minimum']:.6g} to {column['maximum']:.6g}{mean}"
    if "distinct" in column:
        common = ", ".join(f"{text} ({count})" for text, count in column["most_common"].items())
        return f"{column['distinct']} distinct: {common}"
    return ""
