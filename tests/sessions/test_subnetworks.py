import pytest
import torch
from on_device import DEVICE
from small_strategy import network_of, strategy_of

from vcl.sessions.experience import video_stream
from vcl.sessions.subnetworks import Subnetworks
from vcl.subnet.ledger import Ledger

OPTIMISERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=1e-1, momentum=0.9),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_sealed_weights_are_equal_to_the_bit_after_two_more_sessions(tiny_config, clips, name):
    strategy = strategy_of("pfnr", tiny_config("pfnr"), clips, make_optimizer_of=OPTIMISERS[name])
    stream = video_stream(clips).train_stream
    strategy.train(stream[0], eval_streams=[])
    sealed = {
        n: (strategy.ledger.sealed(n).clone(), w.value.detach().clone()) for n, w in strategy.model.weights().items()
    }
    before = strategy.ledger.subnetwork(0).sha256()
    for session in (1, 2):
        strategy.train(stream[session], eval_streams=[])
    moved = 0
    for n, weight in strategy.model.weights().items():
        mask, value = sealed[n]
        assert torch.equal(weight.value[mask], value[mask])
        moved += int((weight.value != value).sum())
    assert moved > 0
    assert strategy.ledger.subnetwork(0).sha256() == before


@pytest.mark.process
def test_our_plugin_serves_in_a_plain_avalanche_script(tiny_config, clips):
    from avalanche.evaluation.metrics import loss_metrics
    from avalanche.logging import BaseLogger
    from avalanche.training import Naive
    from avalanche.training.plugins import EvaluationPlugin

    network = network_of(tiny_config("pfnr"), "pfnr", clips)
    for _ in clips:
        network.add_session(0)
    ledger = Ledger(network.layout(), "shared_masked")
    script = Naive(
        model=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=1e-2),
        criterion=torch.nn.MSELoss(),
        train_mb_size=2,
        device=DEVICE,
        plugins=[Subnetworks(ledger)],
        evaluator=EvaluationPlugin(loss_metrics(epoch=True), loggers=[BaseLogger()]),
    )
    for session, experience in enumerate(video_stream(clips).train_stream):
        script.train(experience, eval_streams=[])
        ledger.seal(**network.learned(session))
        if session == 0:
            before = ledger.subnetwork(0).sha256()
    assert ledger.subnetwork(0).sha256() == before
