"""The search space: AutoKeras's own, narrowed by params, and listed whole."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from autokeras.blocks import basic
from keras_tuner.src.engine.hyperparameters import hp_types

from pipeline.errors import ParamsError, several
from pipeline.params import Search
from pipeline.problems import nearest

# Of the image networks only this family is sure to run on a CPU and without a network: AutoKeras's
# second trial would be a ResNet at ImageNet size, its third one downloads weights.
_DEFAULTS: dict[str, list[Any]] = {"image_block_1/block_type": ["vanilla"]}


@dataclass(frozen=True)
class Narrowing:
    """What params leave of AutoKeras's values."""

    settings: Search

    def values(self, name: str) -> list[Any] | None:
        """List the values that a hyperparameter may take, or None for all of AutoKeras's."""
        wanted = self.settings.space.get(name, _DEFAULTS.get(name))
        if wanted is None and name.endswith("/pretrained") and self.settings.pretrained is None:
            wanted = [False]  # else Keras would download weights
        return wanted if wanted is None or isinstance(wanted, list) else [wanted]

    def fit(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """Bring the values of a proposal from elsewhere into the space."""
        fitted = {}
        for name, value in proposal.items():
            allowed = self.values(name)
            fitted[name] = value if allowed is None or value in allowed else allowed[0]
        return fitted


class NarrowedHyperParameters(keras_tuner.HyperParameters):
    """KerasTuner's hyperparameters, which narrow every entry as a network declares it."""

    narrowing: Narrowing | None = None

    @classmethod
    def load(cls, config: dict[str, Any], narrowing: Narrowing) -> "NarrowedHyperParameters":
        """Read KerasTuner's configuration; what is declared from now on is narrowed."""
        loaded = cls.from_config(config)
        loaded.narrowing = narrowing
        return loaded

    def _retrieve(self, hp: Any) -> Any:
        wanted = self.narrowing.values(hp.name) if self.narrowing else None
        values = [value for value in options(hp) if wanted is None or value in wanted]
        if wanted is not None and values != options(hp):
            if len(values) == 1:
                hp = hp_types.Fixed(hp.name, values[0], conditions=hp.conditions)
            elif values:
                default = hp.default if hp.default in values else values[0]
                hp = hp_types.Choice(hp.name, values, default=default, conditions=hp.conditions)
        return super()._retrieve(hp)


def options(hp: Any) -> list[Any]:
    """List the values of a hyperparameter; AutoKeras declares choices and switches only."""
    return [False, True] if isinstance(hp, hp_types.Boolean) else list(hp.values)


@dataclass(frozen=True)
class Entry:
    """A hyperparameter, and the values of others under which a network has it."""

    name: str
    kind: str
    values: list[Any]
    default: Any
    condition: dict[str, Any]


def list_space(build: Callable[[keras_tuner.HyperParameters], Any]) -> list[Entry]:
    """Find every hyperparameter that some network of AutoKeras's has.

    Blocks declare hyperparameters as they are built, so each value of each one found is built once,
    with Keras's large ready-made networks left out.
    """
    found: dict[str, Entry] = {}
    queue: list[dict[str, Any]] = [{}]
    with _applications(lambda _: _no_application):
        while queue:
            chosen = queue.pop(0)
            hyperparameters = keras_tuner.HyperParameters()
            hyperparameters.values = dict(chosen)
            build(hyperparameters)
            keras.backend.clear_session()
            for hp in hyperparameters.space:
                if hp.name in found:
                    continue
                values = options(hp)
                found[hp.name] = Entry(hp.name, type(hp).__name__, values, hp.default, chosen)
                queue += [chosen | {hp.name: value} for value in values if value != hp.default]
    return sorted(found.values(), key=lambda entry: entry.name)


def check_space(entries: list[Entry], settings: Search) -> None:
    """Raise ParamsError where `search.space` names what no network has, or a value it cannot take."""
    known = {entry.name: entry for entry in entries}
    problems = []
    for name in settings.space:
        entry = known.get(name)
        if entry is None:
            problems.append(f"search.space: {name} is not a known hyperparameter. {nearest(name, [*known])}")
            continue
        values = Narrowing(settings).values(name) or []
        problems += [
            f"search.space: {name} must be one of {', '.join(map(repr, entry.values))}, but got {value!r}."
            for value in values
            if not any(value == other and isinstance(value, bool) == isinstance(other, bool)
                       for other in entry.values)
        ]  # fmt: skip
        if name.endswith("/pretrained") and True in values and settings.pretrained is None:
            problems.append(
                f"search.space: {name} cannot be true without weights. Set search.pretrained to the folder "
                "that holds Keras's weights files: nothing is ever downloaded."
            )
    if settings.pretrained is not None and not list(Path(settings.pretrained).glob("*.h5")):
        problems.append(
            f"search.pretrained must name a folder with weights files (*.h5), but got "
            f"{settings.pretrained!r}."
        )
    if problems:
        raise ParamsError(several([f"params.yaml: {problem}" for problem in problems]))


@contextlib.contextmanager
def local_weights(folder: str | None) -> Iterator[None]:
    """Have Keras's ready-made networks take their pretrained weights from a folder.

    The files carry Keras's own names (resnet50_…notop.h5, efficientnetb0_notop.h5) or are called
    after the network (resnet50.weights.h5).
    """

    def from_folder(make: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        def application(weights: str | None, **arguments: Any) -> keras.Model:
            if weights is not None:
                weights = str(_weights_file(folder, make.__name__.lower()))
            return make(weights=weights, **arguments)

        return application

    with _applications(from_folder):
        yield


def _weights_file(folder: str | None, name: str) -> Path:
    files = sorted(Path(folder).glob("*.h5")) if folder else []
    found = [file for file in files if file.name.lower().startswith((f"{name}_", f"{name}."))]
    if not found:
        raise FileNotFoundError(f"{folder} must hold the pretrained weights of {name} ({name}_….h5)")
    return found[0]


@contextlib.contextmanager
def _applications(wrap: Callable[[Any], Callable[..., keras.Model]]) -> Iterator[None]:
    """Build AutoKeras's ready-made networks by other functions, for as long as this lasts."""
    original = basic.KerasApplicationBlock.build

    def build(block: Any, hp: Any, inputs: Any = None) -> Any:
        block.models = {version: wrap(make) for version, make in block.models.items()}
        return original(block, hp, inputs)

    basic.KerasApplicationBlock.build = build
    try:
        yield
    finally:
        basic.KerasApplicationBlock.build = original


def _no_application(weights: str | None, include_top: bool, **_: Any) -> keras.Model:
    return keras.Sequential([keras.layers.Conv2D(1, 1)])
