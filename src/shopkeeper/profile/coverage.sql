WITH line AS (
  SELECT source, order_id, customer_id, business_day, store_id, channel, ordered_at, quantity, net_amount
  FROM order_line
), ticket AS (
  SELECT
    business_day,
    store_id,
    channel,
    CAST(extract(hour FROM min(ordered_at) AT TIME ZONE $time_zone) AS BIGINT) AS hour,
    count(*) FILTER (WHERE quantity > 0) AS lines,
    count(customer_id) AS member_lines,
    sum(net_amount) AS net,
    sum(CASE WHEN customer_id IS NOT NULL THEN net_amount END) AS member_net
  FROM line
  GROUP BY source, order_id, business_day, store_id, channel
)
SELECT
  business_day,
  store_id,
  channel,
  hour,
  count(*) FILTER (WHERE lines > 0) AS tickets,
  count(*) FILTER (WHERE lines > 0 AND member_lines > 0) AS member_tickets,
  CAST(sum(net) AS DECIMAL(18,4)) AS sales,
  CAST(coalesce(sum(member_net), 0) AS DECIMAL(18,4)) AS member_sales
FROM ticket
GROUP BY business_day, store_id, channel, hour
