"""A strategy of any method for the tiny clips, without a run folder."""

from on_device import DEVICE

from vcl.metrics.loss import LOSSES
from vcl.sessions.methods import METHODS
from vcl.subnet.ledger import Ledger


def network_of(config, method, clips):
    network = METHODS[method].network(config, len(clips))
    network.reset_parameters(0)
    return network


def strategy_of(method, config, clips, **options):
    network = network_of(config, method, clips)
    ledger = options.pop("ledger", None)
    if ledger is None:  # An empty one is false.
        ledger = Ledger(network.layout(), METHODS[method].state_kind)
    plugins = [*METHODS[method].own_plugins(config.method, ledger, 0), *options.pop("plugins", [])]
    return METHODS[method](
        model=network,
        clips=clips,
        ledger=ledger,
        plugins=plugins,
        **{"epochs": 2, "batch": 2, "loss": LOSSES["l2"], "device": DEVICE, **options},
    )
