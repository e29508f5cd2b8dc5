"""A small application: it tells its callers who they are.

    flask --app "app:create_app()" run --port 8000

Its configuration comes from the environment: IGC_AUTHORITIES (a PEM file or a folder, the one
that nginx has as ssl_client_certificate) and PROXY_SECRET_FILE (0600).
"""

from __future__ import annotations

import os
from pathlib import Path

from cps_auth import CpsAuth
from flask import Flask, g

from igcsante.certs.load import certificates_from_path
from igcsante.secret import Secret


def create_app(auth: CpsAuth | None = None) -> Flask:
    """The application; ``auth`` is that of the environment unless given."""
    auth = auth or _auth_of_environment()
    app = Flask(__name__)

    @app.get("/me")
    @auth.required
    def me() -> dict[str, str]:
        return {"national_id": str(g.person.national_id), "surname": g.person.surname}

    return app


def _auth_of_environment() -> CpsAuth:
    anchors = certificates_from_path(Path(os.environ["IGC_AUTHORITIES"]))
    secret = Path(os.environ["PROXY_SECRET_FILE"]).read_text().strip()
    return CpsAuth(anchors, Secret(secret))
