"""The order of proposals and results: fixed by params, whoever computes and whatever ends first."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from pipeline.errors import SearchError
from pipeline.params import Search
from pipeline.search.budget import Budget
from pipeline.search.journal import Journal
from pipeline.search.proposals import Exhausted, NotYet, Proposer
from pipeline.search.record import TrialRecord

Result = tuple[TrialRecord, list[np.ndarray]]
Submit = Callable[[int, dict[str, Any]], "Future[Result]"]


def run_trials(
    proposer: Proposer,
    submit: Submit,
    journal: Journal,
    budget: Budget,
    settings: Search,
    on_end: Callable[[TrialRecord, bool], None],
) -> list[TrialRecord]:
    """Run a search's trials, finished ones from the journal.

    Proposal n is made when exactly the trials 0 … n - lookahead have ended, in the order of their
    numbers. `on_end` hears of every trial and whether it was replayed.

    Raises SearchError after `max_consecutive_failures` failed trials in a row, or where fewer than
    `min_successful_trials` succeeded.
    """
    ended: list[TrialRecord] = []
    under_way: deque[tuple[Future[Result], bool]] = deque()
    number = 0
    exhausted = False

    def end_next() -> None:
        future, replayed = under_way.popleft()
        record, weights = future.result()
        proposer.end(record)
        ended.append(record)
        if replayed:
            budget.count_replayed(record.seconds)
        else:
            journal.write_checkpoint(record.number, weights, ranking(ended, settings))
        on_end(record, replayed)
        _check_failures(ended, settings)

    while not exhausted or under_way:
        if exhausted or len(under_way) == settings.lookahead:
            end_next()
            continue
        try:
            exhausted = not budget.allows(number, ended)
            if not exhausted:
                config = proposer.propose(number)
                under_way.append(_start(number, config, submit, journal))
                number += 1
        except Exhausted:
            exhausted = True
        except NotYet:
            end_next()
    _check_successes(ended, settings)
    return ended


def ranking(records: list[TrialRecord], settings: Search) -> list[int]:
    """Number the completed trials from best to worst; of equals, the earlier is the better."""
    sign = -1 if settings.direction == "max" else 1
    scored = [(sign * record.score, record.number) for record in records if record.score is not None]
    return [number for _, number in sorted(scored)]


def _start(
    number: int, config: dict[str, Any], submit: Submit, journal: Journal
) -> "tuple[Future[Result], bool]":
    recorded = journal.read(number, config["values"])
    if recorded is not None:
        done: Future[Result] = Future()
        done.set_result((recorded, []))
        return done, True
    # Written when it finishes, not when its turn to end comes: a kill between must not lose it.
    return _recorded(submit(number, config), journal), False


def _recorded(finished: "Future[Result]", journal: Journal) -> "Future[Result]":
    """Give a future that is done when the trial is in the journal, or could not be put there."""
    recorded: Future[Result] = Future()

    def record(future: "Future[Result]") -> None:
        try:
            result = future.result()
            journal.write(result[0])
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            recorded.set_exception(error)
        else:
            recorded.set_result(result)

    finished.add_done_callback(record)
    return recorded


def _check_failures(ended: list[TrialRecord], settings: Search) -> None:
    last = ended[-settings.max_consecutive_failures :]
    if len(last) == settings.max_consecutive_failures and all(r.status == "FAILED" for r in last):
        raise SearchError(
            f"The search must not have search.max_consecutive_failures = "
            f"{settings.max_consecutive_failures} failed trials in a row, but trials "
            f"{last[0].number} to {last[-1].number} failed. {_first_cause(last)}"
        )


def _check_successes(ended: list[TrialRecord], settings: Search) -> None:
    failed = [record for record in ended if record.status == "FAILED"]
    n_successes = len(ended) - len(failed)
    if n_successes >= settings.min_successful_trials:
        return
    what = (
        f"No trial succeeded: all {len(ended)} failed."
        if not n_successes
        else f"Only {n_successes} of {len(ended)} trials succeeded, but search.min_successful_trials is "
        f"{settings.min_successful_trials}."
    )
    raise SearchError(f"{what} {_first_cause(failed)}")


def _first_cause(failed: list[TrialRecord]) -> str:
    error = failed[0].error if failed else None
    if error is None:
        return "Raise search.max_trials."
    return (
        f"The first cause, in trial {failed[0].number}: {error.type}: {error.message}. Mend it, "
        "narrow the search, or raise search.max_consecutive_failures."
    )
