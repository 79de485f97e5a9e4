from __future__ import annotations

import pytest

from dwc.serving.retriever import Retriever
from tests.serving.tiny import Tiny, build_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def retriever(tiny: Tiny) -> Retriever:
    return Retriever.load(tiny.package)
