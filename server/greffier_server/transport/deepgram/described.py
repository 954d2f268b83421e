"""What Deepgram's clients are told beside words: the model, and why not."""

import uuid
from typing import Any

from greffier_models.errors import EngineError
from greffier_server.errors import AuthenticationFailed, AuthenticationRequired, ServerError
from greffier_server.services import Services

__all__ = ["model_info", "refusal"]


def model_info(services: Services) -> dict[str, Any]:
    """Describe the recogniser as Deepgram describes its models; ids are made of the digest."""
    for model in services.models():
        if model.role == "recognition" and model.state == "loaded":
            return {
                "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{model.name} {model.digest}")),
                "info": {
                    "name": model.name,
                    "version": model.digest[:12] or "unknown",
                    "arch": model.engine or "unknown",
                },
            }
    unknown = {"name": "greffier", "version": "unknown", "arch": "unknown"}
    return {"uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, "greffier")), "info": unknown}


def refusal(error: ServerError | EngineError, request_id: str) -> dict[str, Any]:
    """Return the body with which Deepgram refuses."""
    wrong_key = isinstance(error, AuthenticationFailed | AuthenticationRequired)
    return {
        "err_code": "INVALID_AUTH" if wrong_key else error.code,
        "err_msg": error.message,
        "request_id": request_id,
    }
