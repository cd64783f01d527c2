import pytest

from vcl.run import run_clips


@pytest.fixture
def ran(tmp_path, tiny_config, clips):
    """Call with a method and its knobs; gives the finished folder of two sessions."""

    def make(name, method, into="run", **sections):
        config = tiny_config(name, method=method, **sections)
        return run_clips(config, clips[:2], tmp_path / into)

    return make
