"""Browser pages as package data, and what puts them together; no server in it."""

from greffier_web.pages import PAGES, Page
from greffier_web.site import Asset, Look, Site

__all__ = ["PAGES", "Asset", "Look", "Page", "Site"]
