"""What the pipeline says on screen. Nothing printed ever changes a result."""

import sys


def say(text: str) -> None:
    """Tell something on the standard output."""
    print(text, flush=True)


def note(text: str) -> None:
    """Point something out that is worth a look but stops nothing."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Tell that something went wrong which the pipeline could do without."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Word a duration: 8.2 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(n_bytes: int) -> str:
    """Word a size: 12 kB, 3.4 MB."""
    value = float(n_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit in {"bytes", "kB"} else f"{value:.1f} {unit}"
