"""What every verb loads before it does anything: seconds that a person waits."""

import subprocess
import sys

HEAVY = ("sklearn", "pandas", "faiss", "scipy.ndimage", "scipy.stats", "skimage.measure._label", "numba", "streamlit", "plotly")


def test_the_command_line_starts_without_what_few_verbs_need():
    shown = f"import sys, parmesan_engine.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
