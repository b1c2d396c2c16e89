"""Every path the pipeline reads or writes, relative to the project folder it is started in."""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("requirements.lock")

# Declared stage outputs: deterministic to the byte, tracked by DVC.
PREPARED = Path("prepared")
ARRAYS = PREPARED / "arrays.npz"
PREPROCESSOR = PREPARED / "preprocessor.skops"
SCHEMA = PREPARED / "schema.json"
SPLIT = PREPARED / "split.npz"
TEST_ROWS = PREPARED / "test_rows.parquet"
DATA_REPORT = PREPARED / "data_report.json"
DATA_REPORT_TEXT = PREPARED / "data_report.md"
PREPARED_DIGESTS = PREPARED / "digests.json"

SEARCHED = Path("searched")
TRIALS = SEARCHED / "trials.json"
SPACE = SEARCHED / "space.json"
NETWORK = SEARCHED / "network.keras"
LIVE_PREDICTIONS = SEARCHED / "test_predictions.npy"
SEARCH_SUMMARY = SEARCHED / "search.json"
NUMERIC_ENVIRONMENT = SEARCHED / "environment.json"

EXPORTED = Path("exported")
MODEL = EXPORTED / "model"
PARITY = EXPORTED / "parity.json"

REPORTS = Path("reports")
METRICS = REPORTS / "metrics.json"
PLOTS = REPORTS / "plots"
EVALUATION = REPORTS / "evaluation.json"
MODEL_CARD = REPORTS / "model_card.md"

# What commands leave, beside the stages: never in git, nobody's input.
REBUILT = Path("rebuilt")

# Scratch: undeclared, never in git, bounded by `cleanup.keep_*`.
SCRATCH = Path(".encore")
STAGE_LOCK = SCRATCH / "lock"
JOURNALS = SCRATCH / "journals"
TUNERS = SCRATCH / "tuners"
TENSORBOARD = SCRATCH / "tensorboard"
WARM_STARTS = SCRATCH / "warm_starts"
EXECUTIONS = SCRATCH / "executions"
