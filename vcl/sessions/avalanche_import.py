"""Imports what we use of Avalanche, and puts off the rest until somebody asks for it.

Avalanche's packages import all of Avalanche, and with it torchvision, SciPy, JAX, W&B and more, which takes 12 s of
processor time; what we use takes one. So while the modules that we use are imported, the packages below do not run; a
name that another module asks of such a package is taken from the module that defines it. Afterwards these packages look
as if nobody had imported them yet: the next ``import`` of one runs it as always, and every class stays the same object.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from vcl.home import lend_home

log = logging.getLogger(__name__)

PACKAGE = "avalanche"

NEEDED = (
    "avalanche.core",
    "avalanche.benchmarks.utils.data",
    "avalanche.benchmarks.utils.data_attribute",
    "avalanche.benchmarks.utils.utils",
    "avalanche.benchmarks.scenarios.generic_scenario",
    "avalanche.benchmarks.scenarios.dataset_scenario",
    "avalanche.evaluation.metric_definitions",
    "avalanche.evaluation.metric_results",
    "avalanche.logging.base_logger",
    "avalanche.training.utils",
    "avalanche.training.plugins.agem",
    "avalanche.training.plugins.evaluation",
    "avalanche.training.plugins.ewc",
    "avalanche.training.plugins.gem",
    "avalanche.training.plugins.mas",
    "avalanche.training.templates.common_templates",
)
"""What this room imports from Avalanche 0.6.0; import from these modules, not from the packages that hold them."""

_SCENARIO, _METRIC = "avalanche.benchmarks.scenarios.generic_scenario", "avalanche.evaluation.metric_definitions"
_ONLINE = "avalanche.benchmarks.scenarios.online"
_CLASSIFICATION = "avalanche.benchmarks.utils.classification_dataset"

DEFERRED: dict[str, dict[str, str]] = {
    "avalanche": {},
    "avalanche.benchmarks": {
        "CLExperience": _SCENARIO,
        "CLScenario": _SCENARIO,
        "CLStream": _SCENARIO,
        "DatasetExperience": "avalanche.benchmarks.scenarios.dataset_scenario",
        "OnlineCLExperience": _ONLINE,
    },
    "avalanche.benchmarks.scenarios": {
        "CLExperience": _SCENARIO,
        "CLScenario": _SCENARIO,
        "CLStream": _SCENARIO,
        "OnlineCLExperience": _ONLINE,
    },
    "avalanche.benchmarks.utils": {
        "TaskAwareSupervisedClassificationDataset": _CLASSIFICATION,
        "_make_taskaware_classification_dataset": _CLASSIFICATION,
    },
    "avalanche.evaluation": {"GenericPluginMetric": _METRIC, "Metric": _METRIC, "PluginMetric": _METRIC},
    "avalanche.evaluation.metrics": {
        "accuracy_metrics": "avalanche.evaluation.metrics.accuracy",
        "loss_metrics": "avalanche.evaluation.metrics.loss",
    },
    "avalanche.logging": {
        "BaseLogger": "avalanche.logging.base_logger",
        "InteractiveLogger": "avalanche.logging.interactive_logging",
        "TextLogger": "avalanche.logging.text_logging",
    },
    "avalanche.models": {"avalanche_forward": "avalanche.models.utils"},
    "avalanche.training": {},
    "avalanche.training.plugins": {
        "EvaluationPlugin": "avalanche.training.plugins.evaluation",
        "SupervisedPlugin": "avalanche.core",
    },
    "matplotlib.pyplot": {},
    "qpsolvers": {},
    "torchvision": {},
    "torchvision.datasets": {},
}
"""What does not run yet; with the names that ``NEEDED`` takes from it, and where they are defined."""


def import_avalanche() -> None:
    """Import ``NEEDED`` without what it does not need; does nothing where Avalanche is imported already.

    Where this fails, what it imported of Avalanche is forgotten, so that Avalanche is imported as a whole instead.
    """
    if PACKAGE in sys.modules:
        return
    finder = _DeferringFinder()
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "IProgress not found")  # By tqdm, in a notebook without widgets.
            for name in NEEDED:
                importlib.import_module(name)
    except Exception as error:
        log.debug("Avalanche is imported as a whole: %r", error)
        lend_home()  # It writes a file there.
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
            finder.deferred.pop(name, None)
    finally:
        finder.stop()


class _DeferringFinder(MetaPathFinder):
    """Finds modules of ``DEFERRED`` without running them; once stopped, runs those that are imported again.

    Attributes:
        deferred: modules that have not run yet, by name.
    """

    def __init__(self) -> None:
        self.deferred: dict[str, ModuleType] = {}
        self._stopped = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is to be deferred, or one that was and is to run now."""
        if fullname not in (self.deferred if self._stopped else DEFERRED):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader, self.deferred)
        return spec

    def stop(self) -> None:
        """Defer nothing more, and let the next import of a deferred module run it."""
        self._stopped = True
        modules = dict(sys.modules)
        for name, module in self.deferred.items():
            sys.modules.pop(name, None)
            parent, _, child = name.rpartition(".")
            if parent and vars(modules[parent]).get(child) is module:
                delattr(modules[parent], child)


class _DeferringLoader(Loader):
    """Defers a module the first time, and runs the same module the second time."""

    def __init__(self, loader: Loader, deferred: dict[str, ModuleType]) -> None:
        self._loader, self._deferred = loader, deferred
        self._runs = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Take the module that was deferred, if there is one."""
        module = self._deferred.pop(spec.name, None)
        if module is not None:
            module.__class__ = ModuleType
            self._runs = True
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run a module that was deferred, defer any other."""
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader  # Sources and resources are read through it.
        if self._runs:
            self._loader.exec_module(module)
        else:
            module.__class__ = _DeferredModule
            self._deferred[module.__name__] = module


class _DeferredModule(ModuleType):
    """A module that runs as soon as a name is asked of it whose home is not known."""

    def __getattr__(self, name: str) -> Any:
        home = DEFERRED[self.__name__].get(name)
        if home is not None:
            return getattr(importlib.import_module(home), name)
        sys.modules.pop(self.__name__, None)
        importlib.import_module(self.__name__)
        return getattr(self, name)
