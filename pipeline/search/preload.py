"""What every process that runs trials imports once; the server of the workers imports it before them."""

import gc

from pipeline.determinism import standard_error_held_back

with standard_error_held_back():
    import pipeline.search.trial  # noqa: F401


def freeze() -> None:
    """Take all that is imported out of garbage collection.

    A trial collects garbage to be rid of the network before; visiting all of TensorFlow again takes
    half a second each time.
    """
    gc.collect()
    gc.freeze()
