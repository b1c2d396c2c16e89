"""Proposals, schedule and journal together, with the real oracle and real trials."""

import functools
import random
import resource
import traceback
from concurrent.futures import Future

import pytest

from pipeline import paths
from pipeline.errors import ReplayError, SearchError
from pipeline.params import Search
from pipeline.search.budget import Budget
from pipeline.search.final_fit import best_of_trial, refit
from pipeline.search.journal import Journal
from pipeline.search.proposals import Proposer
from pipeline.search.schedule import ranking, run_trials
from pipeline.search.trial import run_trial, weights_digest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def search(make_study):
    """Run a search; tells which trials were run and which replayed."""

    def run(settings, journal=None, seed=0, trial=run_trial, warm_start=()):
        tuner, study = make_study(settings, seed=seed)
        ran, replayed = [], []

        def submit(number, config):
            ran.append(number)
            done = Future()
            done.set_result(trial(study, number, config))
            return done

        def on_end(record, was_replayed):
            if was_replayed:
                replayed.append(record.number)

        journal = journal or Journal({"test": str(seed)}, keep_checkpoints=1)
        proposer = Proposer(tuner, study.network, seed, settings, warm_start)
        records = run_trials(proposer, submit, journal, Budget(settings, journal), settings, on_end)
        return study, [record.outcome() for record in records], ran, replayed, records

    return run


def small(**values):
    return Search(**({"max_trials": 4, "epochs": 2, "batch_size": 16} | values))


def test_search_resumed_from_its_journal_runs_only_what_is_missing(search):
    _, undisturbed, *_ = search(small())
    journal = Journal({"test": "0"}, 1)
    for number in (1, 3):
        (journal.folder / f"trial-{number:05d}.json").unlink()
    _, resumed, ran, replayed, _ = search(small(), journal)
    assert resumed == undisturbed
    assert (ran, replayed) == ([1, 3], [0, 2])


@pytest.mark.parametrize("tuner", ["greedy", "random", "bayesian", "hyperband"])
def test_search_extended_keeps_its_trials_and_equals_the_long_one(search, tuner):
    settings = functools.partial(small, epochs=4 if tuner == "hyperband" else 2)
    short = Journal({"extended": tuner}, 1)
    search(settings(tuner=tuner, max_trials=3), short)
    _, extended, ran, _, _ = search(settings(tuner=tuner, max_trials=6), short)
    assert ran == [3, 4, 5]
    _, at_once, *_ = search(settings(tuner=tuner, max_trials=6), Journal({"at once": tuner}, 1))
    assert extended == at_once


def test_search_of_hyperband_promotes_trials_that_complete(search):
    _, outcomes, *_ = search(small(tuner="hyperband", max_trials=12, epochs=4))
    promoted = [o for o in outcomes if o["hyperparameters"].get("tuner/trial_id")]
    assert promoted
    assert {o["status"] for o in promoted} == {"COMPLETED"}
    assert all(len(o["epochs"]) <= o["hyperparameters"]["tuner/epochs"] for o in outcomes)


@pytest.mark.parametrize("tuner", ["greedy", "hyperband"])
def test_search_draws_nothing_from_the_machines_own_randomness(search, monkeypatch, tuner):
    real = random.Random.seed

    def seed(self, value=None, version=2):
        # KerasTuner's ensure_active_values draws from random.Random(None).
        assert value is not None or not _called_by("hyperparameter.py"), "drawn without a seed"
        real(self, value, version)

    monkeypatch.setattr(random, "Random", type("Watched", (random.Random,), {"seed": seed}))
    warm = [{"optimizer": "sgd", "structured_data_block_1/dense_block_1/num_layers": 3}]
    settings = small(tuner=tuner, max_trials=7, epochs=4)
    one, two = (search(settings, Journal({tuner: str(turn)}, 1), warm_start=warm)[1] for turn in range(2))
    assert one == two


def _called_by(name):
    return any(frame.filename.endswith(name) for frame in traceback.extract_stack())


def test_search_with_another_seed_proposes_other_trials(search):
    _, zero, *_ = search(small(), seed=0)
    _, one, *_ = search(small(), seed=1)
    assert [o["proposal"] for o in zero[1:]] != [o["proposal"] for o in one[1:]]


def test_search_with_a_damaged_record_sets_it_aside_and_runs_its_trial_again(search, capsys):
    _, undisturbed, *_ = search(small())
    journal = Journal({"test": "0"}, 1)
    records = sorted(journal.folder.glob("trial-*.json"))
    records[1].write_text(records[1].read_text()[:40])
    records[2].write_text(records[0].read_text())
    _, outcomes, ran, _, _ = search(small(), journal)
    assert (outcomes, ran) == (undisturbed, [1, 2])
    warned = capsys.readouterr().err
    assert "trial-00001.json is not a sound record" in warned
    assert "it is the record of trial 0" in warned
    assert len(list(journal.folder.glob("*.damaged"))) == 2


def test_search_whose_record_holds_another_proposal_stops_and_names_it(search):
    search(small(max_trials=2))
    record = Journal({"test": "0"}, 1).folder / "trial-00001.json"
    record.write_text(record.read_text().replace('"learning_rate": ', '"learning_rate": 7'))
    message = r"trial 1 was recorded with learning_rate = 7\S+, but the same search now proposes"
    with pytest.raises(ReplayError, match=message):
        search(small(max_trials=2))


