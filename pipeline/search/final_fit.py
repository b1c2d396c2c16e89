"""The network that is exported: refitted on train + validation, or the best trial's own."""

import dataclasses

import keras
import keras_tuner

from pipeline.console import say
from pipeline.determinism import numpy_generator, seed_everything
from pipeline.errors import ReplayError
from pipeline.search.journal import Journal
from pipeline.search.normalisation import input_moments
from pipeline.search.record import TrialRecord
from pipeline.search.training import train
from pipeline.search.trial import (
    Study,
    build,
    hyperparameters_of,
    row_weights,
    run_trial,
    weights_digest,
)


def refit(study: Study, best: TrialRecord) -> keras.Model:
    """Train the best trial's network on train + validation for its best number of epochs.

    The learning-rate schedule stays the trial's own (it decays over search.epochs), so that the
    network sees the same rates as in the trial that was chosen.
    """
    if best.best_epoch is None:
        raise ValueError("only a completed trial can be refitted")
    seed_everything(study.seed, "final fit")
    x, y, _ = study.data
    model = build(dataclasses.replace(study, moments=input_moments(x)), _hyperparameters(study, best))
    train(
        model,
        (x, y, *row_weights(y, len(y), study.search)),
        n_train=len(y),
        validate=False,
        batch_size=best.effective_batch_size,
        epochs=best.best_epoch + 1,
        order=numpy_generator(study.seed, "batches of the final fit"),
    )
    return model


def best_of_trial(study: Study, best: TrialRecord, journal: Journal) -> keras.Model:
    """Give the best trial's network with the weights of its best epoch.

    Where its checkpoint is gone the trial is run again. Raises ReplayError where that, or the
    checkpoint, gives other weights than were recorded.
    """
    weights = journal.read_checkpoint(best.number)
    if weights is None:
        say(f"search: running trial {best.number + 1} again for its weights")
        empty = {"space": [], "values": best.hyperparameters}
        _, weights = run_trial(study, best.number, empty)
    seed_everything(study.seed, "final fit")
    model = build(study, _hyperparameters(study, best))
    model.set_weights(weights)
    digest = weights_digest(model)
    if digest != best.weights:
        raise ReplayError(
            f"{journal.folder}: the weights of trial {best.number} must have the digest recorded "
            f"with it, but got {digest['digest']}. Remove the folder's .npz files to build them anew."
        )
    return model


def _hyperparameters(study: Study, best: TrialRecord) -> keras_tuner.HyperParameters:
    return hyperparameters_of(study, {"space": [], "values": best.hyperparameters})
