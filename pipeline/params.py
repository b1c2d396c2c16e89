"""params.yaml as frozen models, one section a stage; every problem reported in one message."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline import paths
from pipeline.errors import ParamsError, several
from pipeline.problems import misfits, problem

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Data(_Section):
    """Where the data is, and how it is read."""

    kind: Literal["structured", "image", "text"] = "structured"
    path: str = Field(min_length=1, description="the dataset's path, from the project folder")
    train: str | None = Field(default=None, description="a name inside data.path, or null")
    test: str | None = Field(default=None, description="a name inside data.path, or null")
    task: Literal["classification", "regression"]
    target: str | None = Field(default=None, min_length=1, description="the column to predict")
    column: str | None = Field(
        default=None, min_length=1, description="the column with the text, or with the images' paths"
    )
    ignore: list[str] = Field(default=[], description="a list of column names")
    types: dict[str, Literal["numeric", "categorical", "date"]] = Field(
        default={}, description="column names with numeric, categorical or date"
    )
    missing: list[str] = Field(
        default=["", "NA", "NaN", "nan", "null", "None"],
        description="a list of texts, in quotes",
    )
    sample: Fraction | None = Field(default=None, description="a fraction such as 0.1, or null for all")
    image_size: list[Count] = Field(
        default=[32, 32], min_length=2, max_length=2, description="height and width, such as [32, 32]"
    )
    channels: Literal[1, 3] = 3
    vocabulary_size: Count = Field(default=20000, description="the most words to tell apart")
    text_length: Count = Field(default=200, description="the tokens of a text that are read")
    lowercase: bool = True
    keep_punctuation: bool = True


class Split(_Section):
    """How rows are divided into train, validation and test."""

    test: Fraction = Field(default=0.2, description="a fraction such as 0.2")
    validation: Fraction = Field(default=0.2, description="a fraction such as 0.2")
    stratify: bool = True
    group: str | None = Field(default=None, description="a column's name, or null")
    time: str | None = Field(default=None, description="a column's name, or null")


class Search(_Section):
    """What the search tries, and what makes one trial better than another."""

    tuner: Literal["greedy", "random", "bayesian", "hyperband"] = "greedy"
    max_trials: Count = Field(default=10, description="the number of architectures to try")
    max_minutes: float | None = Field(
        default=None, gt=0, description="the minutes to spend, or null for no limit"
    )
    patience_trials: Count | None = Field(
        default=None, description="the trials to wait for a better one, or null for no limit"
    )
    epochs: Count = Field(default=30, description="the most epochs that a trial may train")
    batch_size: Count = Field(default=32, description="the rows per gradient step")
    patience: Count = Field(default=5, description="epochs to wait for a better loss")
    objective: Literal["val_loss", "val_accuracy", "val_mean_squared_error"] = "val_loss"
    max_model_size: Count | None = Field(
        default=None, description="the largest number of weights, or null for no limit"
    )
    max_memory_mb: Count | None = Field(
        default=None, description="the largest memory of a trial's process in MB, or null"
    )
    space: dict[str, Any] = Field(
        default={}, description="hyperparameters by AutoKeras's names, with the values they may take"
    )
    class_weights: Literal["balanced"] | None = Field(default=None, description="balanced, or null")
    pretrained: str | None = Field(default=None, description="a folder with Keras's weights files, or null")
    refit: bool = True
    lookahead: Count = Field(default=1, description="how many trials may be under way at once")
    max_consecutive_failures: Count = Field(
        default=3, description="failed trials in a row that end the search"
    )
    min_successful_trials: Count = Field(
        default=1, description="the successful trials that a search must have"
    )
    warm_start: str | None = Field(default=None, description="an MLflow run id, or null for none")
    warm_start_top: Count = Field(default=3, description="how many trials to take over")
    tensorboard: bool = False

    @property
    def direction(self) -> Literal["min", "max"]:
        """Whether a smaller or a larger objective is better."""
        return "max" if self.objective == "val_accuracy" else "min"


class Determinism(_Section):
    """How far equal inputs must give equal bits."""

    level: Literal["strict", "portable", "fast"] = "strict"
    threads: Count = Field(default=1, description="the threads of one operation")


class Export(_Section):
    """How the exported model predicts, and in which forms it comes."""

    batch_size: Count = Field(default=256, description="the rows per prediction step")
    formats: list[Literal["keras", "onnx", "litert", "savedmodel"]] = Field(
        default=["keras"], description="a list of keras, onnx, litert and savedmodel"
    )
    int8: bool = False
    register_as: str | None = Field(
        default=None, min_length=1, description="a model's name in MLflow's registry, or null"
    )


class Evaluate(_Section):
    """What the model is compared with."""

    baselines: bool = True


class Tracking(_Section):
    """Where the run shows up in MLflow; never part of a digest."""

    experiment: str = Field(default="encore", min_length=1, description="an experiment's name")


class Cleanup(_Section):
    """What stays on disk."""

    keep_journals: int = Field(default=3, ge=1, description="the journals to keep")
    keep_checkpoints: int = Field(default=1, ge=0, description="the trials' weights to keep")
    keep_executions: int = Field(default=20, ge=1, description="the executions' records to keep")


class Params(_Section):
    """The whole of params.yaml."""

    seed: int = Field(ge=0, lt=2**63, description="any integer from 0 up")
    data: Data
    split: Split = Split()
    search: Search = Search()
    determinism: Determinism = Determinism()
    export: Export = Export()
    evaluate: Evaluate = Evaluate()
    tracking: Tracking = Tracking()
    cleanup: Cleanup = Cleanup()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> "Params":
        problems = misfits(self)
        if problems:
            raise ValueError(several(problems))
        return self


class _Loader(yaml.SafeLoader):
    """YAML with the numbers of its version 1.2, as DVC reads it: PyYAML takes 1e-3 for text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


