"""The Streamlit script: the shell around every page."""

from pathlib import Path

import streamlit as st

from pages._widgets import style

_HERE = Path(__file__).resolve().parent
_ICON = "\N{CHEESE WEDGE}"  # an icon of our own: else Streamlit fetches one from fonts.gstatic.com

st.set_page_config(page_title="PARMESAN Studio", page_icon=_ICON, layout="wide", initial_sidebar_state=250)
st.logo(_HERE.parent / "assets" / "logo.svg", size="large")
style()
pages = [
    st.Page(_HERE / "annotate.py", title="Annotate", icon=":material/draw:", default=True),
    st.Page(_HERE / "review.py", title="Review", icon=":material/rule:"),
    st.Page(_HERE / "memory.py", title="Memory", icon=":material/database:"),
    st.Page(_HERE / "evaluate.py", title="Evaluate", icon=":material/analytics:"),
    st.Page(_HERE / "export.py", title="Export", icon=":material/package_2:"),
    st.Page(_HERE / "encoders.py", title="Encoders", icon=":material/layers:"),
    st.Page(_HERE / "compare.py", title="Compare", icon=":material/compare:"),
    st.Page(_HERE / "continual.py", title="Continual", icon=":material/stacked_line_chart:"),
    st.Page(_HERE / "learn.py", title="Learn", icon=":material/school:"),
]
st.navigation(pages, position="top").run()
