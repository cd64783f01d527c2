"""Methods by name, a file and a line each; the knobs of each stand in ``vcl.config``.

A method from outside is registered by ``vcl.config.register_method``, or by its package's entry point.
"""

from collections import ChainMap

from vcl.config.methods import REGISTERED
from vcl.sessions.methods.consolidation import Ewc, Mas
from vcl.sessions.methods.der import Der
from vcl.sessions.methods.esmer import Esmer
from vcl.sessions.methods.finetune import Finetune
from vcl.sessions.methods.gem import Agem, Gem
from vcl.sessions.methods.icarl import Icarl
from vcl.sessions.methods.joint import Cumulative, Joint
from vcl.sessions.methods.lwf import Lwf
from vcl.sessions.methods.packnet import Packnet
from vcl.sessions.methods.pfnr import Pfnr
from vcl.sessions.methods.replay import Replay
from vcl.sessions.methods.single import Single, SingleMatched
from vcl.sessions.methods.wsn import Wsn
from vcl.sessions.strategy import VideoStrategy

METHODS: ChainMap[str, type[VideoStrategy]] = ChainMap(
    {
        "pfnr": Pfnr,
        "wsn": Wsn,
        "packnet": Packnet,
        "finetune": Finetune,
        "single": Single,
        "single_matched": SingleMatched,
        "joint": Joint,
        "cumulative": Cumulative,
        "ewc": Ewc,
        "mas": Mas,
        "lwf": Lwf,
        "replay": Replay,
        "der": Der,
        "icarl": Icarl,
        "esmer": Esmer,
        "agem": Agem,
        "gem": Gem,
    },
    REGISTERED,
)
