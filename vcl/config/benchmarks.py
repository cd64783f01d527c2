"""The table of all benchmarks, each a manifest; ``vcl.datasets.manifest`` says what a manifest holds."""

from importlib.metadata import EntryPoint
from importlib.resources import files
from pathlib import Path

from vcl.config.registry import Registry
from vcl.config.rules import shown
from vcl.errors import ConfigError

# Manifests are files beside the code; the package is never imported from an archive, as PyAV could not be either.
_SHIPPED = Path(__file__).parents[1] / "datasets" / "manifests"


class BenchmarkRegistry(Registry[Path]):
    """Paths of manifests by name, which is that of the file.

    An entry point names a file in a package: ``birds = "my_package:birds.yaml"``.
    """

    def register(self, manifest: Path | str) -> None:
        """Make a benchmark known by the name of its file.

        Args:
            manifest: a YAML file; it is read when the benchmark is used.

        Raises:
            ConfigError: there is no such file, or another benchmark has its name.
        """
        path = Path(manifest).absolute()
        if path.suffix not in (".yaml", ".yml") or not path.is_file():
            raise ConfigError(f"the manifest of a benchmark must be a YAML file, got {shown(str(manifest))}")
        self._add(path.stem, path, str(path), replaces=self.known.get(path.stem) == path)

    def _load(self, point: EntryPoint) -> None:
        self.register(Path(str(files(point.module) / point.attr)))


BENCHMARKS = BenchmarkRegistry("benchmark", {path.stem: path for path in sorted(_SHIPPED.glob("*.yaml"))})
"""Every benchmark's manifest."""

register_benchmark = BENCHMARKS.register
