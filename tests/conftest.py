"""Property tests draw the same examples in every run, so that a run that was green stays green.

To search further: `HYPOTHESIS_PROFILE=explore .venv/bin/pytest tests/property`.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
