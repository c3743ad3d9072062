-- The order lines of each person since a day, as one text: rows of `profile/live.py: Line`.
SELECT
  person.person_id AS person_id,
  CAST(JSON_GROUP_ARRAY(JSON_ARRAY(
    order_line.source,
    order_line.order_id,
    order_line.line_no,
    DATE_DIFF('day', DATE '1970-01-01', order_line.business_day) + 719163,
    EPOCH_US(order_line.ordered_at),
    order_line.customer_id,
    order_line.product_id,
    COALESCE(order_line.store_id, ''),
    CAST(CAST(order_line.quantity AS DECIMAL(38,4)) * 10000 AS BIGINT),
    CAST(CAST(order_line.net_amount AS DECIMAL(38,4)) * 10000 AS BIGINT),
    order_line.channel,
    CAST(CAST(order_line.product_discount AS DECIMAL(38,4)) * 10000 AS BIGINT),
    CAST(CAST(order_line.coupon_discount AS DECIMAL(38,4)) * 10000 AS BIGINT),
    order_line.payment_method
  )) AS VARCHAR) AS body
FROM order_line
JOIN person
  ON person.source = order_line.source
  AND person.customer_id = order_line.customer_id
  AND person.valid_to IS NULL
WHERE order_line.business_day >= $since
GROUP BY person.person_id
ORDER BY person.person_id
