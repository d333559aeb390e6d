CREATE TABLE items (
  name     text PRIMARY KEY,
  quantity integer NOT NULL CHECK (quantity >= 0)
)
