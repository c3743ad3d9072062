-- One row a (campaign, targeted person), as of the evening before the campaign's first day: every history is cut at
-- `starts_on`, and everything at $day_after, the day after `as_of`. Rates are a 30 days of known history.
WITH shown AS (
  SELECT
    c.campaign_id, c.kind, c.starts_on, c.ends_on,
    GREATEST(DATE_DIFF('day', h.first_day, c.starts_on), 1) AS history_days
  FROM campaign AS c
  CROSS JOIN (SELECT MIN(business_day) AS first_day FROM order_line WHERE business_day < $day_after) AS h
  WHERE c.starts_on <= $day_after
),
known AS (
  SELECT source, customer_id, MIN(person_id) AS person_id FROM person WHERE valid_to IS NULL GROUP BY source, customer_id
),
pair AS (
  SELECT DISTINCT s.campaign_id, k.person_id, s.kind, s.starts_on, s.history_days
  FROM campaign_target AS t
  JOIN shown AS s ON s.campaign_id = t.campaign_id
  JOIN known AS k ON k.source = t.source AND k.customer_id = t.customer_id
  WHERE t.targeted_on IS NULL OR t.targeted_on <= s.starts_on
),
targeted AS (SELECT DISTINCT person_id FROM pair),
line AS (
  SELECT
    k.person_id, l.business_day, l.order_id, l.store_id, l.product_id, l.net_amount, l.gross_amount,
    l.product_discount, l.coupon_discount
  FROM order_line AS l
  JOIN known AS k ON k.source = l.source AND k.customer_id = l.customer_id
  JOIN targeted AS t ON t.person_id = k.person_id
  WHERE l.business_day < $day_after AND l.quantity >= 0
),
item AS (
  SELECT
    product_id, category, subcategory, private_label,
    COALESCE(brand, attributes['manufacturer_id']) AS maker
  FROM product
),
person_day AS (
  SELECT
    l.person_id, l.business_day,
    COUNT(DISTINCT l.order_id) AS baskets,
    COUNT(*) AS lines,
    SUM(l.net_amount) AS net,
    SUM(l.gross_amount) AS gross,
    SUM(l.product_discount) AS product_discount,
    SUM(l.coupon_discount) AS coupon_discount,
    SUM(CASE WHEN l.coupon_discount > 0 THEN 1 ELSE 0 END) AS coupon_lines,
    COUNT(DISTINCT CASE WHEN l.coupon_discount > 0 THEN l.order_id END) AS coupon_baskets,
    SUM(CASE WHEN p.private_label THEN l.net_amount ELSE 0 END) AS private_net
  FROM line AS l
  LEFT JOIN item AS p ON p.product_id = l.product_id
  GROUP BY l.person_id, l.business_day
),
habit AS (
  SELECT
    p.campaign_id, p.person_id,
    DATE_DIFF('day', MAX(d.business_day), MAX(p.starts_on)) AS recency_days,
    DATE_DIFF('day', MIN(d.business_day), MAX(p.starts_on)) AS tenure_days,
    30.0 * SUM(d.baskets) / MAX(p.history_days) AS visits,
    30.0 * SUM(d.net) / MAX(p.history_days) AS spend,
    1.0 * SUM(d.net) / SUM(d.baskets) AS basket_value,
    SUM(CASE WHEN DATE_DIFF('day', d.business_day, p.starts_on) <= 30 THEN d.baskets ELSE 0 END) AS visits_30d,
    1.0 * SUM(d.product_discount) / NULLIF(SUM(d.gross), 0) AS discount_share,
    1.0 * SUM(d.private_net) / NULLIF(SUM(d.net), 0) AS private_label_share,
    30.0 * SUM(d.coupon_lines) / MAX(p.history_days) AS till_coupons,
    SUM(CASE WHEN DATE_DIFF('day', d.business_day, p.starts_on) <= 60 THEN d.coupon_lines ELSE 0 END) AS till_coupons_60d,
    1.0 * SUM(d.coupon_baskets) / SUM(d.baskets) AS till_coupon_basket_share,
    1.0 * SUM(d.coupon_discount) / NULLIF(SUM(d.gross), 0) AS till_coupon_share,
    30.0 * COUNT(CASE WHEN d.coupon_lines > 0 THEN 1 END) / MAX(p.history_days) AS till_coupon_days,
    SUM(d.coupon_lines * EXP(-DATE_DIFF('day', d.business_day, p.starts_on) / 30.0)) AS till_coupons_recent,
    DATE_DIFF('day', MAX(CASE WHEN d.coupon_lines > 0 THEN d.business_day END), MAX(p.starts_on))
      AS till_coupon_recency_days
  FROM pair AS p
  JOIN person_day AS d ON d.person_id = p.person_id AND d.business_day < p.starts_on
  GROUP BY p.campaign_id, p.person_id
),
-- What each pair's person had taken of each product before the campaign: everything about products follows from it.
taken AS (
  SELECT
    p.campaign_id, p.person_id, l.product_id, MAX(p.history_days) AS history_days,
    COUNT(*) AS times,
    COUNT(CASE WHEN DATE_DIFF('day', l.business_day, p.starts_on) <= 60 THEN 1 END) AS times_60d,
    SUM(l.net_amount) AS net, SUM(l.gross_amount) AS gross, SUM(l.product_discount) AS product_discount,
    SUM(CASE WHEN l.coupon_discount > 0 THEN 1 ELSE 0 END) AS coupon_lines,
    SUM(EXP(-DATE_DIFF('day', l.business_day, p.starts_on) / 30.0)) AS recent,
    SUM(CASE WHEN l.coupon_discount > 0 THEN EXP(-DATE_DIFF('day', l.business_day, p.starts_on) / 30.0) ELSE 0 END)
      AS coupon_recent,
    MIN(DATE_DIFF('day', l.business_day, p.starts_on)) AS days
  FROM pair AS p
  JOIN line AS l ON l.person_id = p.person_id AND l.business_day < p.starts_on
  GROUP BY p.campaign_id, p.person_id, l.product_id
),
breadth AS (
  SELECT
    campaign_id, person_id, COUNT(*) AS products, COUNT(CASE WHEN coupon_lines > 0 THEN 1 END) AS till_coupon_products
  FROM taken
  GROUP BY campaign_id, person_id
),
couponed AS (
  SELECT o.campaign_id, o.offer_id, i.product_id
  FROM offer AS o
  JOIN shown AS s ON s.campaign_id = o.campaign_id
  JOIN offer_product AS i ON i.offer_id = o.offer_id
  GROUP BY o.campaign_id, o.offer_id, i.product_id
),
couponed_product AS (
  SELECT DISTINCT c.campaign_id, s.starts_on, c.product_id
  FROM couponed AS c
  JOIN shown AS s ON s.campaign_id = c.campaign_id
),
couponed_group AS (
  SELECT DISTINCT c.campaign_id, i.category, i.subcategory, i.maker
  FROM couponed_product AS c
  JOIN item AS i ON i.product_id = c.product_id
  WHERE i.category IS NOT NULL
),
product_day AS (
  SELECT
    l.product_id, l.business_day, COUNT(*) AS lines, SUM(CASE WHEN l.coupon_discount > 0 THEN 1 ELSE 0 END) AS coupon_lines
  FROM order_line AS l
  WHERE l.business_day < $day_after AND l.quantity >= 0
  GROUP BY l.product_id, l.business_day
),
pull AS (
  SELECT
    c.campaign_id, c.starts_on, c.product_id,
    (SUM(d.coupon_lines) + 0.1) / (SUM(d.lines) + 5.0) AS coupon_rate,
    1.0 / LN(2.0 + SUM(d.lines)) AS rarity
  FROM couponed_product AS c
  JOIN product_day AS d ON d.product_id = c.product_id AND d.business_day < c.starts_on
  GROUP BY c.campaign_id, c.starts_on, c.product_id
),
own AS (
  SELECT
    t.campaign_id, t.person_id,
    30.0 * SUM(t.times) / MAX(t.history_days) AS visits,
    SUM(t.times_60d) AS visits_60d,
    30.0 * SUM(t.net) / MAX(t.history_days) AS spend,
    COUNT(*) AS products,
    SUM(t.coupon_lines) AS with_coupon,
    1.0 * SUM(t.product_discount) / NULLIF(SUM(t.gross), 0) AS discount_share,
    30.0 * SUM(c.rarity * t.times) / MAX(t.history_days) AS rarity,
    SUM(c.coupon_rate * t.recent) AS pull,
    SUM(t.coupon_recent) AS with_coupon_recent,
    MIN(t.days) AS recency_days
  FROM taken AS t
  JOIN pull AS c ON c.campaign_id = t.campaign_id AND c.product_id = t.product_id
  GROUP BY t.campaign_id, t.person_id
),
offer_size AS (SELECT campaign_id, offer_id, COUNT(*) AS products FROM couponed GROUP BY campaign_id, offer_id),
offer_taken AS (
  SELECT t.campaign_id, t.person_id, c.offer_id, SUM(t.times) AS visits, MAX(t.history_days) AS history_days
  FROM taken AS t
  JOIN couponed AS c ON c.campaign_id = t.campaign_id AND c.product_id = t.product_id
  GROUP BY t.campaign_id, t.person_id, c.offer_id
),
offers_taken AS (
  SELECT
    b.campaign_id, b.person_id,
    COUNT(*) AS offers,
    COUNT(CASE WHEN b.visits >= 3 THEN 1 END) AS offers_often,
    30.0 * MAX(b.visits) / MAX(b.history_days) AS best_offer_visits,
    30.0 * SUM(1.0 * b.visits / (1 + LN(z.products))) / MAX(b.history_days) AS narrow_visits
  FROM offer_taken AS b
  JOIN offer_size AS z ON z.campaign_id = b.campaign_id AND z.offer_id = b.offer_id
  GROUP BY b.campaign_id, b.person_id
),
kin AS (
  SELECT
    c.campaign_id, i.product_id,
    CASE WHEN u.campaign_id IS NOT NULL THEN 1 ELSE 0 END AS same_subcategory,
    CASE WHEN m.campaign_id IS NOT NULL THEN 1 ELSE 0 END AS same_maker
  FROM (SELECT DISTINCT campaign_id, category FROM couponed_group) AS c
  JOIN item AS i ON i.category = c.category
  LEFT JOIN (SELECT DISTINCT campaign_id, category, subcategory FROM couponed_group) AS u
    ON u.campaign_id = c.campaign_id AND u.category = i.category AND u.subcategory = i.subcategory
  LEFT JOIN (SELECT DISTINCT campaign_id, category, maker FROM couponed_group) AS m
    ON m.campaign_id = c.campaign_id AND m.category = i.category AND m.maker = i.maker
),
kin_taken AS (
  SELECT
    t.campaign_id, t.person_id,
    30.0 * SUM(t.coupon_lines) / MAX(t.history_days) AS category_coupons,
    1.0 * SUM(t.coupon_lines) / SUM(t.times) AS category_coupon_rate,
    30.0 * SUM(k.same_subcategory * t.times) / MAX(t.history_days) AS visits,
    30.0 * SUM(k.same_subcategory * t.net) / MAX(t.history_days) AS spend,
    SUM(k.same_subcategory) AS products,
    MIN(CASE WHEN k.same_subcategory = 1 THEN t.days END) AS recency_days,
    30.0 * SUM(k.same_maker * t.times) / MAX(t.history_days) AS maker_times
  FROM taken AS t
  JOIN kin AS k ON k.campaign_id = t.campaign_id AND k.product_id = t.product_id
  GROUP BY t.campaign_id, t.person_id
),
redeemed AS (
  SELECT k.person_id, r.campaign_id, r.offer_id, r.redeemed_on, c.kind
  FROM redemption AS r
  JOIN known AS k ON k.source = r.source AND k.customer_id = r.customer_id
  LEFT JOIN campaign AS c ON c.campaign_id = r.campaign_id
  WHERE r.redeemed_on < $day_after
),
redeemed_before AS (
  SELECT
    p.campaign_id, p.person_id,
    COUNT(*) AS redemptions,
    COUNT(DISTINCT r.campaign_id) AS campaigns_redeemed,
    COUNT(DISTINCT CASE WHEN r.kind = p.kind THEN r.campaign_id END) AS same_kind_campaigns_redeemed,
    COUNT(CASE WHEN DATE_DIFF('day', r.redeemed_on, p.starts_on) <= 60 THEN 1 END) AS redemptions_60d,
    DATE_DIFF('day', MAX(r.redeemed_on), MAX(p.starts_on)) AS redemption_recency_days
  FROM pair AS p
  JOIN redeemed AS r ON r.person_id = p.person_id AND r.redeemed_on < p.starts_on
  GROUP BY p.campaign_id, p.person_id
),
redeemed_alike AS (
  SELECT p.campaign_id, p.person_id, COUNT(DISTINCT r.offer_id) AS offers
  FROM pair AS p
  JOIN redeemed AS r ON r.person_id = p.person_id AND r.redeemed_on < p.starts_on
  JOIN offer_product AS i ON i.offer_id = r.offer_id
  JOIN couponed_product AS c ON c.campaign_id = p.campaign_id AND c.product_id = i.product_id
  GROUP BY p.campaign_id, p.person_id
),
targeted_before AS (
  SELECT
    p.campaign_id, p.person_id,
    COUNT(*) AS campaigns,
    COUNT(CASE WHEN e.kind = p.kind THEN 1 END) AS same_kind
  FROM pair AS p
  JOIN pair AS e ON e.person_id = p.person_id AND e.starts_on < p.starts_on
  GROUP BY p.campaign_id, p.person_id
),
campaign_size AS (
  SELECT s.campaign_id, COUNT(DISTINCT c.offer_id) AS offers, COUNT(DISTINCT c.product_id) AS products
  FROM shown AS s
  LEFT JOIN couponed AS c ON c.campaign_id = s.campaign_id
  GROUP BY s.campaign_id
),
demography AS (
  SELECT
    k.person_id,
    MAX(CAST(NULLIF(REGEXP_EXTRACT(c.attributes['age'], '[0-9]+', 0), '') AS DOUBLE)) AS age,
    MAX(CASE
      WHEN c.attributes['income'] LIKE 'Under%' THEN 0
      ELSE CAST(NULLIF(REGEXP_EXTRACT(c.attributes['income'], '[0-9]+', 0), '') AS DOUBLE)
    END) AS income,
    MAX(CAST(NULLIF(REGEXP_EXTRACT(c.attributes['household_size'], '[0-9]+', 0), '') AS DOUBLE)) AS household_size,
    MAX(CASE WHEN c.attributes['age'] IS NOT NULL THEN 1 ELSE 0 END) AS demographics_known
  FROM customer AS c
  JOIN known AS k ON k.source = c.source AND k.customer_id = c.customer_id
  JOIN targeted AS t ON t.person_id = k.person_id
  GROUP BY k.person_id
)
SELECT
  p.campaign_id, p.person_id, p.kind, p.starts_on, s.ends_on, p.history_days,
  h.recency_days, h.tenure_days,
  COALESCE(h.visits, 0) AS visits, COALESCE(h.spend, 0) AS spend, h.basket_value,
  COALESCE(h.visits_30d, 0) AS visits_30d, h.discount_share, h.private_label_share,
  COALESCE(b.products, 0) AS products,
  COALESCE(h.till_coupons, 0) AS till_coupons, COALESCE(h.till_coupons_60d, 0) AS till_coupons_60d,
  COALESCE(ROUND(h.till_coupons_recent, 6), 0) AS till_coupons_recent,
  COALESCE(h.till_coupon_days, 0) AS till_coupon_days, COALESCE(b.till_coupon_products, 0) AS till_coupon_products,
  COALESCE(h.till_coupon_basket_share, 0) AS till_coupon_basket_share,
  COALESCE(h.till_coupon_share, 0) AS till_coupon_share, h.till_coupon_recency_days,
  COALESCE(a.visits, 0) AS own_visits, COALESCE(a.visits_60d, 0) AS own_visits_60d,
  COALESCE(a.spend, 0) AS own_spend, COALESCE(a.spend, 0) / NULLIF(h.spend, 0) AS own_share,
  COALESCE(a.products, 0) AS own_products, COALESCE(ROUND(a.rarity, 6), 0) AS own_rarity,
  COALESCE(a.with_coupon, 0) AS own_with_coupon,
  COALESCE(ROUND(a.with_coupon_recent, 6), 0) AS own_with_coupon_recent,
  COALESCE(ROUND(a.pull, 6), 0) AS own_pull, a.discount_share AS own_discount_share,
  a.recency_days AS own_recency_days,
  COALESCE(o.offers, 0) AS offers_bought, COALESCE(o.offers_often, 0) AS offers_often,
  COALESCE(o.best_offer_visits, 0) AS best_offer_visits, COALESCE(ROUND(o.narrow_visits, 6), 0) AS narrow_visits,
  COALESCE(k.visits, 0) AS category_visits, COALESCE(k.spend, 0) AS category_spend,
  COALESCE(k.products, 0) AS category_products, k.recency_days AS category_recency_days,
  COALESCE(k.category_coupons, 0) AS category_coupons, COALESCE(k.category_coupon_rate, 0) AS category_coupon_rate,
  COALESCE(k.maker_times, 0) AS maker_visits,
  COALESCE(r.redemptions, 0) AS redemptions, COALESCE(r.redemptions_60d, 0) AS redemptions_60d,
  r.redemption_recency_days, COALESCE(m.offers, 0) AS alike_redeemed,
  COALESCE(r.campaigns_redeemed, 0) AS campaigns_redeemed,
  COALESCE(r.same_kind_campaigns_redeemed, 0) AS same_kind_campaigns_redeemed,
  (COALESCE(r.campaigns_redeemed, 0) + 0.5) / (COALESCE(e.campaigns, 0) + 5.0) AS redeemed_rate,
  (COALESCE(r.same_kind_campaigns_redeemed, 0) + 0.25) / (COALESCE(e.same_kind, 0) + 2.5) AS same_kind_rate,
  z.offers AS campaign_offers, z.products AS campaign_products,
  y.age, y.income, y.household_size, COALESCE(y.demographics_known, 0) AS demographics_known
FROM pair AS p
JOIN shown AS s ON s.campaign_id = p.campaign_id
JOIN campaign_size AS z ON z.campaign_id = p.campaign_id
LEFT JOIN habit AS h ON h.campaign_id = p.campaign_id AND h.person_id = p.person_id
LEFT JOIN breadth AS b ON b.campaign_id = p.campaign_id AND b.person_id = p.person_id
LEFT JOIN own AS a ON a.campaign_id = p.campaign_id AND a.person_id = p.person_id
LEFT JOIN offers_taken AS o ON o.campaign_id = p.campaign_id AND o.person_id = p.person_id
LEFT JOIN kin_taken AS k ON k.campaign_id = p.campaign_id AND k.person_id = p.person_id
LEFT JOIN redeemed_before AS r ON r.campaign_id = p.campaign_id AND r.person_id = p.person_id
LEFT JOIN redeemed_alike AS m ON m.campaign_id = p.campaign_id AND m.person_id = p.person_id
LEFT JOIN targeted_before AS e ON e.campaign_id = p.campaign_id AND e.person_id = p.person_id
LEFT JOIN demography AS y ON y.person_id = p.person_id
ORDER BY p.starts_on, p.campaign_id, p.person_id
