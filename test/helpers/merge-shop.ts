/** Three tables that refer to one another, and what is in them. */
export const SHOP = `
  CREATE TABLE users (id integer PRIMARY KEY, email text NOT NULL UNIQUE, name text, updated integer);
  CREATE TABLE posts (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users (id), title text);
  CREATE TABLE likes (user_id integer REFERENCES users (id), post_id integer REFERENCES posts (id), stars integer,
    PRIMARY KEY (user_id, post_id));
  INSERT INTO users VALUES (1, 'ada@x', 'Ada', 1), (2, 'bob@x', 'Bob', 1), (3, 'cyd@x', 'Cyd', 1);
  INSERT INTO posts VALUES (10, 1, 'a'), (11, 2, 'b'), (12, 3, 'c');
  INSERT INTO likes VALUES (1, 11, 5), (2, 10, 4), (3, 12, 3)`
