"""The knobs of methods, and which method has which."""

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
from vcl.config.methods.masked import (
    PacknetConfig,
    PfnrConfig,
    WsnConfig,
)
from vcl.config.methods.rehearsal import (
    AgemConfig,
    DerConfig,
    EsmerConfig,
    GemConfig,
    IcarlConfig,
    LwfConfig,
    ReplayConfig,
)

METHODS: dict[str, type[MethodConfig]] = {
    "pfnr": PfnrConfig,
    "wsn": WsnConfig,
    "packnet": PacknetConfig,
    "finetune": FinetuneConfig,
    "single": SingleConfig,
    "single_matched": SingleMatchedConfig,
    "joint": JointConfig,
    "cumulative": CumulativeConfig,
    "ewc": EwcConfig,
    "mas": MasConfig,
    "lwf": LwfConfig,
    "replay": ReplayConfig,
    "der": DerConfig,
    "icarl": IcarlConfig,
    "esmer": EsmerConfig,
    "agem": AgemConfig,
    "gem": GemConfig,
}
"""Name to knobs; the methods themselves stand in ``vcl.sessions.methods``."""

REFUSED = {
    "si": "Avalanche's synaptic intelligence does nothing on a CPU: its importances stay 0",
    "gdumb": "it keeps its buffer balanced over classes, which frames do not have",
    "generative_replay": "it needs a generator and a classifier; lwf replays what the network itself generates",
}
"""Methods that one would look for, and why there is none."""

__all__ = ["METHODS", "REFUSED"]
