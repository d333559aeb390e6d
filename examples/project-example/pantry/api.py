"""What the API answers, apart from how it gets there."""

from pantry.postgres import DatabaseError

LONGEST_NAME = 80


def answer(store, method, path, body):
    """(status, JSON value) for one request; `body` is the parsed JSON of a POST, None where there is none."""
    try:
        return _route(store, method, path, body)
    except DatabaseError as error:
        return 503, {"error": f"database: {error}"}


def _route(store, method, path, body):
    if path == "/healthz":
        return 200, {"status": "ok"}
    if path == "/readyz":
        store.ping()
        return 200, {"status": "ready"}
    if path == "/api/items":
        if method == "GET":
            return 200, {"items": store.items()}
        if method == "POST":
            return _add(store, body)
        return 405, {"error": f"{method} is not possible here"}
    return 404, {"error": f"there is no {path}"}


def _add(store, body):
    if not isinstance(body, dict):
        return 400, {"error": "send a JSON object with name and quantity"}
    name, quantity = body.get("name"), body.get("quantity", 1)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        return 400, {"error": f"name must be text of 1 to {LONGEST_NAME} characters"}
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 0 < quantity <= 1000:
        return 400, {"error": "quantity must be a whole number from 1 to 1000"}
    return 201, store.add(name.strip(), quantity)
