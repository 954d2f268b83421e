"""The catalogue of weights: what there is, and how it gets onto this machine and off it."""

from greffier_models.catalog.archive import bundle, import_bundle
from greffier_models.catalog.defaults import default_models, has_gpu
from greffier_models.catalog.entries import CATALOG
from greffier_models.catalog.entry import Entry
from greffier_models.catalog.progress import Progress, ProgressListener
from greffier_models.catalog.pull import pull
from greffier_models.catalog.store import (
    InstalledModel,
    default_models_dir,
    find_entry,
    installed_models,
    locate,
    remove,
    verify,
)

__all__ = [
    "CATALOG",
    "Entry",
    "InstalledModel",
    "Progress",
    "ProgressListener",
    "bundle",
    "default_models",
    "default_models_dir",
    "find_entry",
    "has_gpu",
    "import_bundle",
    "installed_models",
    "locate",
    "pull",
    "remove",
    "verify",
]
