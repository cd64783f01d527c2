"""Every knob of a run: load, check, save.

The defaults of the dataclasses come first; ``train.recipe`` wins over them, a YAML file over both, and ``key=value``
overrides over all.
"""

from vcl.config.backbones import BackboneConfig, NervConfig, register_backbone
from vcl.config.benchmarks import register_benchmark
from vcl.config.differences import first_difference, identity
from vcl.config.methods import register_method
from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import (
    CumulativeConfig,
    EwcConfig,
    FinetuneConfig,
    JointConfig,
    MasConfig,
    SingleConfig,
    SingleMatchedConfig,
)
from vcl.config.methods.masked import PacknetConfig, PfnrConfig, WsnConfig
from vcl.config.methods.rehearsal import (
    AgemConfig,
    BufferConfig,
    DerConfig,
    EsmerConfig,
    GemConfig,
    IcarlConfig,
    LwfConfig,
    RehearsalConfig,
    ReplayConfig,
)
from vcl.config.run import MatrixConfig, RunConfig, WandbConfig
from vcl.config.store import from_dict, load, merged, overridden, settings_of, to_dict, to_yaml
from vcl.config.stream import StreamConfig
from vcl.config.train import TrainConfig, passes

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
    "identity",
    "load",
    "merged",
    "overridden",
    "passes",
    "register_backbone",
    "register_benchmark",
    "register_method",
    "settings_of",
    "to_dict",
    "to_yaml",
]
