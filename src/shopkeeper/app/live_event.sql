-- The events of each person that live state no longer keeps, as one text: the offset and a row of
-- `segment/history.py: Happening`.
SELECT
  link.person_id AS person_id,
  CAST(JSON_GROUP_ARRAY(JSON_ARRAY(
    event.log_offset,
    JSON_ARRAY(
      EPOCH_US(event.occurred_at),
      event.type,
      event.name,
      event.product_id,
      event.store_id,
      event.channel,
      event.query,
      CAST(CAST(event.value AS DECIMAL(38,4)) * 10000 AS BIGINT)
    )
  )) AS VARCHAR) AS body
FROM event
JOIN (
  SELECT DISTINCT identifier.token AS token, person.person_id AS person_id
  FROM identifier
  JOIN person
    ON person.source = identifier.source
    AND person.customer_id = identifier.customer_id
    AND person.valid_to IS NULL
) AS link
  ON link.token = COALESCE(event.user_id, event.anonymous_id)
WHERE event.occurred_at >= $since
  AND event.occurred_at < $until
  AND ($any_name OR event.name IN $names)
GROUP BY link.person_id
ORDER BY link.person_id
