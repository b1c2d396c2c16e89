"""A comparison as text for people and as JSON for machines."""

import json
from dataclasses import asdict

from pipeline.reruns.compare import Comparison
from pipeline.reruns.diagnose import Cause


def as_text(comparison: Comparison, causes: list[Cause]) -> str:
    """Word the verdict, the chain with a mark for each link, then only what differs, and why."""
    lines = [comparison.verdict, f"  a: {comparison.a}", f"  b: {comparison.b}", ""]
    lines += [f"  {'=' if same else '≠'} {name}" for name, same in comparison.links.items()]
    for name, differences in comparison.differences.items():
        lines += ["", f"{name}:", *(f"  {line}" for line in differences)]
    for cause in causes:
        lines += ["", f"because: {cause.what}", f"  seen in: {cause.evidence}", f"  do: {cause.next_step}"]
    return "\n".join(lines)


def as_json(comparison: Comparison, causes: list[Cause]) -> str:
    """Give verdict, links, differences and causes as one JSON object."""
    value = asdict(comparison) | {
        "verdict": comparison.verdict,
        "identical": comparison.identical,
        "first": comparison.first,
        "causes": [asdict(cause) for cause in causes],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)
