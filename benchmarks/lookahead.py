"""`python -m benchmarks.lookahead`: what waiting for the fixed order costs, by simulation.

1,000 trials on 100 workers, with the times of measured trials drawn at random (a journal's
seconds), or lognormal ones where no journal is given. An unordered search hands a free worker the
next trial at once; ours proposes trial n when the trials 0 to n - lookahead have ended.
"""

import argparse
import heapq
import json
from pathlib import Path

import numpy as np


def main() -> None:
    """Print how busy the workers are for some lookaheads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--journal", type=Path, help="a folder of .encore/journals to draw times from")
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    if arguments.journal:
        files = sorted(arguments.journal.glob("trial-*.json"))
        measured = [json.loads(path.read_text())["seconds"] for path in files]
        times = generator.choice(measured, arguments.trials)
    else:
        times = generator.lognormal(0.0, 0.8, arguments.trials)
    unordered = simulate(times, arguments.workers, len(times))
    print(f"{arguments.trials} trials on {arguments.workers} workers, time of the unordered search = 1")
    for factor in (1, 1.5, 2, 3, 4):
        lookahead = int(factor * arguments.workers)
        ratio = simulate(times, arguments.workers, lookahead) / unordered
        print(f"lookahead {lookahead:>4} ({factor} x workers): {ratio:.2f}")


def simulate(times: np.ndarray, n_workers: int, lookahead: int) -> float:
    """Give the time at which the last trial ends.

    A trial starts when a worker is free and all trials up to its number less `lookahead` have
    ended (`lookahead` of at least the number of trials: no waiting).
    """
    free = [0.0] * n_workers
    ended = np.zeros(len(times))
    all_ended_up_to = np.zeros(len(times))
    for number, seconds in enumerate(times):
        allowed = all_ended_up_to[number - lookahead] if number >= lookahead else 0.0
        start = max(heapq.heappop(free), allowed)
        ended[number] = start + seconds
        heapq.heappush(free, ended[number])
        before = all_ended_up_to[number - 1] if number else 0.0
        all_ended_up_to[number] = max(before, ended[number])
    return float(ended.max())


if __name__ == "__main__":
    main()
