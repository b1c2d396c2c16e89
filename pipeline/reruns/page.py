"""A comparison as one HTML page that needs nothing else."""

from html import escape

from pipeline.reruns.compare import Comparison
from pipeline.reruns.diagnose import Cause

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222 }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .3rem }
ol.chain { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; padding: 0 }
ol.chain li { padding: .2rem .7rem; border-radius: 1rem; border: 1px solid }
.same { background: #eaf6ec; border-color: #9c9; color: #1c5c2a }
.differs { background: #fdeceb; border-color: #d99; color: #8c1d18 }
ul { margin: 0; padding-left: 1.2rem } li { overflow-wrap: anywhere }
.cause { border-left: 4px solid #c77; padding: .2rem .8rem; margin: .8rem 0; background: #fafafa }
code { font-size: .92em }
"""


def as_html(comparison: Comparison, causes: list[Cause]) -> str:
    """Word the verdict, the chain, why, and what differs, for a browser."""
    chain = "".join(
        f'<li class="{"same" if same else "differs"}">{"=" if same else "≠"} {escape(name)}</li>'
        for name, same in comparison.links.items()
    )
    reasons = "".join(
        f'<div class="cause"><strong>{escape(cause.what)}</strong><br>seen in: {escape(cause.evidence)}<br>'
        f"do: {escape(cause.next_step)}</div>"
        for cause in causes
    )
    differences = "".join(
        f"<h2>{escape(name)}</h2><ul>{_items(lines)}</ul>" for name, lines in comparison.differences.items()
    )
    why = f"<h2>Why</h2>{reasons}" if causes else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(comparison.verdict)}</title><style>{_STYLE}</style></head><body><h1>{escape(comparison.verdict)}</h1>"
        f"<p>a: {escape(comparison.a)}<br>b: {escape(comparison.b)}</p>"
        f'<ol class="chain">{chain}</ol>{why}{differences}</body></html>\n'
    )


def _items(lines: list[str]) -> str:
    return "".join(f"<li><code>{escape(line)}</code></li>" for line in lines)