def test_search_goes_on_after_a_failed_trial_and_ranks_the_others(search):
    def second_fails(study, number, config):
        values = {"optimizer": "none"} if number == 1 else config["values"]
        record, weights = run_trial(study, number, config | {"values": values})
        return record.model_copy(update={"proposal": config["values"]}), weights

    _, outcomes, _, _, records = search(small(), trial=second_fails)
    assert [o["status"] for o in outcomes] == ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"]
    assert sorted(ranking(records, small())) == [0, 2, 3]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            2,
            r"2 failed trials in a row, but trials 0 to 1 failed. The first cause, in trial 0: ModelTooLarge",
        ),
        (
            9,
            r"No trial succeeded: all 4 failed. The first cause, in trial 0: ModelTooLargeError: search.max_",
        ),
    ],
)
def test_search_without_success_is_an_error_with_the_first_cause(search, limit, message):
    with pytest.raises(SearchError, match=message):
        search(small(max_model_size=1, max_consecutive_failures=limit))


def test_search_keeps_the_checkpoints_of_its_best_trials_only(search):
    study, _, _, _, records = search(small())
    best = records[ranking(records, small())[0]]
    journal = Journal({"test": "0"}, 1)
    (checkpoint,) = journal.folder.glob("*.npz")
    assert checkpoint.name == f"trial-{best.number:05d}.npz"
    kept = weights_digest(best_of_trial(study, best, journal))
    checkpoint.unlink()
    rebuilt = weights_digest(best_of_trial(study, best, journal))
    assert kept == rebuilt == best.weights


def test_refit_is_the_same_twice_and_differs_from_the_trial(search):
    study, _, _, _, records = search(small())
    digests = [weights_digest(refit(study, records[0])) for _ in range(2)]
    assert digests[0] == digests[1] != records[0].weights


def test_proposals_see_exactly_the_trials_that_lookahead_allows(search):
    seen = {}
    real_propose, real_end = Proposer.propose, Proposer.end
    ended = []

    class Watched:
        @staticmethod
        def propose(self, number):
            seen[number] = list(ended)
            return real_propose(self, number)

        @staticmethod
        def end(self, record):
            ended.append(record.number)
            real_end(self, record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Proposer, "propose", Watched.propose)
        patch.setattr(Proposer, "end", Watched.end)
        search(small(max_trials=6, lookahead=3, tuner="random"))
    assert seen == {n: list(range(max(0, n - 2))) for n in range(6)}


def test_journal_is_in_scratch():
    assert Journal({"a": "b"}, 1).folder.parent == paths.JOURNALS


def test_search_with_patience_stops_after_that_many_trials_without_a_better_one(search):
    _, outcomes, *_ = search(small(max_trials=20, patience_trials=2, tuner="random"))
    scores = [o["score"] for o in outcomes]
    assert scores.index(min(scores)) == len(scores) - 3
    assert len(scores) < 20


def test_search_cut_by_time_replays_the_number_that_it_reached(search):
    # A budget that the first trial overspends.
    _, first, ran, _, _ = search(small(max_minutes=0.0001))
    assert ran == [0]
    journal = Journal({"test": "0"}, 1)
    assert journal.read_reached(0.0001) == 1
    _, again, ran, replayed, _ = search(small(max_minutes=0.0001), journal)
    assert (again, ran, replayed) == (first, [], [0])
    _, longer, ran, _, _ = search(small(max_minutes=60), journal)
    assert ran == [1, 2, 3]
    assert longer[0] == first[0]


def test_search_with_too_few_successes_is_an_error(search):
    def only_first(study, number, config):
        values = config["values"] if number == 0 else {"optimizer": "none"}
        record, weights = run_trial(study, number, config | {"values": values})
        return record.model_copy(update={"proposal": config["values"]}), weights

    with pytest.raises(
        SearchError, match=r"Only 1 of 2 trials succeeded, but search.min_successful_trials is 2"
    ):
        search(small(max_trials=2, min_successful_trials=2), trial=only_first)


@pytest.mark.parametrize("tuner", ["greedy", "random", "bayesian", "hyperband"])
def test_search_with_a_warm_start_tries_its_hyperparameters_first(search, tuner):
    warm = [{"optimizer": "sgd", "learning_rate": 0.01}, {"optimizer": "adam", "learning_rate": 0.1}]
    settings = small(tuner=tuner, max_trials=3, epochs=4)
    _, outcomes, *_ = search(settings, Journal({"warm": tuner}, 1), warm_start=warm)
    tried = [{k: o["proposal"][k] for k in warm[0]} for o in outcomes[:2]]
    assert tried == warm


def test_search_whose_record_cannot_be_written_stops_and_goes_on_later(search):
    _, undisturbed, *_ = search(small(), Journal({"undisturbed": ""}, 1))
    journal = Journal({"full": "disk"}, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def no_room_after_the_third(study, number, config):
        result = run_trial(study, number, config)
        if number == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        return result

    try:
        with pytest.raises(
            SearchError, match=r"trial-00002.json cannot be written .* make room, then run `dvc"
        ):
            search(small(), journal, trial=no_room_after_the_third)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    _, outcomes, ran, replayed, _ = search(small(), journal)
    assert (outcomes, ran, replayed) == (undisturbed, [2, 3], [0, 1])
