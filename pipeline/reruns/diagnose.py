"""From what differs to why, in words: cause, evidence, next step; most likely first."""

from dataclasses import dataclass, replace

from pipeline.reruns.compare import Comparison
from pipeline.reruns.evidence import Evidence


@dataclass(frozen=True)
class Cause:
    """Why two runs differ, what shows it, and what to do."""

    what: str
    evidence: str
    next_step: str


# Params that decide how many trials there are or what follows them.
_AFTER_TRIALS = ("search.max_trials", "search.refit", "search.max_minutes", "search.patience_trials")
# What is not recorded, for when everything recorded is the same.
NOT_RECORDED = (
    "the BIOS and microcode, other processes that took memory, hardware faults, files that a custom "
    "layer reads, and libraries replaced without changing their version"
)


def diagnose(a: Evidence, b: Evidence, comparison: Comparison) -> list[Cause]:
    """List the causes that explain a difference, the most likely first; empty where there is none."""
    if comparison.identical:
        return []
    causes = [
        *_data(comparison),
        *_params(a, b),
        *_environment(a, b, comparison),
        *_code(comparison),
    ]
    if not causes:
        return [_unrecorded(comparison)]
    if where := comparison.differences.get("trials"):
        causes[0] = replace(causes[0], evidence=f"{causes[0].evidence}; {where[0]}")
    return causes


def _data(comparison: Comparison) -> list[Cause]:
    if comparison.links["data"]:
        return []
    return [
        Cause(
            "the data file differs",
            "; ".join(comparison.differences["data"]),
            "restore the file (`dvc checkout`, or git) or accept that it is another experiment",
        )
    ]


def _params(a: Evidence, b: Evidence) -> list[Cause]:
    changed = {key: (a.params[key], b.params[key]) for key in a.params if a.params[key] != b.params[key]}
    changed = {k: v for k, v in changed.items() if not k.startswith(("tracking.", "cleanup."))}
    causes = []
    if "seed" in changed:
        one, two = changed.pop("seed")
        causes.append(
            Cause(
                "another seed", f"seed: {one} → {two}", "set seed to the same number: it decides everything"
            )
        )
    for key, effect in (
        ("determinism.threads", "sums are taken in another order, and convolutions depend on it"),
        ("determinism.level", "operations run by other code paths, or without a fixed order"),
    ):
        if key in changed:
            one, two = changed.pop(key)
            causes.append(
                Cause(f"another {key}", f"{key}: {one} → {two}; {effect}", f"pin {key} in params.yaml")
            )
    if changed:
        shown = "; ".join(f"{key}: {one} → {two}" for key, (one, two) in changed.items())
        after = all(key in _AFTER_TRIALS for key in changed)
        what = "params that decide how many trials there are" if after else "other params"
        causes.append(Cause(what, shown, "set the same values: `python -m pipeline run --<key> <value>`"))
    return causes


def _environment(a: Evidence, b: Evidence, comparison: Comparison) -> list[Cause]:
    if comparison.links["environment"]:
        return []
    causes = []
    one, two = a.environment, b.environment
    packages = [
        f"{name} {one['packages'].get(name)} → {two['packages'].get(name)}"
        for name in sorted({*one["packages"], *two["packages"]})
        if one["packages"].get(name) != two["packages"].get(name)
    ]
    if packages or one["python"] != two["python"]:
        python = [f"Python {one['python']} → {two['python']}"] if one["python"] != two["python"] else []
        causes.append(
            Cause(
                "other packages", "; ".join(packages + python), "install requirements.lock of the other run"
            )
        )
    onednn = [env["variables"].get("TF_ENABLE_ONEDNN_OPTS") for env in (one, two)]
    if onednn[0] != onednn[1] and one["determinism"]["level"] == two["determinism"]["level"]:
        causes.append(
            Cause(
                "oneDNN switched",
                f"TF_ENABLE_ONEDNN_OPTS: {onednn[0]} → {onednn[1]}",
                "use one level for both",
            )
        )
    for key, what, step in (
        ("instruction_sets", "another CPU", "set determinism.level to portable for both runs"),
        ("gpu", "another GPU or driver", "run both on the same kind, or on the CPU"),
        ("machine", "another architecture", "run both on the same kind of machine"),
    ):
        if one[key] != two[key]:
            causes.append(Cause(what, f"{key}: {one[key]} → {two[key]}", step))
    return causes


def _code(comparison: Comparison) -> list[Cause]:
    if comparison.links["code"]:
        return []
    files = ", ".join(comparison.differences["code"])
    return [Cause("the code that trains differs", files, "check out the commit of the other run")]


def _unrecorded(comparison: Comparison) -> Cause:
    first = comparison.first or ""
    shown = "; ".join(comparison.differences.get(first, [])) or f"{first} differs"
    return Cause(
        "every recorded input is the same, and the results still differ",
        shown,
        f"what is not recorded: {NOT_RECORDED}. Run both again on one machine",
    )
