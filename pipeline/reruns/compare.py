"""Walking two runs' chains of digests: what is the same, and what differs below that."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.reruns.evidence import Evidence

_SHOWN = 10


@dataclass(frozen=True)
class Comparison:
    """What two runs have in common."""

    a: str
    b: str
    # Every link of the chain, in order: True where both digests are the same.
    links: dict[str, bool]
    # What differs, link by link, in words; only links that differ.
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether every link is the same."""
        return all(self.links.values())

    @property
    def first(self) -> str | None:
        """The first link that differs."""
        return next((name for name, same in self.links.items() if not same), None)

    @property
    def verdict(self) -> str:
        """One line: identical, the same trials with another model, or where they diverged."""
        if self.identical:
            return "identical: every digest is the same"
        if self.links["trials"] and not self.links["weights"]:
            return "same trials, other model"
        results = ("proposals", "trials", "weights", "predictions", "metrics")
        if all(same for name, same in self.links.items() if name in results):
            return f"same results, although {self.first} differs"
        return f"diverged at {self.first}"


def compare(a: Evidence, b: Evidence) -> Comparison:
    """Compare two runs link by link."""
    links = {name: a.chain[name] == b.chain[name] for name in a.chain if name in b.chain}
    describe = {
        "data": data_differences,
        "split": split_differences,
        "params": params_differences,
        "code": code_differences,
        "environment": environment_differences,
        "proposals": proposal_differences,
        "trials": trial_differences,
        "weights": weight_differences,
        "metrics": metric_differences,
    }
    differences = {
        name: describe[name](a, b) for name, same in links.items() if not same and name in describe
    }
    return Comparison(a.name, b.name, links, differences)


def data_differences(a: Evidence, b: Evidence) -> list[str]:
    """Count the rows of the raw tables that differ."""
    one, two = a.split["row_hashes"], b.split["row_hashes"]
    if len(one) != len(two):
        return [f"{len(one)} rows → {len(two)} rows"]
    changed = np.flatnonzero(one != two)
    if not len(changed):
        return ["the same cells, written otherwise (line ends, quotes, encoding)"]
    where = {
        part: int(np.isin(changed, a.split[f"rows_{part}"]).sum()) for part in ("train", "validation", "test")
    }
    parts = ", ".join(f"{count} in {part}" for part, count in where.items() if count)
    return [f"{len(changed)} of {len(one)} rows differ ({parts}); the first is line {changed[0] + 2}"]


def split_differences(a: Evidence, b: Evidence) -> list[str]:
    """Count the rows that moved from one part to another."""
    lines = []
    for part in ("train", "validation", "test"):
        one, two = a.split[f"rows_{part}"], b.split[f"rows_{part}"]
        left, came = np.setdiff1d(one, two), np.setdiff1d(two, one)
        if len(left) or len(came):
            shown = ", ".join(map(str, left[:_SHOWN]))
            lines.append(f"{part}: {len(left)} rows left ({shown} …), {len(came)} came")
    return lines


def params_differences(a: Evidence, b: Evidence) -> list[str]:
    """List the params that differ."""
    return _changes(a.params, b.params)


def code_differences(a: Evidence, b: Evidence) -> list[str]:
    """Name the modules whose syntax differs."""
    one, two = a.search["code"], b.search["code"]
    return [f"pipeline/{name}" for name in sorted({*one, *two}) if one.get(name) != two.get(name)]


def environment_differences(a: Evidence, b: Evidence) -> list[str]:
    """List the versions, instruction sets and settings that differ."""
    return changes(a.environment, b.environment)


def proposal_differences(a: Evidence, b: Evidence) -> list[str]:
    """Name the first proposal that differs, or how many more one run has."""
    for one, two in zip(a.trials, b.trials, strict=False):
        if one["proposal"] != two["proposal"]:
            apart = _changes(one["proposal"], two["proposal"])
            return [f"trial {one['number']} was proposed otherwise: {'; '.join(apart[:_SHOWN])}"]
    return [f"{len(a.trials)} trials → {len(b.trials)} trials; those that both have were proposed alike"]


def trial_differences(a: Evidence, b: Evidence) -> list[str]:
    """Name the first trial and epoch whose numbers part, with both and their distance."""
    for one, two in zip(a.trials, b.trials, strict=False):
        if one == two:
            continue
        number = one["number"]
        if one["status"] != two["status"]:
            return [f"trial {number}: {one['status']} → {two['status']}"]
        for epoch, (x, y) in enumerate(zip(one["epochs"], two["epochs"], strict=False)):
            for name in x:
                if x[name] != y.get(name):
                    apart = units_in_the_last_place(float(x[name]), float(y[name]))
                    unit = "unit" if apart == 1 else "units"
                    return [
                        f"the first number that differs: trial {number}, epoch {epoch}, {name}: "
                        f"{x[name]!r} → {y[name]!r} ({apart} {unit} in the last place)"
                    ]
        return [f"trial {number} differs in what it recorded: {', '.join(_changes(one, two)[:3])[:500]}"]
    return [f"{len(a.trials)} trials → {len(b.trials)} trials; those that both have are the same"]


def weight_differences(a: Evidence, b: Evidence) -> list[str]:
    """Name the first variable of the final network that differs."""
    one, two = (evidence.search["weights"]["variables"] for evidence in (a, b))
    if [name for name, _ in one] != [name for name, _ in two]:
        return [f"other networks: {len(one)} variables → {len(two)} variables"]
    changed = [x[0] for x, y in zip(one, two, strict=True) if x != y]
    return [f"{len(changed)} of {len(one)} variables differ, the first is {changed[0]}"]


def metric_differences(a: Evidence, b: Evidence) -> list[str]:
    """List the test metrics that differ."""
    return changes(a.metrics, b.metrics)


def changes(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    """List the values that differ in nested dictionaries, as `key: old → new`."""
    return _changes(_flatten(one), _flatten(two))


def units_in_the_last_place(a: float, b: float) -> int:
    """Count the float32 numbers between two, which is what networks compute with."""
    one, two = (int(np.float32(value).view(np.int32)) for value in (a, b))
    # Negative numbers are ordered by their magnitude: fold them below zero.
    one, two = (value if value >= 0 else -(value & 0x7FFFFFFF) for value in (one, two))
    return abs(one - two)


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _changes(one: dict[str, Any], two: dict[str, Any]) -> list[str]:
    keys = [*one, *(key for key in two if key not in one)]
    return [
        f"{key}: {one.get(key, '(none)')} → {two.get(key, '(none)')}"
        for key in keys
        if one.get(key) != two.get(key)
    ]
