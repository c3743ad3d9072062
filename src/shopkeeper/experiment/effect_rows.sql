-- One row a (campaign, person who bought in the 60 days before it): whether targeted or held out, the money in the
-- campaign's days, and what was known of the person before it.
WITH known AS (
  SELECT source, customer_id, MIN(person_id) AS person_id FROM person WHERE valid_to IS NULL GROUP BY source, customer_id
),
span AS (SELECT MIN(business_day) AS first_day FROM order_line WHERE business_day <= $as_of),
laid AS (
  SELECT c.campaign_id, c.starts_on, LEAST(COALESCE(c.ends_on, $as_of), $as_of) AS last_day, s.first_day
  FROM campaign AS c
  CROSS JOIN span AS s
  WHERE DATE_DIFF('day', s.first_day, c.starts_on) >= 60 AND c.starts_on <= $latest_start
),
person_day AS (
  SELECT
    k.person_id, l.business_day,
    COUNT(DISTINCT l.order_id) AS visits, SUM(l.net_amount) AS net, SUM(l.gross_amount) AS gross,
    SUM(l.product_discount) AS discount, SUM(l.coupon_discount) AS coupon
  FROM order_line AS l
  JOIN known AS k ON k.source = l.source AND k.customer_id = l.customer_id
  WHERE l.business_day <= $as_of
  GROUP BY k.person_id, l.business_day
),
dated AS (
  SELECT
    c.campaign_id, d.person_id, c.first_day, c.starts_on, c.last_day, d.visits, d.net, d.gross, d.discount, d.coupon,
    DATE_DIFF('day', d.business_day, c.starts_on) AS before
  FROM laid AS c
  JOIN person_day AS d ON d.business_day <= c.last_day
),
spent AS (
  SELECT
    campaign_id, person_id, MAX(DATE_DIFF('day', starts_on, last_day)) + 1 AS days,
    SUM(CASE WHEN before <= 0 THEN net ELSE 0 END) AS outcome,
    SUM(CASE WHEN before BETWEEN 1 AND 30 THEN net ELSE 0 END) AS near_spend,
    SUM(CASE WHEN before BETWEEN 1 AND 30 THEN visits ELSE 0 END) AS near_visits,
    SUM(CASE WHEN before BETWEEN 1 AND 10 THEN visits ELSE 0 END) AS last_visits,
    SUM(CASE WHEN before BETWEEN 31 AND 60 THEN net ELSE 0 END) AS far_spend,
    SUM(CASE WHEN before BETWEEN 31 AND 60 THEN visits ELSE 0 END) AS far_visits,
    30.0 * SUM(CASE WHEN before > 60 THEN net ELSE 0 END)
      / GREATEST(MAX(DATE_DIFF('day', first_day, starts_on)) - 60, 30) AS early_spend,
    30.0 * SUM(CASE WHEN before > 60 THEN visits ELSE 0 END)
      / GREATEST(MAX(DATE_DIFF('day', first_day, starts_on)) - 60, 30) AS early_visits,
    MIN(CASE WHEN before >= 1 THEN before END) AS recency_days,
    MAX(before) AS tenure_days,
    1.0 * SUM(CASE WHEN before > 0 THEN discount ELSE 0 END)
      / NULLIF(SUM(CASE WHEN before > 0 THEN gross ELSE 0 END), 0) AS discount_share,
    1.0 * SUM(CASE WHEN before > 0 THEN coupon ELSE 0 END)
      / NULLIF(SUM(CASE WHEN before > 0 THEN gross ELSE 0 END), 0) AS coupon_share
  FROM dated
  GROUP BY campaign_id, person_id
),
chosen AS (
  SELECT DISTINCT t.campaign_id, k.person_id
  FROM campaign_target AS t
  JOIN known AS k ON k.source = t.source AND k.customer_id = t.customer_id
),
held AS (
  SELECT DISTINCT t.campaign_id, COALESCE(t.person_id, k.person_id) AS person_id
  FROM touch AS t
  LEFT JOIN known AS k ON k.customer_id = t.customer_id
  WHERE t.is_holdout
),
others AS (
  SELECT l.campaign_id, t.person_id, COUNT(*) AS campaigns
  FROM laid AS l
  JOIN campaign AS o
    ON o.campaign_id <> l.campaign_id AND o.starts_on <= l.starts_on
      AND (o.ends_on IS NULL OR o.ends_on >= l.starts_on)
  JOIN chosen AS t ON t.campaign_id = o.campaign_id
  GROUP BY l.campaign_id, t.person_id
),
used AS (
  SELECT l.campaign_id, k.person_id, COUNT(*) AS redemptions
  FROM laid AS l
  JOIN redemption AS r ON r.redeemed_on < l.starts_on
  JOIN known AS k ON k.source = r.source AND k.customer_id = r.customer_id
  GROUP BY l.campaign_id, k.person_id
)
SELECT
  s.campaign_id, s.person_id, s.days,
  CASE WHEN c.person_id IS NOT NULL AND h.person_id IS NULL THEN 1 ELSE 0 END AS is_targeted,
  CASE WHEN h.person_id IS NOT NULL THEN 1 ELSE 0 END AS is_holdout,
  CAST(s.outcome AS DOUBLE) AS outcome,
  CAST(s.near_spend AS DOUBLE) AS near_spend, CAST(s.near_visits AS DOUBLE) AS near_visits,
  CAST(s.last_visits AS DOUBLE) AS last_visits,
  CAST(s.far_spend AS DOUBLE) AS far_spend, CAST(s.far_visits AS DOUBLE) AS far_visits,
  CAST(s.early_spend AS DOUBLE) AS early_spend, CAST(s.early_visits AS DOUBLE) AS early_visits,
  CAST(s.recency_days AS DOUBLE) AS recency_days, CAST(s.tenure_days AS DOUBLE) AS tenure_days,
  CAST(COALESCE(s.discount_share, 0) AS DOUBLE) AS discount_share,
  CAST(COALESCE(s.coupon_share, 0) AS DOUBLE) AS coupon_share,
  CAST(COALESCE(o.campaigns, 0) AS DOUBLE) AS other_campaigns,
  CAST(COALESCE(u.redemptions, 0) AS DOUBLE) AS redemptions
FROM spent AS s
LEFT JOIN chosen AS c ON c.campaign_id = s.campaign_id AND c.person_id = s.person_id
LEFT JOIN held AS h ON h.campaign_id = s.campaign_id AND h.person_id = s.person_id
LEFT JOIN others AS o ON o.campaign_id = s.campaign_id AND o.person_id = s.person_id
LEFT JOIN used AS u ON u.campaign_id = s.campaign_id AND u.person_id = s.person_id
WHERE s.near_visits + s.far_visits > 0
ORDER BY s.campaign_id, s.person_id
