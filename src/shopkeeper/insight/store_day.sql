WITH ticket AS (
  SELECT
    o.store_id,
    o.business_day,
    o.source,
    o.order_id,
    MAX(o.customer_id) AS customer_id,
    SUM(o.net_amount) AS sales,
    SUM(COALESCE(o.gross_amount, o.net_amount)) AS gross,
    SUM(CASE WHEN o.quantity > 0 AND COALESCE(p.counted, TRUE) THEN o.quantity ELSE 0 END) AS items,
    MAX(CASE WHEN o.quantity > 0 THEN 1 ELSE 0 END) AS bought,
    SUM(CASE WHEN NOT o.unit_cost IS NULL THEN o.net_amount ELSE 0 END) AS costed_sales,
    SUM(CASE WHEN NOT o.unit_cost IS NULL THEN CAST(o.unit_cost * o.quantity AS DECIMAL(18, 4)) ELSE 0 END) AS cost
  FROM order_line AS o
  LEFT JOIN product_fact AS p ON p.product_id = o.product_id
  GROUP BY o.store_id, o.business_day, o.source, o.order_id
)
SELECT
  store_id,
  business_day,
  SUM(sales) AS sales,
  SUM(gross) AS gross,
  SUM(bought) AS tickets,
  SUM(items) AS items,
  COUNT(DISTINCT CASE WHEN bought = 1 THEN source || ' ' || customer_id END)
    + SUM(CASE WHEN bought = 1 AND customer_id IS NULL THEN 1 ELSE 0 END) AS people,
  SUM(CASE WHEN NOT customer_id IS NULL THEN sales ELSE 0 END) AS member_sales,
  SUM(CASE WHEN NOT customer_id IS NULL THEN bought ELSE 0 END) AS member_tickets,
  SUM(costed_sales) AS costed_sales,
  SUM(cost) AS cost
FROM ticket
GROUP BY store_id, business_day