def load_yaml(text: str) -> Any:
    """Read YAML text into plain values. Raises yaml.YAMLError where it is none."""
    return yaml.load(text, _Loader)


def read_params(path: Path = paths.PARAMS) -> Params:
    """Read and check the params file that stages and DVC share.

    Raises ParamsError with every problem at once: file, key, rule, what came, what to do.
    """
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(
            f"{path} cannot be read ({error.strerror}). Start from the project folder, "
            "or name a params file that exists."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} must be YAML, but got this: {error}. Mend the file.") from error
    params = check_params(values, path)
    absent = [name for name in Params.model_fields if name not in values]
    if absent:
        raise ParamsError(
            f"{path} must have every section, because DVC watches them, but {', '.join(absent)} "
            f"{'is' if len(absent) == 1 else 'are'} missing. Add for instance `{absent[0]}: {{}}`, "
            "which takes all its defaults."
        )
    return params


def check_params(values: Any, path: Path = paths.PARAMS) -> Params:
    """Check loaded values against the schema; what is left out takes its default.

    Raises ParamsError with every problem at once.
    """
    if not isinstance(values, dict):
        raise ParamsError(
            f"{path} must hold keys such as 'seed:' and 'data:', but got {values!r}. "
            "Start from the params.yaml that came with the project."
        )
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        known = [*known_keys(), *Params.model_fields]
        problems = [problem(path, item, Params, known) for item in error.errors()]
        raise ParamsError(several(problems)) from error


def flat(params: BaseModel) -> dict[str, Any]:
    """Flatten params to dotted keys, `search.max_trials` and so on."""
    values: dict[str, Any] = {}
    for key, value in params:
        if isinstance(value, BaseModel):
            values |= {f"{key}.{name}": item for name, item in flat(value).items()}
        else:
            values[key] = value
    return values


def known_keys() -> list[str]:
    """List every dotted key that params.yaml may hold."""
    keys = []
    for name, field in Params.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys
