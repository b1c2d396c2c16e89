"""The stage `cleanup`: free what a finished pipeline no longer needs, and say what was freed.

It removes nothing that DVC tracks or another stage reads, so running it never makes DVC want to
search again.
"""

from pipeline import paths
from pipeline.console import say, size
from pipeline.params import Params
from pipeline.scratch import Freed, prune, remove


def run(params: Params) -> Freed:
    """Free scratch beyond `cleanup.keep_*`."""
    freed = prune(params.cleanup) + _checkpoints(params.cleanup.keep_checkpoints)
    kept = sum(1 for _ in paths.JOURNALS.glob("*/inputs.json"))
    say(
        f"cleanup: freed {freed.files} files, {size(freed.bytes)}; "
        f"kept {kept} journal{'s' if kept != 1 else ''} of finished trials in {paths.JOURNALS}"
    )
    return freed


def _checkpoints(keep: int) -> Freed:
    """Drop the trials' weights where none are to be kept: the exported model does not need them."""
    freed = Freed()
    if keep == 0:
        for checkpoint in paths.JOURNALS.glob("*/*.npz"):
            freed += remove(checkpoint)
    for damaged in [*paths.JOURNALS.glob("*/*.damaged"), *paths.JOURNALS.glob("*/.*.partial")]:
        freed += remove(damaged)
    return freed
