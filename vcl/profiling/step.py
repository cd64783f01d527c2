"""A complete training step against forward and backward of the plain dense network."""

from vcl.config import RunConfig
from vcl.device import prepared
from vcl.profiling.machine import peak
from vcl.profiling.subjects import our_steps, plain_steps, with_and_without_operator
from vcl.profiling.table import Table, rows_of, setting_of
from vcl.profiling.timing import Subject, take_turns

STEPS = {"cpu": 2, "cuda": 20}
"""Steps of a turn by type of device: on CUDA those of small networks are short and waver."""

ROUNDS = 3


def measure(config: RunConfig, rounds: int) -> Table:
    """Time steps of the config's method; for PFNR also of WSN, the same network without its operator."""
    config, device = prepared(config)
    steps = STEPS[device.type]
    subjects: dict[str, Subject] = {"plain dense": plain_steps(config, steps, device)}
    for variant in with_and_without_operator(config):
        subjects[variant.method.name] = our_steps(variant, steps, device)
    machine_peak = peak(device, config.train.precision)
    rows = rows_of(take_turns(subjects, rounds, device), "plain dense", steps, machine_peak)
    setting = setting_of(config, device, machine_peak, rounds=rounds, steps=steps)
    return Table("step", "forward and backward of the plain dense network", "milliseconds per step", rows, setting)
