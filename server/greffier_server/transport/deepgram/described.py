"""What Deepgram's clients are told beside words: the model, and why not."""

import uuid
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

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


def refusal(error: ServerError | EngineError, request_id: str) -> Response:
    """Return the answer with which Deepgram refuses.

    A wrong key is 401 there, as none is (https://developers.deepgram.com/docs/errors): its SDKs
    know bad credentials by that status alone.
    """
    wrong_key = isinstance(error, AuthenticationFailed | AuthenticationRequired)
    status = error.status if isinstance(error, ServerError) else 503
    body = {
        "err_code": "INVALID_AUTH" if wrong_key else error.code,
        "err_msg": error.message,
        "request_id": request_id,
    }
    return JSONResponse(
        body, HTTPStatus.UNAUTHORIZED if wrong_key else status, {"dg-request-id": request_id}
    )
