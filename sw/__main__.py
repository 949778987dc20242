"""The command line as ``python -m stablespike``."""

import sys

from .cli.entry import main

sys.exit(main())
