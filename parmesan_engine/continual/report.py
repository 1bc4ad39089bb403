"""An outcome as one HTML file that opens without network: figures, numbers, pictures, and what was done with the data."""

import html
import os
import platform
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import torch
from plotly.io import from_json
from plotly.offline import get_plotlyjs

from parmesan_engine.continual import figures
from parmesan_engine.continual.outcome import Outcome
from parmesan_engine.continual.strips import STYLE as STRIP_STYLE
from parmesan_engine.continual.strips import strip
from parmesan_engine.continual.toy_figures import toy_figures
from parmesan_engine.io.files import write_beside

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #17202a; max-width: 1500px; margin: 0 auto; padding: 16px 24px; }
h1 { font-size: 1.5rem; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 28px 0 2px; } p { margin: 4px 0 8px; }
.numbers { border-collapse: collapse; font-variant-numeric: tabular-nums; } .wide { overflow-x: auto; }
.numbers td { white-space: nowrap; }
.numbers th, .numbers td { text-align: right; vertical-align: top; padding: 3px 6px; border-bottom: 1px solid #d6dbe1; }
.numbers th:first-child, .numbers td:first-child { text-align: left; } .numbers tr.ours { font-weight: 700; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(600px, 1fr)); gap: 8px 24px; } details { margin: 6px 0; }
"""
STRIP = ("What each method answers for the same held-back sample after every step; below each picture the score on the step that the "
         "sample belongs to. Grey is unknown. One seed.")
ENCODED = {"absorb_seconds": "", "absorb_seconds_with_encoding": ", encoded"}


def write_report(outcome: Outcome, path: Path) -> None:
    """Write the report of an outcome. Raises StoreError."""
    write_beside(path, lambda out: out.write(report(outcome).encode()))


def report(outcome: Outcome) -> str:
    """Return the report of an outcome as HTML."""
    title = f"{outcome.stream['name']}: {outcome.stream['kind']} steps"
    parts = [f"<h1>{html.escape(title)}</h1>", _about(outcome), "<h2>Numbers</h2>", _numbers(outcome),
             "<h2>Score step by step</h2>", '<div class="pair">', _figure(figures.ABOUT["curves"], figures.curves(outcome)),
             _figure(figures.ABOUT["one"], figures.curves(outcome, 0)), "</div>", "<h2>Score against cost</h2>", '<div class="pair">',
             *(_figure(figures.ABOUT[what], figures.cost(outcome, what)) for what in figures.COSTS), "</div>",
             "<h2>Result matrices</h2>", _figure(figures.ABOUT["matrices"], figures.matrices(outcome)),
             f"<h2>The same samples after every step</h2><p>{STRIP}</p>", *_strips(outcome),
             "<h2>Two experiments of the papers</h2>", *(_figure(text, from_json(figure)) for text, figure in toy_figures())]
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f"<style>{STYLE}{STRIP_STYLE}</style><script>{get_plotlyjs()}</script></head><body>{''.join(parts)}</body></html>")


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the numbers of each method that has gone through all steps, the best average first.

    Columns that begin with × say how many times longer than PARMESAN (its variant that absorbs a step soonest) it takes, without and with
    encoding; there are none without PARMESAN.
    """
    summary, table = outcome.summary(), []
    soonest = min((m for m in summary if figures.ours(m)), key=lambda m: summary[m]["absorb_seconds"], default=None)
    for method, row in sorted(summary.items(), key=lambda pair: -(pair[1]["average"] or 0.0)):
        times = {key: f"× {figures.label(soonest)}{words}" for key, words in ENCODED.items()} if soonest else {}
        factors = {name: row[key] / max(summary[soonest][key], 1e-9) for key, name in times.items()}
        table.append({"method": figures.label(method), "average": row["average"],
                      "± seeds": row["average_std"] if row["seeds"] > 1 else None, "forgetting": row["forgetting"],
                      "backward transfer": row["backward_transfer"],
                      "forward transfer": row["forward_transfer"], "absorb, s": row["absorb_seconds"],
                      "with encoding, s": row["absorb_seconds_with_encoding"], **factors, "bytes": row["bytes"],
                      "query, ms": row["query_ms"], "peak, bytes": row["peak_bytes"], "note": row["note"]})
    return table


