"""Looking at params, data and search space; nothing is run."""

import json
import tempfile
from pathlib import Path

from pipeline import overrides, paths
from pipeline.console import say
from pipeline.determinism import fix_process, start_tensorflow
from pipeline.errors import MissingError, ParamsError
from pipeline.export.installed import check_installed
from pipeline.files import write_whole
from pipeline.params import read_params


def check() -> int:
    """Check params.yaml, and that the dataset it names is there."""
    params = read_params()
    check_installed(params.export)
    data = params.data
    named = [Path(data.path, name) for name in (data.train, data.test) if name is not None]
    absent = [str(path) for path in (Path(data.path), *named) if not path.exists()]
    if absent:
        raise MissingError(
            f"{paths.PARAMS}: data.path (with data.train and data.test) must name what exists, but got "
            f"{', '.join(map(repr, absent))}. Set it to your data."
        )
    of = f" of {data.target!r}" if data.target else ""
    say(f"{paths.PARAMS} is sound: {data.kind} {data.task}{of} from {data.path}")
    return 0


def init(data: Path, target: str | None, test: Path | None, output: Path, *, force: bool) -> int:
    """Look at a dataset, choose its params and write them with their comments."""
    if output.exists() and not force:
        raise ParamsError(
            f"{output} exists and is not written over. Add --force, or write another file with --output "
            "mine.yaml and run it with `make repro PARAMS=mine.yaml`."
        )
    from pipeline.prepare.infer.dataset import infer

    found = infer(data, target, test)
    template = Path(__file__).parents[1].joinpath("template.yaml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch, "params.yaml")
        written.write_text(template, encoding="utf-8")
        overrides.apply(None, {key: json.dumps(value) for key, value in found.values.items()}, written)
        write_whole(output, written.read_bytes())
    say(f"{output} is written. Assumed, and yours to change:")
    for reason in found.reasons:
        say(f"  {reason}")
    ready = "make repro" if output == paths.PARAMS else f"make repro PARAMS={output}"
    say(f"Search with `{ready}`.")
    return 0


def space() -> int:
    """Print the search space of the task in params.yaml."""
    params = read_params()
    fix_process(params.determinism)
    start_tensorflow(params.determinism)
    from pipeline.search.outline import as_table, outline
    from pipeline.search.space import check_space

    entries = outline(params)
    check_space(entries, params.search)
    say(as_table(entries, params))
    return 0
