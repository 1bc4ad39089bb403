"""PARMESAN's engine: dense features of labelled samples are remembered, searched, and their labels transferred.

Knows nothing about Streamlit. Start at `parmesan_engine.project.Project` (a folder on disk) or, without any disk, at
`parmesan_engine.predictor.Predictor` (the algorithm on one screen).
"""

import os

__version__ = "0.1.0"

# Threads of torch and Faiss that wait must sleep, not spin: a stroke shares the cores with background work and other programs, and
# spinning made it 10 times slower there. Read when libgomp is loaded, so it must be set before; an explicit choice is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
