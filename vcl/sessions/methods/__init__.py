"""Methods by name, a file and a line each; the knobs of each stand in ``vcl.config``."""

from vcl.sessions.methods.finetune import Finetune
from vcl.sessions.methods.pfnr import Pfnr
from vcl.sessions.methods.single import Single
from vcl.sessions.methods.wsn import Wsn
from vcl.sessions.strategy import FrameRegression

METHODS: dict[str, type[FrameRegression]] = {"pfnr": Pfnr, "wsn": Wsn, "finetune": Finetune, "single": Single}
