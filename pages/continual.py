"""Continual: methods learn one step after the other; what they keep, and what it costs, grows before everybody's eyes."""

from dataclasses import replace

import streamlit as st

from pages import _jobs, _state
from pages._runs import RUNS, Run, Wanted, fast, offered
from pages._stream import choose
from pages._widgets import border, plain, readable
from parmesan_engine.continual import figures
from parmesan_engine.continual.report import STRIP, report, rows
from parmesan_engine.continual.strips import STYLE, strip
from parmesan_engine.methods import METHODS

VIEWS = ("Curves", "Result matrices", "Pictures", "Numbers")
ALL = "all steps so far"
_PLAIN = {"displayModeBar": False}


def page() -> None:
    st.html('<div class="lead"><b>Continual learning</b> Data comes in steps, and a method learns each without seeing the earlier ones '
            "again. What does it still know, and what did the step cost?</div>")
    wanted = choose()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        texts = st.multiselect("Methods", offered(), default=fast(), accept_new_options=True, format_func=figures.label,
                               key="continual-methods", help="Type another one with its keywords: mbpa:k=64")
        asked = st.button("Run", type="primary", icon=":material/play_arrow:", disabled=not texts or wanted is None)
    texts = [text for text in texts if readable(METHODS, text)]
    if asked and texts:
        _start(replace(wanted, methods=tuple(texts)))
    run = RUNS.get(_key())
    job = _jobs.watch(_key(), so_far=lambda: run and run.done)
    if run is not None and run.outcome is not None:
        _results(run, busy=job is not None and job.active)
    elif job is None:
        st.caption("Run works without any data of yours; what is chosen is through in a minute or two.")


def _key() -> str:
    """Return the key of the run of this browser: a reload finds it again."""
    return f"continual {_state.owner()}"


def _start(wanted: Wanted) -> None:
    job = _state.jobs().get(_key())
    if job is None or not job.active:  # a second one would not be begun
        _jobs.start(_key(), RUNS.begin(_key(), wanted).work, text=f"Making the steps of {wanted.title}")


def _results(run: Run, *, busy: bool) -> None:
    """Draw what there is of a run."""
    outcome = run.outcome
    with st.container(horizontal=True, vertical_alignment="center"):
        view = st.segmented_control("Show", VIEWS, default=VIEWS[0], key="continual-view", label_visibility="collapsed") or VIEWS[0]
        if run.whole:
            _unlearn(run, busy)
            st.download_button("Report", lambda: report(outcome).encode(), f"continual-{outcome.stream['kind']}.html", "text/html",
                               icon=":material/download:", on_click="ignore", help="One HTML file with everything, opens without network")
    st.caption(" ".join([f"Steps of {plain(outcome.stream['name'])}: {plain(', '.join(outcome.steps))}.",
                         *(plain(note) for note in outcome.stream["notes"])]))
    if not outcome.records:
        return
    {"Curves": _curves, "Result matrices": _matrices, "Pictures": _pictures, "Numbers": _numbers}[view](run)


def _curves(run: Run) -> None:
    outcome, left, right = run.outcome, *st.columns([6, 5], gap="medium")
    with left:
        of = st.segmented_control("Scored on", [ALL, *outcome.steps], default=ALL, format_func=plain,
                                  key=f"continual-of-{hash(tuple(outcome.steps))}") or ALL
        st.plotly_chart(figures.curves(outcome, None if of == ALL else outcome.steps.index(of)), config=_PLAIN, key="continual-curves")
        st.caption(figures.ABOUT["curves" if of == ALL else "one"])
    with right:
        what = st.segmented_control("Against", list(figures.COSTS), default="absorb_seconds", key="continual-cost",
                                    format_func={"absorb_seconds": "time to absorb", "bytes": "bytes", "query_ms": "time to answer"}.get)
        what = what or "absorb_seconds"
        if outcome.summary():
            st.plotly_chart(figures.cost(outcome, what), config=_PLAIN, key="continual-costs")
            st.caption(figures.ABOUT[what])
        else:
            st.caption("Cost is drawn as soon as a method is through all steps.")


def _matrices(run: Run) -> None:
    st.plotly_chart(figures.matrices(run.outcome), config=_PLAIN, key="continual-matrices")
    st.caption(figures.ABOUT["matrices"])


def _pictures(run: Run) -> None:
    outcome = run.outcome
    which = st.segmented_control("Sample of", range(len(outcome.strip)), default=0, key=f"continual-strip-{len(outcome.strip)}",
                                 format_func=lambda at: plain(outcome.strip[at].experience)) or 0
    st.html(f"<style>{STYLE}</style>")
    st.html(strip(outcome, which))
    st.caption(STRIP)


def _numbers(run: Run) -> None:
    table = rows(run.outcome)
    if not table:
        st.caption("No method is through all steps yet.")
        return
    plain_numbers = {name: st.column_config.NumberColumn(format="%.4g") for name in table[0] if name not in ("method", "note")}
    in_bytes = {name: st.column_config.NumberColumn(format="bytes") for name in ("bytes", "peak, bytes")}
    average = st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0, width="small")
    st.dataframe(table, hide_index=True, column_config={**plain_numbers, **in_bytes, "average": average})
    st.caption("Score: mean IoU, or 1 − RMSE / standard deviation of the truth, never below 0. Forgetting: the best score there ever was "
               "minus the last. ×: how many times longer than PARMESAN it takes to absorb a step.")


def _unlearn(run: Run, busy: bool) -> None:
    """Offer to let a step be forgotten by all methods that can."""
    able = [text for text in run.wanted.methods if METHODS.get(METHODS.parse(text)["name"]).forgets]
    with st.popover("Unlearn a step", icon=":material/history_toggle_off:", disabled=busy or not able, key="continual-unlearn"):
        name = st.radio("Step", run.outcome.steps, format_func=plain, key=f"continual-forget-{len(run.outcome.steps)}")
        st.caption(plain(f"{', '.join(map(figures.label, able))} can. They learn all steps again and then forget this one; a network "
                         "cannot."))
        if st.button("Unlearn and watch", type="primary"):
            _start(replace(run.wanted, unlearn=name))
            st.rerun()


with border():
    page()
