"""Pages of other sites that may read an answer (Fetch Standard, CORS)."""

from starlette.requests import HTTPConnection

__all__ = ["cross_origin"]


def cross_origin(request: HTTPConnection) -> dict[str, str]:
    """Return the headers that let a page read an answer; the gate let its origin through."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
