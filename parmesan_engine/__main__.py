"""`python -m parmesan_engine VERB`: see `parmesan_engine.cli`."""

import signal
import sys

from parmesan_engine.cli.main import main

signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill cleans up as Ctrl+C does
sys.exit(main())
