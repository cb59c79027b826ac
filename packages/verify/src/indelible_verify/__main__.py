"""`python -m indelible_verify` runs the command."""

from __future__ import annotations

import sys

from indelible_verify.main import main

sys.exit(main())
