"""What a check finds, worded with the places in the user's file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipeline.prepare.profiles import SHOWN


@dataclass
class Findings:
    """What a check found: problems stop the stage, notes do not."""

    place: Callable[[int], str]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self, rows: Iterable[int], n_rows: int) -> str:
        """Name some rows' places in the user's file: `line 5, 11, …`."""
        places = [self.place(row) for row in list(rows)[:SHOWN]]
        first = places[0].rpartition(" ")[0]
        if first and all(place.startswith(f"{first} ") for place in places):
            places[1:] = [place.removeprefix(f"{first} ") for place in places[1:]]
        return ", ".join(places) + (", …" if n_rows > len(places) else "")

    def cells(self, cells: dict[int, str], n_rows: int) -> str:
        """Name some rows' places with what they hold."""
        texts = ", ".join(map(repr, sorted(set(cells.values()))))
        return f"{self.rows(cells, n_rows)}: {texts}"
