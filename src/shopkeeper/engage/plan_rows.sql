-- One row a (targeted person, coupon of the campaign) with history under it: how often the coupon's products and their
-- subcategories were bought and for how much, until the end of $as_of; and how often all targeted people bought them.
WITH known AS (
  SELECT source, customer_id, MIN(person_id) AS person_id FROM person WHERE valid_to IS NULL GROUP BY source, customer_id
),
targeted AS (
  SELECT DISTINCT k.person_id
  FROM campaign_target AS t
  JOIN known AS k ON k.source = t.source AND k.customer_id = t.customer_id
  WHERE t.campaign_id = $campaign_id
),
couponed AS (
  SELECT DISTINCT o.offer_id, i.product_id, g.category, g.subcategory
  FROM offer AS o
  JOIN offer_product AS i ON i.offer_id = o.offer_id
  LEFT JOIN product AS g ON g.product_id = i.product_id
  WHERE o.campaign_id = $campaign_id
),
taken AS (
  SELECT k.person_id, l.product_id, COUNT(*) AS times, SUM(l.net_amount) AS net
  FROM order_line AS l
  JOIN known AS k ON k.source = l.source AND k.customer_id = l.customer_id
  JOIN targeted AS t ON t.person_id = k.person_id
  WHERE l.business_day <= $as_of AND l.quantity >= 0
  GROUP BY k.person_id, l.product_id
),
own AS (
  SELECT t.person_id, c.offer_id, SUM(t.times) AS times, SUM(t.net) AS net
  FROM taken AS t
  JOIN couponed AS c ON c.product_id = t.product_id
  GROUP BY t.person_id, c.offer_id
),
kin AS (
  SELECT t.person_id, g.category, g.subcategory, SUM(t.times) AS times
  FROM taken AS t
  JOIN product AS g ON g.product_id = t.product_id
  WHERE g.category IS NOT NULL
  GROUP BY t.person_id, g.category, g.subcategory
),
near AS (
  SELECT k.person_id, c.offer_id, SUM(k.times) AS times
  FROM kin AS k
  JOIN (SELECT DISTINCT offer_id, category, subcategory FROM couponed) AS c
    ON c.category = k.category AND c.subcategory = k.subcategory
  GROUP BY k.person_id, c.offer_id
),
common AS (SELECT offer_id, SUM(times) AS times, SUM(net) AS net FROM own GROUP BY offer_id),
offered AS (SELECT DISTINCT offer_id FROM couponed)
SELECT
  t.person_id, o.offer_id,
  CAST(COALESCE(w.times, 0) AS DOUBLE) AS times, CAST(COALESCE(w.net, 0) AS DOUBLE) AS net,
  CAST(COALESCE(n.times, 0) AS DOUBLE) AS category_times,
  CAST(COALESCE(c.times, 0) AS DOUBLE) AS common_times, CAST(COALESCE(c.net, 0) AS DOUBLE) AS common_net
FROM targeted AS t
CROSS JOIN offered AS o
LEFT JOIN own AS w ON w.person_id = t.person_id AND w.offer_id = o.offer_id
LEFT JOIN near AS n ON n.person_id = t.person_id AND n.offer_id = o.offer_id
LEFT JOIN common AS c ON c.offer_id = o.offer_id
ORDER BY t.person_id, o.offer_id
