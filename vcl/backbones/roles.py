"""The rules for the numbers of a backbone."""

from __future__ import annotations

from collections import Counter

from torch import nn

from vcl.backbones.base import Backbone, reset_of
from vcl.errors import ConfigError
from vcl.layers.own import SessionTensor


def check(network: Backbone) -> None:
    """Refuse a network with numbers that no session would store.

    Raises:
        ConfigError: names the first parameter or buffer that is of no kind, or of two; or a training-only module
            that is missing, or that cannot draw its parameters anew.
    """
    roles = Counter(id(weight.value) for weight in network.weights().values())
    roles.update(id(weight.score) for weight in network.weights().values() if weight.score is not None)
    roles.update(id(tensor) for own in network.session_dicts() for tensor in own.values())
    parameters = dict(network.named_parameters(remove_duplicate=False))
    names: dict[int, str] = {}
    for name in (*parameters, *(name for name in network.state_dict() if name not in parameters)):
        if name.split(".")[0] in network.training_only:
            continue
        count = roles[id(parameters[name])] if name in parameters else 0
        if count != 1:
            role = "both" if count else "neither"
            rule = "store every parameter and persistent buffer either as a shared weight or as a session tensor"
            cure = "a bias is a session tensor, a constant is a buffer with persistent=False"
            raise ConfigError(
                f"a backbone must {rule}, got {name} of {type(network).__name__}, which is {role} ({cure})"
            )
        if name in parameters:
            first = names.setdefault(id(parameters[name]), name)
            if first != name:
                kind = type(network).__name__
                raise ConfigError(f"a backbone must use a weight in one layer, got {first} of {kind} in {name} too")
    _check_session_tensors(network)
    if network.sampling == "patch" and network.frame_tensors:
        rule = "have no frame tensors, as it trains on patches and not on whole frames that could be encoded"
        raise ConfigError(f"{type(network).__name__} must {rule}, got {', '.join(network.frame_tensors)}")
    children = dict(network.named_children())
    for child in network.training_only:
        if child not in children:
            raise ConfigError(f"{type(network).__name__}.training_only must name children, got {child}")
        for name, module in children[child].named_modules(prefix=child):
            if any(True for _ in module.parameters(recurse=False)) and reset_of(module) is None:
                # Its first values would depend on what the process drew before.
                rule = "have a method reset_parameters, which draws its parameters anew"
                raise ConfigError(f"{name} of {type(network).__name__} must {rule}, got none")


def _check_session_tensors(network: Backbone) -> None:
    for name in network.layer_tensors:
        if name not in network.session_tensors:
            rule = f"{type(network).__name__}.session_tensors must have those of super().session_tensors"
            raise ConfigError(f"{rule}, got none called {name}")
    for name, tensor in network.session_tensors.items():
        if not isinstance(tensor, SessionTensor) or tensor.initial not in ("uniform", "zeros", "ones"):
            rule = "be SessionTensor(shape, 'uniform', 'zeros' or 'ones')"
            raise ConfigError(f"a session tensor of {type(network).__name__} must {rule}, got {name}: {tensor}")
        if not name.isidentifier() or hasattr(nn.ParameterDict, name) or not tensor.shape:
            rule = "have a plain name and a shape of one number or more"
            raise ConfigError(f"a session tensor of {type(network).__name__} must {rule}, got {name} {tensor.shape}")
