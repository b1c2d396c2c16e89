"""Comparing and rebuilding earlier runs."""

import sys
import tempfile
from pathlib import Path

from pipeline.console import say
from pipeline.determinism import fix_process, start_tensorflow
from pipeline.errors import ParamsError, PipelineError
from pipeline.files import write_whole
from pipeline.scratch import stage_lock


def compare(sources: list[str], *, as_json: bool, page: Path | None) -> int:
    """Compare runs; 0 where they are identical, 1 where not, 2 where that cannot be told."""
    from pipeline.reruns import matrix, show
    from pipeline.reruns.compare import compare as compare_runs
    from pipeline.reruns.diagnose import diagnose
    from pipeline.reruns.evidence import read_evidence
    from pipeline.reruns.page import as_html

    try:
        if len(sources) < 2 or (page and len(sources) > 2):
            raise ParamsError(
                "compare takes two runs or more, and --html two, but got " + " ".join(sources) + "."
            )
        with tempfile.TemporaryDirectory() as scratch:
            runs = [read_evidence(source, Path(scratch)) for source in sources]
            if len(runs) > 2:
                letters = matrix.as_matrix(runs)
                say((matrix.as_json if as_json else matrix.as_text)(runs, letters))
                return 0 if all(len(set(row)) == 1 for row in letters.values()) else 1
            a, b = runs
            comparison = compare_runs(a, b)
            causes = diagnose(a, b, comparison)
    except (PipelineError, OSError, ValueError, KeyError) as error:
        print(f"could not tell: {error}", file=sys.stderr)
        return 2
    if page:
        write_whole(page, as_html(comparison, causes).encode())
    say((show.as_json if as_json else show.as_text)(comparison, causes))
    return 0 if comparison.identical else 1


def reproduce(run: str) -> int:
    """Bring this clone to the state of a run, run it again, and compare."""
    from pipeline.reruns.evidence import read_evidence
    from pipeline.reruns.reproduce import reproduce as reproduce_run

    with tempfile.TemporaryDirectory() as scratch:
        return reproduce_run(read_evidence(run, Path(scratch)), run)


def verify(run: str, trials: int | None, workers: str, *, fresh_env: bool) -> int:
    """Run a search again, with no journal, and compare; 0 where it comes out the same, 1 where not."""
    counts = [int(text) for text in workers.split(",") if text.strip().isdecimal() and int(text) > 0]
    if len(counts) != len(workers.split(",")) or (trials is not None and trials < 1):
        raise ParamsError(
            f"--workers must be numbers from 1 up such as 1,2, and --trials one, but got {workers!r} and "
            f"{trials}."
        )
    from pipeline.reruns.evidence import read_evidence
    from pipeline.reruns.verify import verify as verify_run
    from pipeline.tracking.runs import publish_verification

    with tempfile.TemporaryDirectory() as scratch:
        evidence = read_evidence(run, Path(scratch))
        with stage_lock():
            found = verify_run(evidence, trials, counts, fresh_env=fresh_env)
    say(f"{found.verdict}: {found.run}")
    for check in found.checks:
        for line in check.differences:
            say(f"  {check.what}: {line}")
    if evidence.run_id:
        publish_verification(evidence.run_id, found.as_json())
    return 0 if found.same else 1


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
