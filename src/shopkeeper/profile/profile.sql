-- Windows come from the baskets of the last year, the rest from the habits; people who never bought are prospects.
WITH recent AS (
  SELECT
    person.person_id,
    count(*) FILTER (WHERE lines > 0 AND business_day > $from_30) AS orders_30d,
    count(*) FILTER (WHERE lines > 0 AND business_day > $from_90) AS orders_90d,
    count(*) FILTER (WHERE lines > 0) AS orders_365d,
    sum(CASE WHEN business_day > $from_30 THEN net END) AS net_30d,
    sum(CASE WHEN business_day > $from_90 THEN net END) AS net_90d,
    sum(CASE WHEN business_day > $from_180 AND business_day <= $from_90 THEN net END) AS net_before,
    sum(net) AS net_365d
  FROM basket
  JOIN person ON person.source = basket.source AND person.customer_id = basket.customer_id
  WHERE business_day > $from_365 AND business_day <= $as_of AND person.valid_to IS NULL
  GROUP BY person.person_id
), several AS (
  SELECT person_id FROM person WHERE valid_to IS NULL GROUP BY person_id HAVING count(*) > 1
), later AS (
  -- The records of a person that are not the first: almost nobody has several, so almost nobody is sorted.
  SELECT person.source, person.customer_id
  FROM person
  SEMI JOIN several ON several.person_id = person.person_id
  LEFT JOIN customer ON customer.source = person.source AND customer.customer_id = person.customer_id
  WHERE person.valid_to IS NULL
  QUALIFY row_number() OVER (
    PARTITION BY person.person_id ORDER BY registered_at ASC NULLS LAST, person.source ASC, person.customer_id ASC
  ) > 1
), known AS (
  SELECT
    person.person_id, customer.source, customer.customer_id, gender, birth_year, region, city, tier, registered_at,
    acquisition_channel, acquisition_campaign, attributes,
    CAST(registered_at AT TIME ZONE $time_zone AS DATE) AS registered_on
  FROM person
  LEFT JOIN customer ON customer.source = person.source AND customer.customer_id = person.customer_id
  ANTI JOIN later ON later.source = person.source AND later.customer_id = person.customer_id
  WHERE person.valid_to IS NULL
), buyer AS (
  SELECT
    person_habit.*,
    coalesce(orders_30d, 0) AS orders_30d,
    coalesce(orders_90d, 0) AS orders_90d,
    coalesce(orders_365d, 0) AS orders_365d,
    CAST(coalesce(net_30d, 0) AS DECIMAL(18,4)) AS monetary_30d,
    CAST(coalesce(net_90d, 0) AS DECIMAL(18,4)) AS monetary_90d,
    CAST(coalesce(net_before, 0) AS DECIMAL(18,4)) AS monetary_before,
    CAST(coalesce(net_365d, 0) AS DECIMAL(18,4)) AS monetary_365d,
    date_diff('day', last_purchase_on, $as_of) AS recency_days,
    date_diff('day', last_visit_on, $as_of) AS away_days,
    date_diff('day', first_visit_on, $as_of) AS age_days,
    CAST(ceil(gap_median_days) AS INTEGER) AS expected_gap,
    CASE WHEN visit_days_ever >= 3 THEN least(greatest(gap_median_days, $shortest), $longest) ELSE $usual END AS own_rhythm
  FROM person_habit LEFT JOIN recent ON recent.person_id = person_habit.person_id
), buyers AS (
  SELECT count(*) AS people FROM buyer WHERE last_purchase_on IS NOT NULL
), recency_rank AS (
  SELECT last_purchase_on AS value, sum(count(*)) OVER (ORDER BY last_purchase_on) AS upto
  FROM buyer WHERE last_purchase_on IS NOT NULL GROUP BY last_purchase_on
), recency_cut AS (
  SELECT
    min(CASE WHEN 5 * upto >= 1 * people THEN value END) AS q1,
    min(CASE WHEN 5 * upto >= 2 * people THEN value END) AS q2,
    min(CASE WHEN 5 * upto >= 3 * people THEN value END) AS q3,
    min(CASE WHEN 5 * upto >= 4 * people THEN value END) AS q4
  FROM recency_rank CROSS JOIN buyers
), frequency_rank AS (
  SELECT orders_365d AS value, sum(count(*)) OVER (ORDER BY orders_365d) AS upto
  FROM buyer WHERE last_purchase_on IS NOT NULL GROUP BY orders_365d
), frequency_cut AS (
  SELECT
    min(CASE WHEN 5 * upto >= 1 * people THEN value END) AS q1,
    min(CASE WHEN 5 * upto >= 2 * people THEN value END) AS q2,
    min(CASE WHEN 5 * upto >= 3 * people THEN value END) AS q3,
    min(CASE WHEN 5 * upto >= 4 * people THEN value END) AS q4
  FROM frequency_rank CROSS JOIN buyers
), monetary_rank AS (
  SELECT monetary_365d AS value, sum(count(*)) OVER (ORDER BY monetary_365d) AS upto
  FROM buyer WHERE last_purchase_on IS NOT NULL GROUP BY monetary_365d
), monetary_cut AS (
  SELECT
    min(CASE WHEN 5 * upto >= 1 * people THEN value END) AS q1,
    min(CASE WHEN 5 * upto >= 2 * people THEN value END) AS q2,
    min(CASE WHEN 5 * upto >= 3 * people THEN value END) AS q3,
    min(CASE WHEN 5 * upto >= 4 * people THEN value END) AS q4
  FROM monetary_rank CROSS JOIN buyers
), cut AS (
  SELECT
    recency_cut.q1 AS r1, recency_cut.q2 AS r2, recency_cut.q3 AS r3, recency_cut.q4 AS r4,
    frequency_cut.q1 AS f1, frequency_cut.q2 AS f2, frequency_cut.q3 AS f3, frequency_cut.q4 AS f4,
    monetary_cut.q1 AS m1, monetary_cut.q2 AS m2, monetary_cut.q3 AS m3, monetary_cut.q4 AS m4
  FROM recency_cut CROSS JOIN frequency_cut CROSS JOIN monetary_cut
), scored AS (
  SELECT
    known.*,
    buyer.* EXCLUDE (person_id),
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(last_purchase_on > cut.r1 AS BIGINT) + CAST(last_purchase_on > cut.r2 AS BIGINT)
      + CAST(last_purchase_on > cut.r3 AS BIGINT) + CAST(last_purchase_on > cut.r4 AS BIGINT)
    END AS rfm_recency,
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(orders_365d > cut.f1 AS BIGINT) + CAST(orders_365d > cut.f2 AS BIGINT)
      + CAST(orders_365d > cut.f3 AS BIGINT) + CAST(orders_365d > cut.f4 AS BIGINT)
    END AS rfm_frequency,
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(monetary_365d > cut.m1 AS BIGINT) + CAST(monetary_365d > cut.m2 AS BIGINT)
      + CAST(monetary_365d > cut.m3 AS BIGINT) + CAST(monetary_365d > cut.m4 AS BIGINT)
    END AS rfm_monetary,
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(recency_days <= $recency_2 AS BIGINT) + CAST(recency_days <= $recency_3 AS BIGINT)
      + CAST(recency_days <= $recency_4 AS BIGINT) + CAST(recency_days <= $recency_5 AS BIGINT)
    END AS rfm_recency_points,
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(orders_365d >= $frequency_2 AS BIGINT) + CAST(orders_365d >= $frequency_3 AS BIGINT)
      + CAST(orders_365d >= $frequency_4 AS BIGINT) + CAST(orders_365d >= $frequency_5 AS BIGINT)
    END AS rfm_frequency_points,
    CASE WHEN last_purchase_on IS NOT NULL THEN
      1 + CAST(monetary_365d >= $monetary_2 AS BIGINT) + CAST(monetary_365d >= $monetary_3 AS BIGINT)
      + CAST(monetary_365d >= $monetary_4 AS BIGINT) + CAST(monetary_365d >= $monetary_5 AS BIGINT)
    END AS rfm_monetary_points
  FROM known
  LEFT JOIN buyer ON buyer.person_id = known.person_id
  CROSS JOIN cut
  WHERE buyer.person_id IS NOT NULL OR registered_on IS NULL OR registered_on <= $as_of
)
SELECT
  person_id,
  $as_of AS as_of,
  gender, birth_year,
  CASE
    WHEN birth_year IS NULL THEN NULL
    WHEN $year - birth_year < 18 THEN 'under_18'
    WHEN $year - birth_year < 25 THEN '18_24'
    WHEN $year - birth_year < 35 THEN '25_34'
    WHEN $year - birth_year < 45 THEN '35_44'
    WHEN $year - birth_year < 55 THEN '45_54'
    WHEN $year - birth_year < 65 THEN '55_64'
    ELSE '65_plus'
  END AS age_band,
  region, city, tier, registered_at, acquisition_channel, acquisition_campaign, attributes, first_purchase_on,
  last_purchase_on, recency_days, first_visit_on, last_visit_on,
  date_diff('day', least(coalesce(registered_on, first_visit_on), coalesce(first_visit_on, registered_on)), $as_of) AS tenure_days,
  coalesce(orders_30d, 0) AS orders_30d,
  coalesce(orders_90d, 0) AS orders_90d,
  coalesce(orders_365d, 0) AS orders_365d,
  coalesce(orders_ever, 0) AS orders_ever,
  coalesce(visit_days_ever, 0) AS visit_days_ever,
  coalesce(monetary_30d, 0) AS monetary_30d,
  coalesce(monetary_90d, 0) AS monetary_90d,
  coalesce(monetary_365d, 0) AS monetary_365d,
  coalesce(monetary_ever, 0) AS monetary_ever,
  coalesce(spend_all_ever, 0) AS spend_all_ever,
  basket_value,
  CASE WHEN orders_90d > 0 THEN
    CAST((2 * CAST(CAST(monetary_90d AS DECIMAL(38,4)) * 10000 AS BIGINT) + orders_90d) // (2 * orders_90d) AS DECIMAL(18,0))
    * CAST('0.0001' AS DECIMAL(5,4))
  END AS basket_value_90d,
  basket_items, basket_lines, gap_median_days, gap_variation,
  last_visit_on + expected_gap AS next_purchase_on,
  CASE WHEN expected_gap IS NOT NULL THEN greatest(away_days - expected_gap, 0) END AS overdue_days,
  favourite_department, favourite_department_share, favourite_category, favourite_category_share,
  favourite_brand, favourite_brand_share, favourite_store, favourite_store_share, favourite_channel,
  favourite_channel_share, favourite_weekday, favourite_weekday_share, favourite_hour, favourite_hour_share,
  coalesce(products_ever, 0) AS products_ever,
  coalesce(categories_ever, 0) AS categories_ever,
  coalesce(departments_ever, 0) AS departments_ever,
  coalesce(brands_ever, 0) AS brands_ever,
  coalesce(stores_ever, 0) AS stores_ever,
  private_label_share, discount_share, discount_line_share, coupon_share, coupon_order_share, price_index,
  CASE
    WHEN price_index * 3 < 1 THEN 'low'
    WHEN price_index * 3 <= 2 THEN 'middle'
    WHEN price_index IS NOT NULL THEN 'high'
  END AS price_tier,
  return_rate,
  CASE
    WHEN last_visit_on IS NULL THEN 'prospect'
    WHEN away_days > $lapsed_gaps * own_rhythm THEN 'lapsed'
    WHEN away_days > $sleeping_gaps * own_rhythm THEN 'sleeping'
    WHEN age_days < $new_days THEN 'new'
    ELSE 'active'
  END AS lifecycle,
  CASE
    WHEN last_visit_on IS NULL THEN 'prospect'
    WHEN away_days > $lapsed_days THEN 'lapsed'
    WHEN away_days > $sleeping_days THEN 'sleeping'
    WHEN age_days < $new_days THEN 'new'
    ELSE 'active'
  END AS lifecycle_fixed,
  CASE
    WHEN date_diff('day', first_purchase_on, $as_of) < 180 OR (monetary_90d <= 0 AND monetary_before <= 0) THEN NULL
    WHEN monetary_90d > monetary_before * $trend_factor THEN 'rising'
    WHEN monetary_90d * $trend_factor < monetary_before THEN 'falling'
    WHEN first_purchase_on IS NOT NULL THEN 'steady'
  END AS trend,
  rfm_recency, rfm_frequency, rfm_monetary,
  CAST(rfm_recency AS VARCHAR) || CAST(rfm_frequency AS VARCHAR) || CAST(rfm_monetary AS VARCHAR) AS rfm_cell,
  rfm_recency_points, rfm_frequency_points, rfm_monetary_points,
  CASE
    WHEN rfm_recency_points IS NULL THEN NULL
    WHEN rfm_recency_points >= 4 AND rfm_frequency_points + rfm_monetary_points >= 9 THEN 'champions'
    WHEN rfm_recency_points >= 3 AND rfm_frequency_points + rfm_monetary_points >= 7 THEN 'loyal'
    WHEN rfm_recency_points >= 4 AND rfm_frequency_points + rfm_monetary_points >= 4 THEN 'potential_loyal'
    WHEN rfm_recency_points >= 4 THEN 'newcomers'
    WHEN rfm_recency_points = 3 THEN 'needs_attention'
    WHEN rfm_frequency_points + rfm_monetary_points >= 8 THEN 'cannot_lose'
    WHEN rfm_frequency_points + rfm_monetary_points >= 5 THEN 'at_risk'
    WHEN rfm_recency_points = 2 THEN 'hibernating'
    ELSE 'lost'
  END AS rfm_class,
  $lifecycle_version AS lifecycle_version,
  $rfm_version AS rfm_version
FROM scored
