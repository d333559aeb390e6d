"""Where the items are kept."""

from pantry.postgres import Connection


class PostgresStore:
    """Items in PostgreSQL; one short connection for each request."""

    def __init__(self, host, user, password, database):
        self._where = {"host": host, "user": user, "password": password, "database": database}

    def connect(self):
        """A connection to the database."""
        return Connection(**self._where)

    def ping(self):
        """Raises DatabaseError where the database doesn't answer."""
        with self.connect() as database:
            database.query("SELECT 1")

    def items(self):
        """All items, by name."""
        with self.connect() as database:
            rows = database.query("SELECT name, quantity FROM items ORDER BY name")
        return [{"name": name, "quantity": int(quantity)} for name, quantity in rows]

    def add(self, name, quantity):
        """Put `quantity` more of an item into the pantry; the item as it is then."""
        with self.connect() as database:
            rows = database.query(
                "INSERT INTO items (name, quantity) VALUES ($1, $2)"
                " ON CONFLICT (name) DO UPDATE SET quantity = items.quantity + excluded.quantity"
                " RETURNING name, quantity",
                name,
                quantity,
            )
        return {"name": rows[0][0], "quantity": int(rows[0][1])}


class MemoryStore:
    """Items in memory, for tests and for a first look without a database."""

    def __init__(self):
        self._items = {}

    def ping(self):
        """Always there."""

    def items(self):
        """All items, by name."""
        return [{"name": name, "quantity": quantity} for name, quantity in sorted(self._items.items())]

    def add(self, name, quantity):
        """Put `quantity` more of an item into the pantry; the item as it is then."""
        self._items[name] = self._items.get(name, 0) + quantity
        return {"name": name, "quantity": self._items[name]}
