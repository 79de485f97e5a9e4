"""Where the real annotations lie, on machines that have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT


def real_data(name: str) -> Path:
    """Folder of a published data set's annotations: below DWC_REAL_DATA, or shared/data beside the checkout.

    Skips the test where there is none.
    """
    places = [Path(os.environ["DWC_REAL_DATA"])] if "DWC_REAL_DATA" in os.environ else []
    places += [parent / "shared" / "data" for parent in (ROOT, *ROOT.parents)]
    found = next((place / name for place in places if (place / name).is_dir()), None)
    if found is None:
        pytest.skip(f"the annotations of {name} are not on this machine")
    return found
