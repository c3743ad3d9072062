-- One pass over the lines of members. Nothing here knows the person, so a merge of persons rebuilds no basket.
WITH line AS (
  SELECT
    source, customer_id, order_id, business_day, store_id, channel, ordered_at, quantity, net_amount,
    coalesce(gross_amount, net_amount) AS gross,
    coalesce(product_discount, 0) AS product_discount,
    coalesce(coupon_discount, 0) AS coupon_discount,
    coupon_code,
    coalesce(product_fact.counted, true) AS counted,
    coalesce(product_fact.counted, true) AND quantity > 0 AS bought,
    coalesce(product_fact.private_label, false) AS private_label
  FROM order_line LEFT JOIN product_fact ON product_fact.product_id = order_line.product_id
  WHERE customer_id IS NOT NULL
)
SELECT
  source,
  customer_id,
  order_id,
  business_day,
  store_id,
  channel,
  CAST(extract(hour FROM min(ordered_at) AT TIME ZONE $time_zone) AS BIGINT) AS hour,
  count(*) FILTER (WHERE bought) AS lines,
  CAST(coalesce(sum(CASE WHEN bought THEN quantity END), 0) AS DECIMAL(18,4)) AS units,
  CAST(coalesce(sum(CASE WHEN counted THEN net_amount END), 0) AS DECIMAL(18,4)) AS net,
  CAST(coalesce(sum(CASE WHEN bought THEN net_amount END), 0) AS DECIMAL(18,4)) AS bought,
  CAST(coalesce(sum(CASE WHEN bought THEN gross END), 0) AS DECIMAL(18,4)) AS gross,
  CAST(coalesce(sum(CASE WHEN bought THEN product_discount END), 0) AS DECIMAL(18,4)) AS product_discount,
  CAST(coalesce(sum(CASE WHEN bought THEN coupon_discount END), 0) AS DECIMAL(18,4)) AS coupon_discount,
  CAST(coalesce(sum(CASE WHEN bought AND private_label THEN net_amount END), 0) AS DECIMAL(18,4)) AS private_label,
  CAST(coalesce(sum(CASE WHEN counted AND quantity < 0 THEN -net_amount END), 0) AS DECIMAL(18,4)) AS returned,
  count(*) FILTER (WHERE bought AND product_discount > 0) AS discount_lines,
  count(*) FILTER (WHERE bought AND (coupon_discount > 0 OR coupon_code IS NOT NULL)) AS coupon_lines,
  count(*) FILTER (WHERE quantity > 0) AS all_lines,
  CAST(sum(net_amount) AS DECIMAL(18,4)) AS all_net
FROM line
GROUP BY source, customer_id, order_id, business_day, store_id, channel
