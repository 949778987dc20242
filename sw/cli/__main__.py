"""The command line as ``python -m stablespike.cli``."""

import sys

from .entry import main

sys.exit(main())
