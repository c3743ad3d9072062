-- A record is a person of its own until the map links it: the customers as sources know them, records that only orders
-- know, and of those that only events know the ones linked to a person of these.
WITH record AS (
  SELECT source, customer_id FROM customer
  UNION
  SELECT source, customer_id FROM basket
), own AS (
  SELECT
    source,
    customer_id,
    replace(replace(source, '%', '%25'), ':', '%3A') || ':' || customer_id AS person_id
  FROM record
), present AS (
  SELECT source, customer_id, person_id FROM person_merge WHERE valid_to IS NULL
), known AS (
  SELECT present.person_id FROM present
  SEMI JOIN record ON record.source = present.source AND record.customer_id = present.customer_id
  UNION
  SELECT present.person_id FROM present SEMI JOIN own ON own.person_id = present.person_id
), moved AS (
  SELECT person_merge.source, person_merge.customer_id, person_merge.person_id, valid_from, valid_to
  FROM person_merge
  SEMI JOIN record ON record.source = person_merge.source AND record.customer_id = person_merge.customer_id
), guest AS (
  SELECT present.source, present.customer_id
  FROM present
  SEMI JOIN known ON known.person_id = present.person_id
  ANTI JOIN record ON record.source = present.source AND record.customer_id = present.customer_id
), first_move AS (
  SELECT source, customer_id, min(valid_from) AS valid_from FROM moved GROUP BY source, customer_id
)
SELECT
  own.source,
  own.customer_id,
  own.person_id,
  'record' AS method,
  CAST(1 AS DOUBLE) AS confidence,
  CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMPTZ) AS valid_from,
  first_move.valid_from AS valid_to
FROM own
LEFT JOIN first_move ON first_move.source = own.source AND first_move.customer_id = own.customer_id
UNION ALL
SELECT source, customer_id, person_id, 'link' AS method, CAST(1 AS DOUBLE) AS confidence, valid_from, valid_to
FROM moved
UNION ALL
SELECT
  person_merge.source, person_merge.customer_id, person_merge.person_id, 'link' AS method, CAST(1 AS DOUBLE) AS confidence,
  valid_from, valid_to
FROM person_merge
SEMI JOIN guest ON guest.source = person_merge.source AND guest.customer_id = person_merge.customer_id
