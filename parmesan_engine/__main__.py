"""`python -m parmesan_engine VERB`: see `parmesan_engine.cli`."""

import sys

from parmesan_engine.cli.main import main

sys.exit(main())
