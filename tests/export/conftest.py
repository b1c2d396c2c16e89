"""A project whose model has every form, and is registered."""

import pytest

FORMATS = ["keras", "onnx", "litert", "savedmodel"]


@pytest.fixture(scope="session")
def served(new_project):
    """Tests only read it, or add runs of their own."""
    project = new_project("served")
    project.update({"export.formats": FORMATS, "export.int8": True, "export.register_as": "cancer"})
    project.pipeline("run")
    return project
