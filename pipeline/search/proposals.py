"""The pure proposal: the oracle's next hyperparameters, from settings, number and ended trials."""

import pickle
import sys
from collections.abc import Sequence
from typing import Any

import keras_tuner
from autokeras.engine.tuner import AutoTuner
from keras_tuner.src.engine.trial import TrialStatus

from pipeline.determinism import derive_seed, seed_everything
from pipeline.params import Search
from pipeline.search.record import TrialRecord
from pipeline.search.space import NarrowedHyperParameters, Narrowing, local_weights


class Exhausted(Exception):  # noqa: N818 - a signal, not an error
    """The oracle has no further hyperparameters to propose."""


class NotYet(Exception):  # noqa: N818 - a signal, not an error
    """The oracle wants another trial to end before it proposes."""


class Proposer:
    """AutoKeras's oracle, made a function of its inputs.

    The first proposals are the hyperparameters of `warm_start`, where there are any.

    Oracles draw from numpy's and Python's global generators and from a counter of their own
    (`_seed_state`), none of which any state file restores; all are reset before every proposal.
    """

    def __init__(
        self,
        tuner: AutoTuner,
        network: bytes,
        seed: int,
        settings: Search,
        warm_start: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._oracle = tuner.oracle
        self._seed = seed
        self._lookahead = settings.lookahead
        narrowing = Narrowing(settings)
        self._warm_start = [narrowing.fit(values) for values in warm_start]
        self._oracle.verbose = 0
        # The schedule counts trials. An oracle that did would pad trial ids to that number's
        # width, and Hyperband's hyperparameters hold trial ids.
        self._oracle.max_trials = None
        # The search counts failures itself, and says more than a RuntimeError.
        self._oracle.max_consecutive_failed_trials = sys.maxsize
        self._fill_before_recording()
        self._ids: dict[int, str] = {}
        space = NarrowedHyperParameters.load(self._oracle.get_space().get_config(), narrowing)
        seed_everything(seed, "space")
        with local_weights(settings.pretrained):
            pickle.loads(network).build(space)
        self._oracle.update_space(space)

    def _fill_before_recording(self) -> None:
        """Give hyperparameters that a proposal leaves open their defaults, as building does.

        Else KerasTuner draws them from `random.Random(None)`, which no seed reaches
        (HyperParameters.ensure_active_values, called by Oracle._record_values): Hyperband's
        promoted trials and warm starts would differ in every rerun.
        """
        record_values = self._oracle._record_values

        def filled(trial: Any) -> None:
            hyperparameters = trial.hyperparameters
            for entry in hyperparameters.space:
                if hyperparameters.is_active(entry):
                    hyperparameters.values.setdefault(entry.name, entry.default)
            record_values(trial)

        self._oracle._record_values = filled

    def propose(self, number: int) -> dict[str, Any]:
        """Propose trial `number`: KerasTuner's configuration of its hyperparameters.

        Raises Exhausted or NotYet where the oracle has nothing to propose (yet).
        """
        self._oracle._seed_state = derive_seed(self._seed, "proposal", number)
        seed_everything(self._seed, "proposal", number)
        # An id that still has a trial under way would be given the same trial again.
        trial = self._oracle.create_trial(f"slot-{number % self._lookahead}")
        if trial.status == TrialStatus.STOPPED:
            raise Exhausted
        if trial.status == TrialStatus.IDLE:
            raise NotYet
        self._ids[number] = trial.trial_id
        if number < len(self._warm_start):
            # Hyperband's own entries say how long the trial may train.
            own = {k: v for k, v in trial.hyperparameters.values.items() if k.startswith("tuner/")}
            trial.hyperparameters.values = dict(self._warm_start[number]) | own
        return trial.hyperparameters.get_config()

    def end(self, record: TrialRecord) -> None:
        """Tell the oracle how a trial ended. Trials must be ended in the order of their numbers."""
        trial = self._oracle.get_trial(self._ids[record.number])
        discovered = keras_tuner.HyperParameters.from_config({"space": record.discovered, "values": {}})
        trial.hyperparameters.merge(discovered.space)
        trial.hyperparameters.values = dict(record.hyperparameters)
        if record.best_epoch is None:
            trial.status = TrialStatus.FAILED
            trial.message = record.error.message if record.error else None
        else:
            self._oracle.update_trial(
                trial.trial_id, record.epochs[record.best_epoch], step=record.best_epoch
            )
            trial.status = TrialStatus.COMPLETED
        self._oracle.end_trial(trial)

    def space(self) -> list[dict[str, Any]]:
        """List the search space as far as trials have uncovered it."""
        return [
            {"kind": entry["class_name"], **entry["config"]}
            for entry in self._oracle.get_space().get_config()["space"]
        ]
