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
        EnervConfig: "vcl.backbones.enerv:Enerv",
        HnervConfig: "vcl.backbones.hnerv:Hnerv",
        DiffnervConfig: "vcl.backbones.diffnerv:Diffnerv",
        DivnervConfig: "vcl.backbones.divnerv:Divnerv",
        SnervBConfig: "vcl.backbones.snerv_b:SnervB",
        SnervTConfig: "vcl.backbones.snerv_t:SnervT",
        FfnervConfig: "vcl.backbones.ffnerv:Ffnerv",
        PolynervConfig: "vcl.backbones.polynerv:Polynerv",
        SirenConfig: "vcl.backbones.siren:Siren",
        TunerConfig: "vcl.backbones.tuner:Tuner",
        NerfConfig: "vcl.backbones.nerf:NerfMlp",
        LiifConfig: "vcl.backbones.liif:Liif",
        VideoInrConfig: "vcl.backbones.videoinr:VideoInr",
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
