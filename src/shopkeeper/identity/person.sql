-- A record is a person: the customers as sources know them, and records that only orders know.
WITH record AS (
  SELECT source, customer_id FROM customer
  UNION
  SELECT source, customer_id FROM basket
)
SELECT
  source,
  customer_id,
  replace(replace(source, '%', '%25'), ':', '%3A') || ':' || customer_id AS person_id,
  'record' AS method,
  CAST(1 AS DOUBLE) AS confidence,
  CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMPTZ) AS valid_from,
  CAST(NULL AS TIMESTAMPTZ) AS valid_to
FROM record
