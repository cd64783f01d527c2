"""Settings of a library: chosen for its videos, checked, and read back from its notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vcl import backbones
from vcl import config as configs
from vcl.codec.library import Library
from vcl.codec.payloads import Architecture
from vcl.compile.targets import NO_TARGET, Target, fitted_widths
from vcl.config import RunConfig, StreamConfig
from vcl.config.rules import require, require_one_of
from vcl.datasets.fitted import fitted_videos, largest_size, sources_of
from vcl.errors import BitstreamError, ConfigError
from vcl.presets import QUALITIES, library_settings, padded_size
from vcl.yaml_text import YamlError, parse_yaml


def config_for(
    videos: Sequence[Path],
    path: Path | None = None,
    settings: Sequence[str] = (),
    quality: str = "medium",
    target: Target = NO_TARGET,
) -> RunConfig:
    """The settings of a new library.

    Args:
        videos: files or folders of frames; the largest gives the network its size, unless ``stream.size`` is set.
        path: a config file, if any.
        settings: ``key=value`` words.
        quality: one of ``vcl.presets.QUALITIES``; sets what neither the file nor a word sets.
        target: one of bits per pixel scales the widths, unless some are set.

    Raises:
        ConfigError: a setting is refused, or the method cannot fill a library.
        VideoError: a video cannot be read.
    """
    require_one_of("quality", quality, QUALITIES)
    given = configs.settings_of(path, settings)
    sized = "size" in given.get("stream", {})
    size = configs.from_dict(given).stream.size if sized else largest_size(sources_of(videos))
    config = configs.from_dict(library_settings(given, quality, size))
    if not sized:
        config = replace(config, stream=replace(config.stream, size=padded_size(size, config.backbone.unit)))
    config = backbones.resolved(config, _longest(videos, config) if config.backbone.size else None)
    check_config(config)
    config = _without_videos(config)
    if target.bpp is not None and not given.get("backbone", {}).keys() & set(config.backbone.widths):
        fitted = fitted_videos(sources_of(videos), config.stream)
        total = target.bpp * sum(video.pixels for video in fitted) / 8
        lengths = [len(video.clip.frames) for video in fitted]
        config = replace(config, backbone=fitted_widths(config, lengths, total))
    return config


def _longest(videos: Sequence[Path], config: RunConfig) -> int:
    """Frames of the longest video."""
    return max(len(video.clip.frames) for video in fitted_videos(sources_of(videos), config.stream))


def config_of_library(library: Library, settings: Sequence[str] = ()) -> RunConfig:
    """The settings with which a library was trained last.

    Args:
        library: an open one.
        settings: ``key=value`` words that replace some.

    Raises:
        ConfigError: a word would change the network.
        BitstreamError: the library has no settings, or some that cannot be used.
    """
    text = library.notes.get("config")
    if text is None:
        raise BitstreamError(f"{library.path} cannot take another video: it does not say how it was trained")
    try:
        stored: Any = parse_yaml(text)
        if not isinstance(stored, dict):
            raise YamlError("they must be keys and values")
        before = configs.from_dict(stored)
    except (YamlError, ConfigError) as error:
        raise BitstreamError(f"{library.path} has settings that cannot be used: {error}") from error
    replaced = configs.settings_of(None, settings)
    for section, name in (("method", before.method.name), ("backbone", before.backbone.name)):
        if replaced.get(section, {}).get("name", name) != name:
            raise _other_network(library, f"{section}.name")
    config = _without_videos(configs.from_dict(configs.merged(stored, replaced)))
    architecture = library.architecture
    if (config.backbone, config.stream.size) != (architecture.backbone, architecture.size):
        raise _other_network(library, (configs.first_difference(before, config) or ("backbone",))[0])
    check_config(config)
    return config


def _other_network(library: Library, key: str) -> ConfigError:
    return ConfigError(f"{key} must stay what it is in {library.path}: all its videos share one network and method")


def config_to_store(config: RunConfig) -> str:
    """As a library's notes hold it."""
    return configs.to_yaml(replace(config, stream=replace(config.stream, cache=None)))


def check_config(config: RunConfig) -> None:
    """Refuse what cannot fill a library, in which each session starts from what is sealed alone.

    Raises:
        ConfigError: names the key.
    """
    method = config.method
    rule = "forget nothing, as those of a library do (wsn, pfnr, packnet, single, single_matched, residual)"
    require(not method.forgets and not method.revisits, "method.name", rule, method.name)
    rule = "be true for a library, whose sessions start from what it holds"
    require(getattr(method, "reinit", True), "method.reinit", rule, False)
    rule = "not depend on the number of videos, which grows in a library"
    require(not config.backbone.needs_session_count, "backbone.session_embedding", rule, "fraction")
    unit = config.backbone.unit
    fits = not any(side % unit for side in config.stream.size)
    require(fits, "stream.size", f"be multiples of {unit}, the product of backbone.strides", list(config.stream.size))
    Architecture("shared_masked", config.backbone, config.stream.size).check_readable()  # Of any kind of state.


def _without_videos(config: RunConfig) -> RunConfig:
    """Without what says where videos are: a library gets them by their paths."""
    stream = config.stream
    settings = {"start": stream.start, "frames": stream.frames, "stride": stream.stride, "cache": stream.cache}
    plain = StreamConfig(size=stream.size, allow_truncated=stream.allow_truncated, **settings)  # type: ignore[arg-type]
    return replace(config, stream=plain, wandb=replace(config.wandb, mode="disabled"), track=())
