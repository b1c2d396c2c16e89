"""More than two runs at once: for each link of the chain, which of them share its digest."""

import json
from string import ascii_uppercase

from pipeline.reruns.evidence import Evidence


def as_matrix(runs: list[Evidence]) -> dict[str, list[str]]:
    """Give each run a letter for each link; runs with the same letter have the same digest."""
    names = [name for name in runs[0].chain if all(name in run.chain for run in runs)]
    matrix = {}
    for name in names:
        digests = [run.chain[name] for run in runs]
        distinct = list(dict.fromkeys(digests))
        matrix[name] = [_letter(distinct.index(digest)) for digest in digests]
    return matrix


def as_text(runs: list[Evidence], matrix: dict[str, list[str]]) -> str:
    """Set the matrix out, one line a link and one column a run."""
    lines = [verdict(matrix), ""]
    lines += [f"  {number}: {run.name}" for number, run in enumerate(runs, 1)]
    lines += ["", "".join([f"  {'':<14}", *(f"{number:>5}" for number in range(1, len(runs) + 1))])]
    lines += ["".join([f"  {name:<14}", *(f"{letter:>5}" for letter in row)]) for name, row in matrix.items()]
    lines += [
        "",
        "The same letter in a line: the same digest. Compare two of them for what differs, and why.",
    ]
    return "\n".join(lines)


def as_json(runs: list[Evidence], matrix: dict[str, list[str]]) -> str:
    """Give runs, verdict and letters as one JSON object."""
    value = {"verdict": verdict(matrix), "runs": [run.name for run in runs], "links": matrix}
    return json.dumps(value, indent=2, ensure_ascii=False)


def verdict(matrix: dict[str, list[str]]) -> str:
    """Say in one line how many there are of each."""
    first = next((name for name, row in matrix.items() if len(set(row)) > 1), None)
    if first is None:
        return f"identical: all {len(next(iter(matrix.values())))} runs have every digest in common"
    return f"{len(set(matrix[first]))} different {first}: the first link in which the runs differ"


def _letter(number: int) -> str:
    return ascii_uppercase[number] if number < len(ascii_uppercase) else str(number)
