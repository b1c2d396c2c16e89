"""The fresh process of `verify`: `python -m pipeline.reruns.again [TRIAL …]` in a folder laid out for it.

Without trials it runs the whole search, with no journal to take from; with some it trains these and
writes the digests of their weights into again.json. Nothing is published.
"""

import sys
from pathlib import Path

from pipeline import paths
from pipeline.determinism import fix_process, start_tensorflow
from pipeline.files import read_json, require, write_json
from pipeline.params import read_params


def main(numbers: list[int]) -> None:
    """Run the search, or some trials of the one whose outcomes lie here."""
    params = read_params()
    fix_process(params.determinism)
    if not numbers:
        from pipeline.search.workers import warm_up

        warm_up()
    start_tensorflow(params.determinism)
    if not numbers:
        from pipeline.search.stage import run

        run(params)
        return
    import numpy as np

    from pipeline.search.rebuild import rebuild_trial

    schema = read_json(paths.SCHEMA, made_by="prepare")
    outcomes = {trial["number"]: trial for trial in read_json(paths.TRIALS, made_by="search")}
    with np.load(require(paths.ARRAYS, made_by="prepare"), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    digests = {number: rebuild_trial(params, schema, arrays, outcomes[number])[1] for number in numbers}
    write_json(Path("again.json"), {str(number): digest for number, digest in digests.items()})


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
