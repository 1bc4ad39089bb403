"""Benchmarks as commands that print JSON: `python -m parmesan_engine bench NAME`. Ratios come from one run."""
