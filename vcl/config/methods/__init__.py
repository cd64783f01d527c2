"""The configs of methods, and the table of all methods."""

from vcl.config.methods.base import MethodConfig
from vcl.config.methods.dense import (
    CumulativeConfig,
    EwcConfig,
    FinetuneConfig,
    JointConfig,
    MasConfig,
    ResidualConfig,
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
from vcl.config.registry import ClassRegistry

METHODS = ClassRegistry[MethodConfig](
    "method",
    MethodConfig,
    {
        PfnrConfig: "vcl.sessions.methods.pfnr:Pfnr",
        WsnConfig: "vcl.sessions.methods.wsn:Wsn",
        PacknetConfig: "vcl.sessions.methods.packnet:Packnet",
        FinetuneConfig: "vcl.sessions.methods.finetune:Finetune",
        SingleConfig: "vcl.sessions.methods.single:Single",
        SingleMatchedConfig: "vcl.sessions.methods.single:SingleMatched",
        ResidualConfig: "vcl.sessions.methods.residual:Residual",
        JointConfig: "vcl.sessions.methods.joint:Joint",
        CumulativeConfig: "vcl.sessions.methods.joint:Cumulative",
        EwcConfig: "vcl.sessions.methods.consolidation:Ewc",
        MasConfig: "vcl.sessions.methods.consolidation:Mas",
        LwfConfig: "vcl.sessions.methods.lwf:Lwf",
        ReplayConfig: "vcl.sessions.methods.replay:Replay",
        DerConfig: "vcl.sessions.methods.der:Der",
        IcarlConfig: "vcl.sessions.methods.icarl:Icarl",
        EsmerConfig: "vcl.sessions.methods.esmer:Esmer",
        AgemConfig: "vcl.sessions.methods.gem:Agem",
        GemConfig: "vcl.sessions.methods.gem:Gem",
    },
)
"""Every method: the dataclass of its knobs, which has its name, and the ``VideoStrategy`` that they configure."""

register_method = METHODS.register

REFUSED = {
    "si": "Avalanche's synaptic intelligence does nothing on a CPU: its importances stay 0",
    "gdumb": "it keeps its buffer balanced over classes, which frames do not have",
    "generative_replay": "it needs a generator and a classifier; lwf replays what the network itself generates",
}
"""Well-known methods that vcl lacks, and why."""

__all__ = ["METHODS", "REFUSED", "register_method"]
