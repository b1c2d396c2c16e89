"""The model card: what a stranger has to know before using the exported model."""

from typing import Any

from pipeline.params import Params
from pipeline.scores import Scores, as_markdown


def model_card(
    params: Params,
    schema: dict[str, Any],
    prepared: dict[str, Any],
    summary: dict[str, Any],
    parity: dict[str, Any],
    scores: Scores,
    test_set: str,
) -> str:
    """Word the card in Markdown; it holds no date and no run id: equal models have equal cards."""
    rows, digests = prepared["rows"], summary["digests"]
    of = f" of `{params.data.target}`" if params.data.target else ""
    sections = [
        f"# {params.data.kind.capitalize()} {params.data.task}{of}",
        "## Data\n\n"
        f"`{params.data.path}`: {rows['train']} rows to train on, {rows['validation']} to choose by, "
        f"{rows['test']} kept for the test. {_inputs(schema)} {_outputs(schema)}",
        "## How good it is\n\n"
        f"Measured on the {rows['test']} test rows, which nothing was fitted to or chosen by (test set "
        f"`{test_set[:16]}`):\n\n{as_markdown(scores)}",
        "## How it came about\n\n"
        f"AutoKeras's `{params.search.tuner}` search, {summary['n_trials']} trials ({summary['n_failed']} "
        f"failed); trial {summary['best_trial']} had the best {summary['objective']}, "
        f"{summary['best_score']:.5g}. {_weights(params)} {summary['n_weights']} weights. Guarantee: "
        f"{summary['guarantee']}.",
        f"## Proof\n\n{_proof(parity)}",
        f"## Limits\n\n{_limits(schema, params, rows)}",
        "## Digests\n\n"
        + _table(
            ["of", "SHA-256"],
            [
                ["data", prepared["data"]],
                ["split", prepared["split"]],
                ["trials", digests["trials"]],
                ["weights", digests["weights"]],
                ["predictions for the test rows", digests["predictions"]],
                ["model folder", parity["digests"]["model"]],
            ],
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _inputs(schema: dict[str, Any]) -> str:
    columns = schema["columns"]
    if schema["kind"] == "image":
        height, width = schema["image_size"]
        return f"Input: images, brought to {height} × {width} pixels and {schema['channels']} channels."
    if schema["kind"] == "text":
        return f"Input: text, the first {schema['text_length']} tokens of it."
    named = ", ".join(f"`{column['name']}` ({column['type']})" for column in columns)
    return f"Input: {len(columns)} columns: {named}."


def _outputs(schema: dict[str, Any]) -> str:
    if schema["task"] == "regression":
        return "Output: a value."
    return f"Output: one of {', '.join(f'`{name}`' for name in schema['classes'])}, with probabilities."


def _weights(params: Params) -> str:
    if params.search.refit:
        return "Its network was trained again on train + validation."
    return "Its own weights were kept."


def _proof(parity: dict[str, Any]) -> str:
    forms = [
        [
            name,
            f"`{form['file']}`",
            "bit for bit" if form["identical"] else f"{form['maximum_difference']:.1e}",
            str(form.get("class_changes", "-")),
        ]
        for name, form in parity.items()
        if isinstance(form, dict) and "file" in form
    ]
    return (
        "Each form was loaded in a fresh process, predicted all test rows from raw cells, and was compared "
        "with the live network.\n\n"
        + _table(["form", "file", "largest difference of an output", "classes changed"], forms)
    )


def _limits(schema: dict[str, Any], params: Params, rows: dict[str, int]) -> str:
    points = [
        f"It was measured on {rows['test']} rows of the same source; other places and times may differ.",
        "It was not measured for groups of people or other parts of the data by themselves.",
    ]
    if schema["kind"] == "structured":
        points.append(
            "Missing cells take the training median (numbers) or a category of their own; a category that "
            "training never saw is taken for a rare one. Both give predictions without a warning."
        )
    if schema["task"] == "classification":
        points.append("Its probabilities were not calibrated.")
        points.append("It answers with one of its classes, also where none fits.")
    if params.search.class_weights:
        points.append("Rare classes weighed more in training: probabilities lean towards them.")
    return "\n".join(f"- {point}" for point in points)


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)]
    return "\n".join(rows)
