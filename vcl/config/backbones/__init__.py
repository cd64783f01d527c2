"""The table of all backbones: the dataclass of the knobs of each, and the ``Backbone`` that they configure."""

from vcl.config.backbones.base import BackboneConfig
from vcl.config.backbones.diffnerv import DiffnervConfig
from vcl.config.backbones.divnerv import DivnervConfig
from vcl.config.backbones.enerv import EnervConfig
from vcl.config.backbones.ffnerv import FfnervConfig
from vcl.config.backbones.hnerv import HnervConfig
from vcl.config.backbones.latents import LiifConfig, VideoInrConfig
from vcl.config.backbones.nerv import NervConfig
from vcl.config.backbones.pixels import NerfConfig, PixelConfig, SirenConfig, TunerConfig
from vcl.config.backbones.polynerv import PolynervConfig
from vcl.config.backbones.snerv import SnervBConfig, SnervConfig, SnervTConfig
from vcl.config.backbones.upsampling import UpsamplingConfig
from vcl.config.registry import ClassRegistry

BACKBONES = ClassRegistry[BackboneConfig](
    "backbone",
    BackboneConfig,
    {
        NervConfig: "vcl.backbones.nerv:Nerv",
        HnervConfig: "vcl.backbones.hnerv:Hnerv",
        EnervConfig: "vcl.backbones.enerv:Enerv",
        PolynervConfig: "vcl.backbones.polynerv:Polynerv",
        LiifConfig: "vcl.backbones.liif:Liif",
        NerfConfig: "vcl.backbones.nerf:NerfMlp",
        SirenConfig: "vcl.backbones.siren:Siren",
        SnervBConfig: "vcl.backbones.snerv_b:SnervB",
        SnervTConfig: "vcl.backbones.snerv_t:SnervT",
        DiffnervConfig: "vcl.backbones.diffnerv:Diffnerv",
        DivnervConfig: "vcl.backbones.divnerv:Divnerv",
        TunerConfig: "vcl.backbones.tuner:Tuner",
        VideoInrConfig: "vcl.backbones.videoinr:VideoInr",
        FfnervConfig: "vcl.backbones.ffnerv:Ffnerv",
    },
)

register_backbone = BACKBONES.register

__all__ = [
    "BACKBONES",
    "BackboneConfig",
    "DiffnervConfig",
    "DivnervConfig",
    "EnervConfig",
    "FfnervConfig",
    "HnervConfig",
    "LiifConfig",
    "NerfConfig",
    "NervConfig",
    "PixelConfig",
    "PolynervConfig",
    "SirenConfig",
    "SnervBConfig",
    "SnervConfig",
    "SnervTConfig",
    "TunerConfig",
    "UpsamplingConfig",
    "VideoInrConfig",
    "register_backbone",
]
