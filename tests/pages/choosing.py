"""What a person does first on any page."""

from streamlit.testing.v1 import AppTest


def choose(at: AppTest, project: str) -> None:
    """Take another project, as the sidebar does; the next run of the page shows it."""
    at.session_state["desk"].project = project
    at.session_state["desk"].jumps += 1
