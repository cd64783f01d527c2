"""Every knob of a run: load, check, save.

A setting comes from the default in ``knobs``, then the YAML file, then ``key=value`` words.
"""

from vcl.config.knobs import (
    BackboneConfig,
    FinetuneConfig,
    MatrixConfig,
    MethodConfig,
    NervConfig,
    PfnrConfig,
    RunConfig,
    SingleConfig,
    StreamConfig,
    TrainConfig,
    WandbConfig,
    WsnConfig,
)
from vcl.config.store import first_difference, from_dict, load, to_dict, to_yaml

__all__ = [
    "BackboneConfig",
    "FinetuneConfig",
    "MatrixConfig",
    "MethodConfig",
    "NervConfig",
    "PfnrConfig",
    "RunConfig",
    "SingleConfig",
    "StreamConfig",
    "TrainConfig",
    "WandbConfig",
    "WsnConfig",
    "first_difference",
    "from_dict",
    "load",
    "to_dict",
    "to_yaml",
]
