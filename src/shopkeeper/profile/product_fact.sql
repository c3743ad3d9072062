-- Prices come from the master; where it has none, from what was asked on the days before $priced_until, which stay put
-- within a month, so that a day's new lines change no tier.
WITH sold AS (
  SELECT product_id, CAST(sum(gross_amount) AS DOUBLE) / CAST(sum(quantity) AS DOUBLE) AS price
  FROM order_line
  WHERE business_day >= $priced_from AND business_day < $priced_until AND quantity > 0 AND gross_amount > 0
  GROUP BY product_id
), priced AS (
  SELECT product.product_id, coalesce(CAST(product.list_price AS DOUBLE), sold.price) AS price
  FROM product LEFT JOIN sold ON sold.product_id = product.product_id
), ranked AS (
  SELECT
    priced.product_id,
    rank() OVER (PARTITION BY department, category, subcategory ORDER BY price ASC NULLS LAST) AS place,
    count(*) OVER (PARTITION BY department, category, subcategory) AS places
  FROM priced JOIN product ON product.product_id = priced.product_id
  WHERE price IS NOT NULL AND (subcategory IS NOT NULL OR category IS NOT NULL)
)
SELECT
  product.product_id,
  product.kind,
  coalesce(product.kind NOT IN $left_out, true) AS counted,
  product.department,
  product.category,
  product.subcategory,
  product.brand,
  coalesce(product.private_label, false) AS private_label,
  CASE WHEN ranked.places >= 3 THEN 1 + 3 * (ranked.place - 1) // ranked.places END AS price_tier
FROM product LEFT JOIN ranked ON ranked.product_id = product.product_id
