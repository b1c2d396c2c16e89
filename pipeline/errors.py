"""The exception tree. A `PipelineError` is the user's to mend and is shown without a traceback.

PipelineError
├── ParamsError     params.yaml, or an override of it, breaks a rule
├── DataError       the dataset breaks a rule
├── MissingError    a file that another stage writes is not there
├── SearchError     the search cannot go on
│   └── ReplayError a journal and the search it is replayed into disagree
└── ParityError     a saved model does not predict like the live one

Every message says where, the rule, what came and what to do next.
"""


class PipelineError(Exception):
    """Base of every error that is the user's to mend."""


class ParamsError(PipelineError):
    """params.yaml, or an override of it, breaks a rule."""


class DataError(PipelineError):
    """The dataset breaks a rule."""


class MissingError(PipelineError):
    """A file that another stage writes is not there."""


class SearchError(PipelineError):
    """The search cannot go on."""


class ReplayError(SearchError):
    """A journal and the search it is replayed into disagree."""


class ParityError(PipelineError):
    """A saved model does not predict like the live one."""


class ReproduceError(PipelineError):
    """A clone cannot be brought to the state of an earlier run."""


class RegistryError(PipelineError):
    """A model cannot be promoted."""


def several(problems: list[str]) -> str:
    """Join problems found by one check into one message, one a line."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return f"{len(problems)} problems:\n{lines}"
