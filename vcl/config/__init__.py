"""Every knob of a run: load, check, save.

A setting comes from the default in the dataclasses, then the YAML file, then ``key=value`` words.
"""

from vcl.config.backbones import BackboneConfig, NervConfig
from vcl.config.knobs import MatrixConfig, RunConfig, StreamConfig, TrainConfig, WandbConfig
from vcl.config.methods import (
    AgemConfig,
    BufferConfig,
    CumulativeConfig,
    DerConfig,
    EsmerConfig,
    EwcConfig,
    FinetuneConfig,
    GemConfig,
    IcarlConfig,
    JointConfig,
    LwfConfig,
    MasConfig,
    MethodConfig,
    PacknetConfig,
    PfnrConfig,
    RehearsalConfig,
    ReplayConfig,
    SingleConfig,
    SingleMatchedConfig,
    WsnConfig,
)
from vcl.config.store import first_difference, from_dict, load, to_dict, to_yaml

__all__ = [
    "AgemConfig",
    "BackboneConfig",
    "BufferConfig",
    "CumulativeConfig",
    "DerConfig",
    "EsmerConfig",
    "EwcConfig",
    "FinetuneConfig",
    "GemConfig",
    "IcarlConfig",
    "JointConfig",
    "LwfConfig",
    "MasConfig",
    "MatrixConfig",
    "MethodConfig",
    "NervConfig",
    "PacknetConfig",
    "PfnrConfig",
    "RehearsalConfig",
    "ReplayConfig",
    "RunConfig",
    "SingleConfig",
    "SingleMatchedConfig",
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
