"""PARMESAN's engine: dense features of labelled samples are remembered, searched, and their labels transferred.

Knows nothing about Streamlit. Start at `parmesan_engine.project.Project` (a folder on disk) or, without any disk, at
`parmesan_engine.predictor.Predictor` (the algorithm on one screen).
"""

__version__ = "0.1.0"
