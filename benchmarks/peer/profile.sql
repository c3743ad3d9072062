-- The peer of benchmarks/profile.py: the profile as one hand-written DuckDB query over customer, product and order_line,
-- as fast as its author could make it. It may use everything DuckDB has, knows that a customer is a person, and keeps no
-- intermediate table. $as_of, $first_of_month, $time_zone and the versions of the
-- cut-points are put in; the cut-points are the defaults.
WITH who AS MATERIALIZED (
  SELECT source, customer_id, (row_number() OVER ())::INTEGER AS no FROM customer
), sold AS (
  SELECT product_id, sum(gross_amount)::DOUBLE / sum(quantity)::DOUBLE AS price FROM order_line
  WHERE business_day >= $first_of_month::DATE - 365 AND business_day < $first_of_month::DATE AND quantity > 0 AND gross_amount > 0
  GROUP BY ALL
), ranked AS (
  SELECT product_id, rank() OVER w AS place, count(*) OVER (PARTITION BY department, category, subcategory) AS places
  FROM (SELECT product.*, coalesce(list_price::DOUBLE, price) AS asked FROM product LEFT JOIN sold USING (product_id))
  WHERE asked IS NOT NULL AND (subcategory IS NOT NULL OR category IS NOT NULL)
  WINDOW w AS (PARTITION BY department, category, subcategory ORDER BY asked)
), item AS MATERIALIZED (
  SELECT product_id, (row_number() OVER ())::INTEGER AS item_no,
    coalesce(kind NOT IN ('tobacco', 'service', 'top_up', 'bag', 'deposit', 'gift_card'), true) AS counted,
    coalesce(private_label, false) AS own, department, category, brand,
    CASE WHEN department IS NOT NULL THEN dense_rank() OVER (ORDER BY department) END::INTEGER AS department_no,
    CASE WHEN category IS NOT NULL THEN dense_rank() OVER (ORDER BY category) END::INTEGER AS category_no,
    CASE WHEN brand IS NOT NULL THEN dense_rank() OVER (ORDER BY brand) END::INTEGER AS brand_no,
    CASE WHEN places >= 3 THEN 1 + 3 * (place - 1) // places END::INTEGER AS tier
  FROM product LEFT JOIN ranked USING (product_id)
), place AS MATERIALIZED (
  SELECT store_id, (row_number() OVER (ORDER BY store_id))::INTEGER AS store_no FROM (SELECT DISTINCT store_id FROM order_line)
), way AS MATERIALIZED (
  SELECT channel, (row_number() OVER (ORDER BY channel))::INTEGER AS channel_no
  FROM (SELECT DISTINCT channel FROM order_line WHERE channel IS NOT NULL)
), visit AS MATERIALIZED (
  SELECT no, business_day, store_id, channel, min(ordered_at) AS first_at,
    count(*) FILTER (counted AND quantity > 0)::INTEGER AS lines,
    sum(CASE WHEN counted AND quantity > 0 THEN quantity END) AS units,
    sum(CASE WHEN counted THEN net_amount END) AS net,
    sum(CASE WHEN counted AND quantity > 0 THEN net_amount END) AS bought,
    sum(CASE WHEN counted AND quantity > 0 THEN coalesce(gross_amount, net_amount) END) AS gross,
    sum(CASE WHEN counted AND quantity > 0 THEN product_discount END) AS product_discount,
    sum(CASE WHEN counted AND quantity > 0 THEN coupon_discount END) AS coupon_discount,
    sum(CASE WHEN counted AND quantity > 0 AND own THEN net_amount END) AS own,
    sum(CASE WHEN counted AND quantity < 0 THEN -net_amount END) AS returned,
    count(*) FILTER (counted AND quantity > 0 AND product_discount > 0)::INTEGER AS discount_lines,
    count(*) FILTER (counted AND quantity > 0 AND (coupon_discount > 0 OR coupon_code IS NOT NULL))::INTEGER AS coupon_lines,
    count(*) FILTER (quantity > 0)::INTEGER AS all_lines,
    sum(net_amount) AS all_net
  FROM order_line JOIN who USING (source, customer_id) JOIN item USING (product_id)
  WHERE business_day <= $as_of::DATE
  GROUP BY no, hash(order_id), business_day, store_id, channel
), goods AS (
  SELECT no, item_no, sum(net_amount)::DECIMAL(18,4) AS net
  FROM order_line JOIN who USING (source, customer_id) LEFT JOIN item USING (product_id) -- an inner join is pushed below two groupings
  WHERE business_day <= $as_of::DATE AND quantity > 0 AND counted
  GROUP BY no, item_no
), good AS MATERIALIZED (
  SELECT no, net, department_no, category_no, brand_no, tier FROM goods JOIN item USING (item_no)
), variety AS (
  SELECT no, count(*) AS products, sum(net)::DOUBLE AS all_net, coalesce(sum(CASE WHEN tier = 1 THEN net END), 0)::DOUBLE AS low,
    coalesce(sum(CASE WHEN tier = 2 THEN net END), 0)::DOUBLE AS middle_tier, coalesce(sum(CASE WHEN tier = 3 THEN net END), 0)::DOUBLE AS high
  FROM good GROUP BY no
), best_department AS (
  SELECT no, count(*) AS departments, max(net) AS net,
    max(CASE WHEN net > 0 THEN round(net::DOUBLE * 10000)::BIGINT * 1000000 + 999999 - department_no END) AS best
  FROM (SELECT no, department_no, sum(net)::DECIMAL(18,4) AS net FROM good WHERE department_no IS NOT NULL GROUP BY ALL) GROUP BY no
), best_category AS (
  SELECT no, count(*) AS categories, max(net) AS net,
    max(CASE WHEN net > 0 THEN round(net::DOUBLE * 10000)::BIGINT * 1000000 + 999999 - category_no END) AS best
  FROM (SELECT no, category_no, sum(net)::DECIMAL(18,4) AS net FROM good WHERE category_no IS NOT NULL GROUP BY ALL) GROUP BY no
), best_brand AS (
  SELECT no, count(*) AS brands, max(net) AS net,
    max(CASE WHEN net > 0 THEN round(net::DOUBLE * 10000)::BIGINT * 1000000 + 999999 - brand_no END) AS best
  FROM (SELECT no, brand_no, sum(net)::DECIMAL(18,4) AS net FROM good WHERE brand_no IS NOT NULL GROUP BY ALL) GROUP BY no
), total AS MATERIALIZED (
  SELECT no,
    min(business_day) FILTER (lines > 0) AS first_purchase_on, max(business_day) FILTER (lines > 0) AS last_purchase_on,
    min(business_day) FILTER (all_lines > 0) AS first_visit_on, max(business_day) FILTER (all_lines > 0) AS last_visit_on,
    count(*) FILTER (lines > 0) AS orders_ever, count(*) FILTER (coupon_lines > 0) AS coupon_orders,
    count(*) FILTER (lines > 0 AND business_day > $as_of::DATE - 30) AS orders_30d,
    count(*) FILTER (lines > 0 AND business_day > $as_of::DATE - 90) AS orders_90d,
    count(*) FILTER (lines > 0 AND business_day > $as_of::DATE - 365) AS orders_365d,
    coalesce(sum(net) FILTER (business_day > $as_of::DATE - 30), 0)::DECIMAL(18,4) AS monetary_30d,
    coalesce(sum(net) FILTER (business_day > $as_of::DATE - 90), 0)::DECIMAL(18,4) AS monetary_90d,
    coalesce(sum(net) FILTER (business_day > $as_of::DATE - 180 AND business_day <= $as_of::DATE - 90), 0)::DECIMAL(18,4) AS before,
    coalesce(sum(net) FILTER (business_day > $as_of::DATE - 365), 0)::DECIMAL(18,4) AS monetary_365d,
    coalesce(sum(net), 0)::DECIMAL(18,4) AS monetary_ever, sum(all_net)::DECIMAL(18,4) AS spend_all_ever,
    coalesce(sum(units), 0) AS units, sum(lines) AS lines, coalesce(sum(bought), 0) AS bought, coalesce(sum(gross), 0) AS gross,
    coalesce(sum(product_discount), 0) AS product_discount, coalesce(sum(coupon_discount), 0) AS coupon_discount,
    coalesce(sum(own), 0) AS own, coalesce(sum(returned), 0) AS returned, sum(discount_lines) AS discount_lines
  FROM visit GROUP BY no
), rhythm AS (
  SELECT no, count(*) AS gaps, median(gap) AS middle, sum(gap)::DOUBLE AS days, sum(gap * gap)::DOUBLE AS squares
  FROM (
    SELECT no, (business_day - lag(business_day) OVER (PARTITION BY no ORDER BY business_day))::BIGINT AS gap
    FROM visit WHERE all_lines > 0
  ) WHERE gap > 0 GROUP BY no
), best_store AS (
  SELECT no, count(*) AS stores, max(orders * 1000000 + 999999 - store_no) AS best
  FROM (SELECT no, store_no, count(*) AS orders FROM visit JOIN place USING (store_id) WHERE lines > 0 GROUP BY ALL) GROUP BY no
), best_channel AS (
  SELECT no, max(orders * 100 + 99 - channel_no) AS best
  FROM (SELECT no, channel_no, count(*) AS orders FROM visit JOIN way USING (channel) WHERE lines > 0 GROUP BY ALL) GROUP BY no
), best_weekday AS (
  SELECT no, max(orders * 10 + 9 - weekday) AS best
  FROM (SELECT no, isodow(business_day) AS weekday, count(*) AS orders FROM visit WHERE lines > 0 GROUP BY ALL) GROUP BY no
), best_hour AS (
  SELECT no, max(orders * 100 + 99 - hour) AS best
  FROM (SELECT no, hour(first_at AT TIME ZONE $time_zone) AS hour, count(*) AS orders FROM visit WHERE lines > 0 GROUP BY ALL) GROUP BY no
), cut AS (
  SELECT quantile_disc(last_purchase_on, [0.2, 0.4, 0.6, 0.8]) AS r, quantile_disc(orders_365d, [0.2, 0.4, 0.6, 0.8]) AS f,
    quantile_disc(monetary_365d, [0.2, 0.4, 0.6, 0.8]) AS m
  FROM total WHERE last_purchase_on IS NOT NULL
), wide AS (
  SELECT customer.*, (registered_at AT TIME ZONE $time_zone)::DATE AS registered_on, total.* EXCLUDE (no, own), total.own AS own_label,
    rhythm.* EXCLUDE (no), ceil(middle)::INTEGER AS expected_gap,
    CASE WHEN first_visit_on IS NULL THEN 0 ELSE 1 + coalesce(gaps, 0) END AS visit_days_ever,
    CASE WHEN visit_days_ever >= 3 THEN least(greatest(middle, 7), 120) ELSE 30.0::DOUBLE END AS own_rhythm,
    products, all_net, low, middle_tier, high, departments, categories, brands, stores,
    best_department.net AS d_net, best_department.best AS d, best_category.net AS c_net, best_category.best AS c,
    best_brand.net AS b_net, best_brand.best AS b, best_store.best AS s, best_channel.best AS w, best_weekday.best AS k, best_hour.best AS h,
    $as_of::DATE - last_purchase_on AS recency_days, $as_of::DATE - last_visit_on AS away, $as_of::DATE - first_visit_on AS age,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (last_purchase_on > r[1])::BIGINT + (last_purchase_on > r[2])::BIGINT + (last_purchase_on > r[3])::BIGINT + (last_purchase_on > r[4])::BIGINT END AS rq,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (orders_365d > f[1])::BIGINT + (orders_365d > f[2])::BIGINT + (orders_365d > f[3])::BIGINT + (orders_365d > f[4])::BIGINT END AS fq,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (monetary_365d > m[1])::BIGINT + (monetary_365d > m[2])::BIGINT + (monetary_365d > m[3])::BIGINT + (monetary_365d > m[4])::BIGINT END AS mq,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (recency_days <= 120)::BIGINT + (recency_days <= 60)::BIGINT + (recency_days <= 30)::BIGINT + (recency_days <= 7)::BIGINT END AS rp,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (orders_365d >= 3)::BIGINT + (orders_365d >= 6)::BIGINT + (orders_365d >= 12)::BIGINT + (orders_365d >= 24)::BIGINT END AS fp,
    CASE WHEN last_purchase_on IS NOT NULL THEN 1 + (monetary_365d >= 100)::BIGINT + (monetary_365d >= 500)::BIGINT + (monetary_365d >= 1000)::BIGINT + (monetary_365d >= 2000)::BIGINT END AS mp
  FROM customer JOIN who USING (source, customer_id) LEFT JOIN total USING (no) LEFT JOIN rhythm USING (no) LEFT JOIN variety USING (no) LEFT JOIN best_department USING (no)
  LEFT JOIN best_category USING (no) LEFT JOIN best_brand USING (no) LEFT JOIN best_store USING (no) LEFT JOIN best_channel USING (no)
  LEFT JOIN best_weekday USING (no) LEFT JOIN best_hour USING (no) CROSS JOIN cut
  WHERE total.no IS NOT NULL OR registered_at IS NULL OR (registered_at AT TIME ZONE $time_zone)::DATE <= $as_of::DATE
), department_name AS (SELECT DISTINCT department_no, department FROM item WHERE department_no IS NOT NULL),
category_name AS (SELECT DISTINCT category_no, category FROM item WHERE category_no IS NOT NULL),
brand_name AS (SELECT DISTINCT brand_no, brand FROM item WHERE brand_no IS NOT NULL)
SELECT
  source || ':' || customer_id AS person_id, $as_of::DATE AS as_of, gender, birth_year,
  CASE WHEN birth_year IS NULL THEN NULL WHEN year($as_of::DATE) - birth_year < 18 THEN 'under_18' WHEN year($as_of::DATE) - birth_year < 25 THEN '18_24'
    WHEN year($as_of::DATE) - birth_year < 35 THEN '25_34' WHEN year($as_of::DATE) - birth_year < 45 THEN '35_44'
    WHEN year($as_of::DATE) - birth_year < 55 THEN '45_54' WHEN year($as_of::DATE) - birth_year < 65 THEN '55_64' ELSE '65_plus' END AS age_band,
  region, city, tier, registered_at, acquisition_channel, acquisition_campaign, attributes,
  first_purchase_on, last_purchase_on, recency_days, first_visit_on, last_visit_on,
  $as_of::DATE - least(registered_on, first_visit_on) AS tenure_days,
  coalesce(orders_30d, 0) AS orders_30d, coalesce(orders_90d, 0) AS orders_90d, coalesce(orders_365d, 0) AS orders_365d,
  coalesce(orders_ever, 0) AS orders_ever, visit_days_ever,
  coalesce(monetary_30d, 0) AS monetary_30d, coalesce(monetary_90d, 0) AS monetary_90d, coalesce(monetary_365d, 0) AS monetary_365d,
  coalesce(monetary_ever, 0) AS monetary_ever, coalesce(spend_all_ever, 0) AS spend_all_ever,
  CASE WHEN orders_ever > 0 THEN ((2 * (monetary_ever * 10000)::BIGINT + orders_ever) // (2 * orders_ever))::DECIMAL(18,0) * 0.0001 END AS basket_value,
  CASE WHEN orders_90d > 0 THEN ((2 * (monetary_90d * 10000)::BIGINT + orders_90d) // (2 * orders_90d))::DECIMAL(18,0) * 0.0001 END AS basket_value_90d,
  units::DOUBLE / nullif(orders_ever, 0) AS basket_items, lines::DOUBLE / nullif(orders_ever, 0) AS basket_lines,
  middle AS gap_median_days,
  CASE WHEN gaps >= 3 THEN sqrt((gaps * squares - days * days) / (gaps::DOUBLE * (gaps - 1))) / (days / gaps) END AS gap_variation,
  last_visit_on + expected_gap AS next_purchase_on, CASE WHEN expected_gap IS NOT NULL THEN greatest(away - expected_gap, 0) END AS overdue_days,
  department AS favourite_department, CASE WHEN d IS NOT NULL THEN d_net::DOUBLE / all_net END AS favourite_department_share,
  category AS favourite_category, CASE WHEN c IS NOT NULL THEN c_net::DOUBLE / all_net END AS favourite_category_share,
  brand AS favourite_brand, CASE WHEN b IS NOT NULL THEN b_net::DOUBLE / all_net END AS favourite_brand_share,
  place.store_id AS favourite_store, (s // 1000000)::DOUBLE / orders_ever AS favourite_store_share,
  way.channel AS favourite_channel, (w // 100)::DOUBLE / orders_ever AS favourite_channel_share,
  9 - k % 10 AS favourite_weekday, (k // 10)::DOUBLE / orders_ever AS favourite_weekday_share,
  99 - h % 100 AS favourite_hour, (h // 100)::DOUBLE / orders_ever AS favourite_hour_share,
  coalesce(products, 0) AS products_ever, coalesce(categories, 0) AS categories_ever, coalesce(departments, 0) AS departments_ever,
  coalesce(brands, 0) AS brands_ever, coalesce(stores, 0) AS stores_ever,
  own_label::DOUBLE / nullif(bought, 0)::DOUBLE AS private_label_share, product_discount::DOUBLE / nullif(gross, 0)::DOUBLE AS discount_share,
  discount_lines::DOUBLE / nullif(lines, 0)::DOUBLE AS discount_line_share, coupon_discount::DOUBLE / nullif(gross, 0)::DOUBLE AS coupon_share,
  coupon_orders::DOUBLE / nullif(orders_ever, 0) AS coupon_order_share, (middle_tier / 2 + high) / nullif(low + middle_tier + high, 0) AS price_index,
  CASE WHEN price_index * 3 < 1 THEN 'low' WHEN price_index * 3 <= 2 THEN 'middle' WHEN price_index IS NOT NULL THEN 'high' END AS price_tier,
  returned::DOUBLE / nullif(bought, 0)::DOUBLE AS return_rate,
  CASE WHEN last_visit_on IS NULL THEN 'prospect' WHEN away > 6 * own_rhythm THEN 'lapsed' WHEN away > 3 * own_rhythm THEN 'sleeping'
    WHEN age < 30 THEN 'new' ELSE 'active' END AS lifecycle,
  CASE WHEN last_visit_on IS NULL THEN 'prospect' WHEN away > 180 THEN 'lapsed' WHEN away > 90 THEN 'sleeping' WHEN age < 30 THEN 'new' ELSE 'active' END AS lifecycle_fixed,
  CASE WHEN $as_of::DATE - first_purchase_on < 180 OR (monetary_90d <= 0 AND before <= 0) THEN NULL WHEN monetary_90d > before * 1.25 THEN 'rising'
    WHEN monetary_90d * 1.25 < before THEN 'falling' WHEN first_purchase_on IS NOT NULL THEN 'steady' END AS trend,
  rq AS rfm_recency, fq AS rfm_frequency, mq AS rfm_monetary, rq::VARCHAR || fq::VARCHAR || mq::VARCHAR AS rfm_cell,
  rp AS rfm_recency_points, fp AS rfm_frequency_points, mp AS rfm_monetary_points,
  CASE WHEN rp IS NULL THEN NULL WHEN rp >= 4 AND fp + mp >= 9 THEN 'champions' WHEN rp >= 3 AND fp + mp >= 7 THEN 'loyal'
    WHEN rp >= 4 AND fp + mp >= 4 THEN 'potential_loyal' WHEN rp >= 4 THEN 'newcomers' WHEN rp = 3 THEN 'needs_attention'
    WHEN fp + mp >= 8 THEN 'cannot_lose' WHEN fp + mp >= 5 THEN 'at_risk' WHEN rp = 2 THEN 'hibernating' ELSE 'lost' END AS rfm_class,
  $lifecycle_version AS lifecycle_version, $rfm_version AS rfm_version
FROM wide
LEFT JOIN department_name ON department_no = 999999 - d % 1000000 LEFT JOIN category_name ON category_no = 999999 - c % 1000000
LEFT JOIN brand_name ON brand_no = 999999 - b % 1000000 LEFT JOIN place ON store_no = 999999 - s % 1000000
LEFT JOIN way ON channel_no = 99 - w % 100
