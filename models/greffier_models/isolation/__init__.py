"""A recogniser in a process of its own: it may hang or die, and the server only waits."""

from greffier_models.isolation.process import RecognizerProcess
from greffier_models.isolation.recipe import Recipe, whisper_recipe
from greffier_models.isolation.watch import WatchSettings

__all__ = ["Recipe", "RecognizerProcess", "WatchSettings", "whisper_recipe"]
