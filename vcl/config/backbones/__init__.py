"""The table of all backbones: the dataclass of the knobs of each, and the ``Backbone`` that they configure."""

from vcl.config.backbones.base import BackboneConfig
from vcl.config.backbones.nerv import NervConfig
from vcl.config.backbones.pixels import PixelConfig, SirenConfig
from vcl.config.registry import ClassRegistry

BACKBONES = ClassRegistry[BackboneConfig](
    "backbone",
    BackboneConfig,
    {NervConfig: "vcl.backbones.nerv:Nerv", SirenConfig: "vcl.backbones.siren:Siren"},
)

register_backbone = BACKBONES.register

__all__ = ["BACKBONES", "BackboneConfig", "NervConfig", "PixelConfig", "SirenConfig", "register_backbone"]