def _about(outcome: Outcome) -> str:
    """Return what was learned, from what, with what and where."""
    run, budget = outcome.run, outcome.run["budget"]
    steps = "".join(f"<li><b>{html.escape(step['name'])}</b>: {step['samples']} samples, {step['pixels']:,} labelled pixels, "
                    f"{step['tests']} held-back samples{_classes(step)}</li>" for step in outcome.stream["steps"])
    bytes_ = f"; budget {html.escape(str(budget['asked']))}: {html.escape(str(budget['meaning']))}" if budget["asked"] else ""
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in outcome.stream["notes"])
    return (f"<p>Encoder {html.escape(run['encoder'])}; seeds {', '.join(map(str, run['seeds']))}{bytes_}. Written on "
            f"{html.escape(platform.platform())}, {os.cpu_count()} cores, torch {torch.__version__}. "
            f"{_encoding(run['encode_ms_per_query'])}Peak memory: {html.escape(str(run['peak']))}.</p><ol>{steps}</ol>"
            + (f"<p>What was done with the data:</p><ul>{notes}</ul>" if notes else ""))


def _encoding(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"Encoding takes {milliseconds:.0f} ms a sample. "


def _classes(step: dict[str, Any]) -> str:
    return f" ({html.escape(', '.join(map(str, step['classes'])))})" if step["classes"] else ""


def _numbers(outcome: Outcome) -> str:
    """Return the table of numbers."""
    table = rows(outcome)
    if not table:
        return "<p>No method has gone through all steps yet.</p>"
    notes = {row["method"]: row.pop("note") for row in table}  # long, and of few: a column of them would make every row tall
    heads = "".join(f"<th>{html.escape('×' + name.partition(',')[2] if name.startswith('×') else name)}</th>" for name in table[0])
    soonest = next((name[2:] for name in table[0] if name.startswith("×")), "")
    times = f" ×: how many times longer than {html.escape(soonest)} it takes to absorb a step." if soonest else ""
    lines = "".join(f"<tr{' class=ours' if figures.ours(row['method']) else ''}>"
                    + "".join(f"<td>{html.escape(_cell(name, value))}</td>" for name, value in row.items()) + "</tr>" for row in table)
    said = "".join(f"<li><b>{html.escape(method)}</b>: {html.escape(note)}</li>" for method, note in notes.items() if note)
    told = f"<details><summary>What methods say of themselves, first seed</summary><ul>{said}</ul></details>" if said else ""
    return (f'<div class="wide"><table class="numbers"><tr>{heads}</tr>{lines}</table></div>{told}'
            "<p>Average: mean score on all steps after the last. "
            "Score: mean IoU, or 1 − RMSE / standard deviation of the truth, never below 0. Forgetting: the best score there "
            f"ever was minus the last.{times}</p>")


def _cell(name: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if "bytes" in name:
        return f"{value / 1e6:,.2f} MB" if value >= 1e5 else f"{value / 1e3:,.1f} kB"
    if "×" in name or name.endswith((", s", ", ms")):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:.3f}"


def _figure(text: str, figure: go.Figure) -> str:
    """Return a sentence and its figure."""
    drawn = figure.update_layout(template="plotly_white").to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
    return f"<div><p>{html.escape(text)}</p>{drawn}</div>"


def _strips(outcome: Outcome) -> list[str]:
    return [f"<details{' open' if which == 0 else ''}><summary><b>{html.escape(picture.name)}</b> of {html.escape(picture.experience)}"
            f"</summary>{strip(outcome, which)}</details>" for which, picture in enumerate(outcome.strip)]
