"""`python -m indelible_witness` runs the command."""

from __future__ import annotations

import sys

from indelible_witness.main import main

sys.exit(main())
