"""No public name or signature changes by accident."""

from importlib.util import find_spec

import pytest
from public_api import MODULES, public_api, read_snapshot


def is_installed(package):
    parent = package.rpartition(".")[0]
    return (not parent or is_installed(parent)) and find_spec(package) is not None


@pytest.mark.parametrize("module", sorted(MODULES))
def test_public_names_and_signatures_are_those_of_the_snapshot(module):
    if not is_installed(MODULES[module]):
        pytest.skip(f"{MODULES[module]} is not installed")
    assert public_api(module) == read_snapshot()[module], (
        "a public name or signature changed. Keep the old one for one version with a "
        "DeprecationWarning, name it in CHANGELOG.md, then run: python tests/public_api.py"
    )
