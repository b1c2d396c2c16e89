"""Comparing and rebuilding earlier runs."""

import sys
import tempfile
from pathlib import Path

from pipeline.console import say
from pipeline.determinism import fix_process, start_tensorflow
from pipeline.errors import PipelineError
from pipeline.scratch import stage_lock


def compare(one: str, two: str, *, as_json: bool) -> int:
    """Compare two runs; 0 where they are identical, 1 where not, 2 where that cannot be told."""
    from pipeline.reruns import show
    from pipeline.reruns.compare import compare as compare_runs
    from pipeline.reruns.diagnose import diagnose
    from pipeline.reruns.evidence import read_evidence

    try:
        with tempfile.TemporaryDirectory() as scratch:
            a, b = (read_evidence(source, Path(scratch)) for source in (one, two))
            comparison = compare_runs(a, b)
            causes = diagnose(a, b, comparison)
    except (PipelineError, OSError, ValueError, KeyError) as error:
        print(f"could not tell: {error}", file=sys.stderr)
        return 2
    say((show.as_json if as_json else show.as_text)(comparison, causes))
    return 0 if comparison.identical else 1


def rebuild(run: str, trial: int, *, anyway: bool) -> int:
    """Train one trial of an earlier run again, and write it as a model."""
    from pipeline.reruns.evidence import read_evidence

    with tempfile.TemporaryDirectory() as scratch:
        evidence = read_evidence(run, Path(scratch))
        # Before numpy or TensorFlow compute anything: the run's own settings, not those of params.yaml.
        fix_process(evidence.settings.determinism)
        start_tensorflow(evidence.settings.determinism)
        from pipeline.reruns.rebuild import rebuild as rebuild_trial

        with stage_lock():
            rebuild_trial(evidence, trial, anyway=anyway)
    return 0
