"""Which app signed a request."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.github.state import App


def verified_app(value: str, apps: Sequence[App]) -> App | None:
    """Return the app whose key signed this JSON web token, if it is one and still good."""
    if value.count(".") != 2 or not apps:
        return None
    import jwt

    for app in apps:
        try:
            claims = jwt.decode(value, app.public_key, algorithms=["RS256"], options={"verify_iat": False})
        except jwt.PyJWTError:
            continue
        if str(claims.get("iss")) == str(app.id):
            return app
    return None
