"""The running site: the only place where the parts meet."""

from .settings import SiteSettings
from .site import Site

__all__ = ["Site", "SiteSettings"]
