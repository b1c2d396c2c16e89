"""The description that a person reads first on a run's page."""

from typing import Any

from pipeline.console import duration
from pipeline.environment import mask
from pipeline.params import Params
from pipeline.scores import as_markdown


def describe(
    record: dict[str, Any],
    params: Params,
    search: dict[str, Any],
    scores: dict[str, Any] | None,
    parity: dict[str, Any] | None,
    links: dict[str, str],
) -> str:
    """Word what a person should read first."""
    of = f" of `{params.data.target}`" if params.data.target else ""
    lines = [
        f"**{params.data.kind.capitalize()} {params.data.task}{of}** from `{params.data.path}`: "
        f"{search['n_trials']} trials ({search['n_failed']} failed), best trial {search['best_trial']} "
        f"with {search['objective']} {search['best_score']:.5g}."
    ]
    if search["cut"]:
        lines.append(f"The search was cut after {search['n_trials']} trials by {search['cut']}.")
    if scores:
        lines.append(as_markdown(scores))
    if parity:
        lines.append(
            f"The model, proved bit for bit on {parity['keras']['rows']} raw test rows in a fresh "
            f"process, has the weights digest `{search['digests']['weights'][:16]}…`."
        )
    # The UI cuts tags' names short; here the chain can be read, and compared at a glance.
    lines.append("Digests: " + " → ".join(f"{name} `{digest[:8]}`" for name, digest in links.items()))
    executed = [
        f"{stage} {duration(entry['seconds'])}"
        for stage, entry in record["stages"].items()
        if "seconds" in entry
    ]
    lines.append(f"Executed here: {', '.join(executed) or 'nothing'}; all else was reused as it was.")
    lines += [
        f"Stage {stage}: {mask(entry['error'])}"
        for stage, entry in record["stages"].items()
        if "error" in entry
    ]
    lines.append(f"Guarantee ({params.determinism.level}): {search['guarantee']}.")
    return "\n\n".join(lines)
