-- One row a (targeted person, coupon of the campaign that they have history under), and one for the best of the coupons
-- that they have none under: how often the coupon's products and their subcategories were bought and for how much, until
-- the end of $as_of; and how often all targeted people bought them. Without history a coupon's value follows from what
-- all bought alone, so its rank is the same for everybody; and rows grow with history, not with targets × coupons.
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
ranked AS (
  SELECT
    o.offer_id, COALESCE(c.times, 0) AS times, COALESCE(c.net, 0) AS net,
    COUNT(*) OVER () AS coupons,
    SUM(COALESCE(c.times, 0)) OVER () AS all_times,
    SUM(COALESCE(c.net, 0)) OVER () AS all_net,
    ROW_NUMBER() OVER (ORDER BY COALESCE(c.net, 0) DESC, o.offer_id) AS place
  FROM (SELECT DISTINCT offer_id FROM couponed) AS o
  LEFT JOIN common AS c ON c.offer_id = o.offer_id
),
touched AS (
  SELECT h.person_id, h.offer_id, SUM(h.times) AS times, SUM(h.net) AS net, SUM(h.category_times) AS category_times
  FROM (
    SELECT person_id, offer_id, times, net, 0 AS category_times FROM own
    UNION ALL
    SELECT person_id, offer_id, 0 AS times, 0 AS net, times AS category_times FROM near
  ) AS h
  GROUP BY h.person_id, h.offer_id
),
counted AS (
  SELECT t.person_id, r.place, ROW_NUMBER() OVER (PARTITION BY t.person_id ORDER BY r.place) AS nth
  FROM touched AS t
  JOIN ranked AS r ON r.offer_id = t.offer_id
),
-- The first place that is free of history: as long as places are taken without a gap, the nth taken one is place n.
free AS (
  SELECT t.person_id, 1 + COUNT(CASE WHEN c.place = c.nth THEN 1 END) AS place
  FROM targeted AS t
  LEFT JOIN counted AS c ON c.person_id = t.person_id
  GROUP BY t.person_id
),
listed AS (
  SELECT person_id, offer_id, times, net, category_times FROM touched
  UNION ALL
  SELECT f.person_id, r.offer_id, 0 AS times, 0 AS net, 0 AS category_times
  FROM free AS f
  JOIN ranked AS r ON r.place = f.place
)
SELECT
  l.person_id, l.offer_id,
  CAST(l.times AS DOUBLE) AS times, CAST(l.net AS DOUBLE) AS net, CAST(l.category_times AS DOUBLE) AS category_times,
  CAST(r.times AS DOUBLE) AS common_times, CAST(r.net AS DOUBLE) AS common_net,
  CAST(r.all_times AS DOUBLE) AS all_times, CAST(r.all_net AS DOUBLE) AS all_net, CAST(r.coupons AS DOUBLE) AS coupons
FROM listed AS l
JOIN ranked AS r ON r.offer_id = l.offer_id
ORDER BY l.person_id, l.offer_id
