"""How a run compares with the one before it, for a person who looks at its page first."""

from typing import Any

CHAIN = ("data", "split", "params", "code", "environment", "proposals", "trials", "weights", "predictions")


def closest(tags: dict[str, str], runs: list[Any]) -> Any:
    """Give the run on the same data that has most digests in common, the newest of several; None if none."""
    related = [run for run in runs if run.data.tags.get(_tag("data")) == tags[_tag("data")]]
    return max(related, key=lambda run: (_in_common(tags, run), run.info.start_time), default=None)


def compared_with(run_id: str, tags: dict[str, str], earlier: Any) -> str:
    """Word how a run's digests compare with an earlier run's, with a link to that run in the UI."""
    link = f"[{earlier.info.run_name}](#/experiments/{earlier.info.experiment_id}/runs/{earlier.info.run_id})"
    theirs = earlier.data.tags
    differing = [name for name in CHAIN if tags[_tag(name)] != theirs.get(_tag(name))]
    if not differing:
        return f"Compared with {link}: **identical**, every digest is the same."
    results = [name for name in differing if name in CHAIN[5:]]
    if not results:
        return f"Compared with {link}: **the same results**, although {_listed(differing)} differ."
    return (
        f"Compared with {link}: **diverged at {differing[0]}**; {_listed(differing)} differ. Where and why: "
        f"`python -m pipeline compare {earlier.info.run_id} {run_id}`."
    )


def _in_common(tags: dict[str, str], run: Any) -> int:
    return sum(tags[_tag(name)] == run.data.tags.get(_tag(name)) for name in CHAIN)


def _tag(name: str) -> str:
    return f"encore.digest.{name}"


def _listed(names: list[str]) -> str:
    return ", ".join(names)
