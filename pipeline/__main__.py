"""`python -m pipeline STAGE | COMMAND`: read the words, do nothing else."""

import argparse
import errno
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_BASE_PACKAGES = {"mlflow", "numpy", "pandas", "psutil", "pydantic", "tensorflow", "yaml"}
_STAGES = {
    "prepare": "read, check and split the table named in params.yaml",
    "search": "run or replay the trials, fit the best network",
    "export": "write the servable model and prove it in a fresh process",
    "evaluate": "score the exported model on the test set, beside baselines",
    "cleanup": "free scratch beyond what params.yaml keeps",
}


def main(words: list[str] | None = None) -> int:
    """Run one stage or command; returns the exit code."""
    from pipeline.errors import PipelineError

    parser = _parser()
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command != "run":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _command(arguments, rest)()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _BASE_PACKAGES:
            raise
        print(
            f"error: {sys.executable} has no {error.name}. This must run in the environment of "
            "requirements.lock: `make repro`, or `source .venv/bin/activate` first.",
            file=sys.stderr,
        )
        return 1
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"error: {error.strerror} (writing {error.filename or 'a file'}). Make room, then run "
            "`dvc repro`: what was finished is kept.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted; run `dvc repro` to go on from here", file=sys.stderr)
        return 130


def _command(arguments: argparse.Namespace, rest: list[str]) -> Callable[[], int]:
    from pipeline.commands import asking, predicting, reruns, running

    match arguments.command:
        case "run":
            return lambda: running.run(arguments.params, rest)
        case "check":
            return asking.check
        case "compare":
            return lambda: reruns.compare(arguments.run, as_json=arguments.json, page=arguments.html)
        case "reproduce":
            return lambda: reruns.reproduce(arguments.run)
        case "init":
            return lambda: asking.init(
                arguments.data, arguments.target, arguments.test, arguments.output, force=arguments.force
            )
        case "space":
            return asking.space
        case "rebuild":
            return lambda: reruns.rebuild(arguments.run, arguments.trial, anyway=arguments.anyway)
        case "verify":
            return lambda: reruns.verify(
                arguments.run, arguments.trials, arguments.workers, fresh_env=arguments.fresh_env
            )
        case "predict":
            return lambda: predicting.predict(arguments.rows, arguments.predictions, arguments.model)
        case "model-uri":
            return lambda: predicting.model_uri(arguments.run)
        case "promote":
            return lambda: predicting.promote(arguments.run, anyway=arguments.anyway)
        case "publish":
            return running.publish
        case "cleanup":
            return running.cleanup
    return lambda: running.stage(arguments.command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="AutoKeras searches that can be played again.",
        epilog="Stages are run in their order by `dvc repro`; params.yaml holds what they do.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="STAGE | COMMAND")
    for name, text in _STAGES.items():
        commands.add_parser(name, help=f"stage: {text}", description=text)
    run = commands.add_parser(
        "run",
        help="write params into params.yaml, run `dvc repro`, publish to MLflow",
        description="Any key of params.yaml may follow: --search.max_trials 20 --seed 3 …",
        allow_abbrev=False,
    )
    run.add_argument("--params", type=Path, metavar="FILE", help="params to write into params.yaml first")
    init = commands.add_parser("init", help="look at a dataset and write params.yaml for it")
    init.add_argument("data", type=Path, metavar="DATA", help="a table, an .npz file or a folder")
    init.add_argument(
        "--target", metavar="COLUMN", help="the column to predict; not for image folders and .npz"
    )
    init.add_argument("--test", type=Path, metavar="DATA", help="test rows in a file of their own")
    init.add_argument("--output", type=Path, default=Path("params.yaml"), metavar="FILE")
    init.add_argument("--force", action="store_true", help="write over an existing file")
    commands.add_parser("check", help="check params.yaml and the table's place, running nothing")
    commands.add_parser("space", help="print the search space: names, values, conditions, defaults")
    commands.add_parser("publish", help="send to MLflow what could not be sent before")
    _add_commands_of_reruns(commands)
    _add_commands_of_models(commands)
    return parser


def _add_commands_of_reruns(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="say where runs part, and why",
        description="Exit code: 0 identical, 1 different, 2 could not tell.",
    )
    compare.add_argument(
        "run", nargs="+", metavar="RUN", help="an MLflow run's id or name, `latest`, or a folder of outputs"
    )
    compare.add_argument("--json", action="store_true", help="for machines")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write a page for people as well")
    reproduce = commands.add_parser("reproduce", help="bring a clone to the state of a run, run it, compare")
    reproduce.add_argument("run", metavar="RUN", help="an MLflow run's id or name")
    rebuild = commands.add_parser("rebuild", help="train one trial of an earlier run again, as a model")
    rebuild.add_argument(
        "run", metavar="RUN", help="an MLflow run's id or name, `latest`, or a folder of outputs"
    )
    rebuild.add_argument("--trial", type=int, required=True, metavar="N", help="the trial's number, from 0")
    rebuild.add_argument(
        "--anyway", action="store_true", help="even where data, environment or code are not the recorded ones"
    )
    verify = commands.add_parser(
        "verify",
        help="run a search again, from no journal, and compare every digest",
        description="Exit code: 0 the same, 1 different. The verdict goes to the run as a tag.",
    )
    verify.add_argument("run", nargs="?", default="latest", metavar="RUN")
    verify.add_argument("--trials", type=int, metavar="N", help="only N trials, chosen by the run's seed")
    verify.add_argument("--workers", default="1", metavar="1,2", help="once with each number of workers")
    verify.add_argument("--fresh-env", action="store_true", help="in a new environment from the run's lock")


def _add_commands_of_models(commands: Any) -> None:
    predict = commands.add_parser("predict", help="predict a file of raw rows with the exported model")
    predict.add_argument("rows", type=Path, metavar="IN", help="a .csv, .tsv or .parquet file")
    predict.add_argument("predictions", type=Path, metavar="OUT.csv")
    predict.add_argument("--model", type=Path, default=Path("exported/model"), metavar="FOLDER")
    uri = commands.add_parser("model-uri", help="print what `mlflow models serve -m` takes for a run's model")
    uri.add_argument("run", nargs="?", default="latest", metavar="RUN", help="an MLflow run's id or name")
    promote = commands.add_parser("promote", help="make a run's registered model the champion")
    promote.add_argument("run", metavar="RUN", help="an MLflow run's id or name, or `latest`")
    promote.add_argument(
        "--anyway", action="store_true", help="even where it is worse, or cannot be compared"
    )


def _stop(number: int, frame: FrameType | None) -> None:
    # SIGTERM ends a stage as Ctrl-C does: records are closed and the way on is said.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
