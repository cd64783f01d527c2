import pytest

from vcl import config as configs
from vcl.errors import ConfigError


@pytest.mark.parametrize(("name", "why"), [("si", "does nothing on a CPU"), ("gdumb", "classes")])
def test_methods_that_cannot_work_are_refused_with_the_reason(name, why):
    with pytest.raises(ConfigError, match=f"method.name must be one of pfnr, .*{why}.*, got {name}"):
        configs.load(None, [f"method.name={name}"])
