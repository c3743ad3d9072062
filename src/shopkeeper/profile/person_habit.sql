-- Ids become numbers first: every grouping below is on numbers, so small ones. A favourite is the largest of amount (in
-- ten-thousandths) and number in one key, the number turned round so that the first by name wins a tie: no sort and no window a
-- person. Amounts above 900 million in one department, category or brand count as equal there, so that no key overflows.
WITH who AS (
  SELECT source, customer_id, person_id, CAST(dense_rank() OVER (ORDER BY person_id) AS INTEGER) AS no
  FROM person
  WHERE valid_to IS NULL
), item AS (
  SELECT
    product_id,
    CAST(row_number() OVER (ORDER BY product_id) AS INTEGER) AS item_no,
    CASE WHEN department IS NOT NULL THEN CAST(dense_rank() OVER (ORDER BY department NULLS LAST) AS INTEGER) END AS department_no,
    CASE WHEN category IS NOT NULL THEN CAST(dense_rank() OVER (ORDER BY category NULLS LAST) AS INTEGER) END AS category_no,
    CASE WHEN brand IS NOT NULL THEN CAST(dense_rank() OVER (ORDER BY brand NULLS LAST) AS INTEGER) END AS brand_no,
    department, category, brand, price_tier, counted
  FROM product_fact
), goods AS (
  SELECT
    who.no,
    -- What no master describes is told apart by 63 bits of a hash, below zero: a text among the keys costs a second in ten.
    CASE WHEN item.item_no IS NULL THEN -1 - CAST(hash(order_line.product_id) >> 1 AS BIGINT) ELSE item.item_no END AS item_no,
    CAST(sum(order_line.net_amount) AS DECIMAL(18,4)) AS net
  FROM order_line
  JOIN who ON who.source = order_line.source AND who.customer_id = order_line.customer_id
  LEFT JOIN item ON item.product_id = order_line.product_id
  WHERE order_line.business_day <= $as_of AND order_line.quantity > 0 AND coalesce(item.counted, true)
  GROUP BY who.no, CASE WHEN item.item_no IS NULL THEN -1 - CAST(hash(order_line.product_id) >> 1 AS BIGINT) ELSE item.item_no END
), good AS NOT MATERIALIZED (
  SELECT goods.no, goods.net, item.department_no, item.category_no, item.brand_no, item.price_tier
  FROM goods LEFT JOIN item ON item.item_no = goods.item_no
), variety AS (
  SELECT
    no,
    count(*) AS products,
    CAST(sum(net) AS DOUBLE) AS net,
    CAST(coalesce(sum(CASE WHEN price_tier = 1 THEN net END), 0) AS DOUBLE) AS low,
    CAST(coalesce(sum(CASE WHEN price_tier = 2 THEN net END), 0) AS DOUBLE) AS middle,
    CAST(coalesce(sum(CASE WHEN price_tier = 3 THEN net END), 0) AS DOUBLE) AS high
  FROM good GROUP BY no
), department AS (
  SELECT no, department_no, CAST(sum(net) AS DECIMAL(18,4)) AS net
  FROM good WHERE department_no IS NOT NULL GROUP BY no, department_no
), category AS (
  SELECT no, category_no, CAST(sum(net) AS DECIMAL(18,4)) AS net FROM good WHERE category_no IS NOT NULL GROUP BY no, category_no
), brand AS (
  SELECT no, brand_no, CAST(sum(net) AS DECIMAL(18,4)) AS net FROM good WHERE brand_no IS NOT NULL GROUP BY no, brand_no
), best_department AS (
  SELECT
    no, count(*) AS departments, max(net) AS net,
    max(CASE WHEN net > 0 THEN
      least(CAST(round(CAST(net AS DOUBLE) * 10000) AS BIGINT), 9000000000000) * 1000000 + 999999 - department_no
    END) AS best
  FROM department GROUP BY no
), best_category AS (
  SELECT
    no, count(*) AS categories, max(net) AS net,
    max(CASE WHEN net > 0 THEN
      least(CAST(round(CAST(net AS DOUBLE) * 10000) AS BIGINT), 9000000000000) * 1000000 + 999999 - category_no
    END) AS best
  FROM category GROUP BY no
), best_brand AS (
  SELECT
    no, count(*) AS brands, max(net) AS net,
    max(CASE WHEN net > 0 THEN
      least(CAST(round(CAST(net AS DOUBLE) * 10000) AS BIGINT), 9000000000000) * 1000000 + 999999 - brand_no
    END) AS best
  FROM brand GROUP BY no
), place AS (
  -- The limits are above what the keys below can hold; they tell the engine how few stores and channels there are.
  SELECT store_id, row_number() OVER (ORDER BY store_id) AS store_no FROM (SELECT DISTINCT store_id FROM basket) AS s LIMIT 999999
), way AS (
  SELECT channel, row_number() OVER (ORDER BY channel) AS channel_no
  FROM (SELECT DISTINCT channel FROM basket WHERE channel IS NOT NULL) AS c LIMIT 99
), visit AS (
  SELECT
    who.no, place.store_no, way.channel_no,
    CAST((date_diff('day', CAST('1970-01-05' AS DATE), business_day) % 7 + 7) % 7 + 1 AS INTEGER) AS weekday,
    CAST(hour AS INTEGER) AS hour, business_day, lines > 0 AS bought, all_lines > 0 AS came
  FROM basket
  JOIN who ON who.source = basket.source AND who.customer_id = basket.customer_id
  LEFT JOIN place ON place.store_id = basket.store_id
  LEFT JOIN way ON way.channel = basket.channel
  WHERE business_day <= $as_of
), total AS (
  SELECT
    who.no,
    min(CASE WHEN lines > 0 THEN business_day END) AS first_purchase_on,
    max(CASE WHEN lines > 0 THEN business_day END) AS last_purchase_on,
    min(CASE WHEN all_lines > 0 THEN business_day END) AS first_visit_on,
    max(CASE WHEN all_lines > 0 THEN business_day END) AS last_visit_on,
    count(*) FILTER (WHERE lines > 0) AS orders,
    count(*) FILTER (WHERE coupon_lines > 0) AS coupon_orders,
    sum(net) AS net, sum(all_net) AS all_net, sum(units) AS units, sum(lines) AS lines, sum(bought) AS bought,
    sum(gross) AS gross, sum(product_discount) AS product_discount, sum(coupon_discount) AS coupon_discount,
    sum(private_label) AS private_label, sum(returned) AS returned, sum(discount_lines) AS discount_lines
  FROM basket JOIN who ON who.source = basket.source AND who.customer_id = basket.customer_id
  WHERE business_day <= $as_of
  GROUP BY who.no
), step AS (
  SELECT no, date_diff('day', lag(business_day) OVER (PARTITION BY no ORDER BY business_day), business_day) AS gap
  FROM visit WHERE came
), rhythm AS (
  SELECT
    no, count(*) AS gaps, median(gap) AS middle,
    CAST(sum(gap) AS DOUBLE) AS days, CAST(sum(gap * gap) AS DOUBLE) AS squares
  FROM step WHERE gap > 0 GROUP BY no
), store AS (
  SELECT no, store_no, count(*) AS orders FROM visit WHERE bought GROUP BY no, store_no
), channel AS (
  SELECT no, channel_no, count(*) AS orders FROM visit WHERE bought AND channel_no IS NOT NULL GROUP BY no, channel_no
), weekday AS (
  SELECT no, weekday, count(*) AS orders FROM visit WHERE bought GROUP BY no, weekday
), hour AS (
  SELECT no, hour, count(*) AS orders FROM visit WHERE bought GROUP BY no, hour
), best_store AS (
  SELECT no, count(*) AS stores, max(orders * 1000000 + 999999 - store_no) AS best FROM store GROUP BY no
), best_channel AS (
  SELECT no, max(orders * 100 + 99 - channel_no) AS best FROM channel GROUP BY no
), best_weekday AS (
  SELECT no, max(orders * 10 + 9 - weekday) AS best FROM weekday GROUP BY no
), best_hour AS (
  SELECT no, max(orders * 100 + 99 - hour) AS best FROM hour GROUP BY no
), department_name AS (
  SELECT DISTINCT department_no, department FROM item WHERE department_no IS NOT NULL
), category_name AS (
  SELECT DISTINCT category_no, category FROM item WHERE category_no IS NOT NULL
), brand_name AS (
  SELECT DISTINCT brand_no, brand FROM item WHERE brand_no IS NOT NULL
), name AS (
  SELECT DISTINCT no, person_id FROM who
)
SELECT
  name.person_id,
  total.first_purchase_on,
  total.last_purchase_on,
  total.first_visit_on,
  total.last_visit_on,
  total.orders AS orders_ever,
  CASE WHEN total.first_visit_on IS NULL THEN 0 ELSE 1 + coalesce(rhythm.gaps, 0) END AS visit_days_ever,
  CAST(total.net AS DECIMAL(18,4)) AS monetary_ever,
  CAST(total.all_net AS DECIMAL(18,4)) AS spend_all_ever,
  -- Half up at the fourth place, in whole numbers: decimal division differs between engines.
  CASE WHEN total.orders > 0 THEN
    CAST((2 * CAST(CAST(total.net AS DECIMAL(38,4)) * 10000 AS BIGINT) + total.orders) // (2 * total.orders) AS DECIMAL(18,0)) * CAST('0.0001' AS DECIMAL(5,4))
  END AS basket_value,
  CAST(total.units AS DOUBLE) / nullif(CAST(total.orders AS DOUBLE), 0) AS basket_items,
  CAST(total.lines AS DOUBLE) / nullif(CAST(total.orders AS DOUBLE), 0) AS basket_lines,
  CAST(rhythm.middle AS DOUBLE) AS gap_median_days,
  CASE WHEN rhythm.gaps >= 3 THEN
    sqrt((rhythm.gaps * rhythm.squares - rhythm.days * rhythm.days) / (CAST(rhythm.gaps AS DOUBLE) * (rhythm.gaps - 1)))
    / (rhythm.days / rhythm.gaps)
  END AS gap_variation,
  department_name.department AS favourite_department,
  CASE WHEN best_department.best IS NOT NULL THEN CAST(best_department.net AS DOUBLE) / variety.net END AS favourite_department_share,
  category_name.category AS favourite_category,
  CASE WHEN best_category.best IS NOT NULL THEN CAST(best_category.net AS DOUBLE) / variety.net END AS favourite_category_share,
  brand_name.brand AS favourite_brand,
  CASE WHEN best_brand.best IS NOT NULL THEN CAST(best_brand.net AS DOUBLE) / variety.net END AS favourite_brand_share,
  place.store_id AS favourite_store,
  CAST(best_store.best // 1000000 AS DOUBLE) / CAST(total.orders AS DOUBLE) AS favourite_store_share,
  way.channel AS favourite_channel,
  CAST(best_channel.best // 100 AS DOUBLE) / CAST(total.orders AS DOUBLE) AS favourite_channel_share,
  9 - best_weekday.best % 10 AS favourite_weekday,
  CAST(best_weekday.best // 10 AS DOUBLE) / CAST(total.orders AS DOUBLE) AS favourite_weekday_share,
  99 - best_hour.best % 100 AS favourite_hour,
  CAST(best_hour.best // 100 AS DOUBLE) / CAST(total.orders AS DOUBLE) AS favourite_hour_share,
  coalesce(variety.products, 0) AS products_ever,
  coalesce(best_category.categories, 0) AS categories_ever,
  coalesce(best_department.departments, 0) AS departments_ever,
  coalesce(best_brand.brands, 0) AS brands_ever,
  coalesce(best_store.stores, 0) AS stores_ever,
  CAST(total.private_label AS DOUBLE) / nullif(CAST(total.bought AS DOUBLE), 0) AS private_label_share,
  CAST(total.product_discount AS DOUBLE) / nullif(CAST(total.gross AS DOUBLE), 0) AS discount_share,
  CAST(total.discount_lines AS DOUBLE) / nullif(CAST(total.lines AS DOUBLE), 0) AS discount_line_share,
  CAST(total.coupon_discount AS DOUBLE) / nullif(CAST(total.gross AS DOUBLE), 0) AS coupon_share,
  CAST(total.coupon_orders AS DOUBLE) / nullif(CAST(total.orders AS DOUBLE), 0) AS coupon_order_share,
  (variety.middle / 2 + variety.high)
    / nullif(variety.low + variety.middle + variety.high, 0) AS price_index,
  CAST(total.returned AS DOUBLE) / nullif(CAST(total.bought AS DOUBLE), 0) AS return_rate
FROM total
JOIN name ON name.no = total.no
LEFT JOIN rhythm ON rhythm.no = total.no
LEFT JOIN variety ON variety.no = total.no
LEFT JOIN best_department ON best_department.no = total.no
LEFT JOIN department_name ON department_name.department_no = 999999 - best_department.best % 1000000
LEFT JOIN best_category ON best_category.no = total.no
LEFT JOIN category_name ON category_name.category_no = 999999 - best_category.best % 1000000
LEFT JOIN best_brand ON best_brand.no = total.no
LEFT JOIN brand_name ON brand_name.brand_no = 999999 - best_brand.best % 1000000
LEFT JOIN best_store ON best_store.no = total.no
LEFT JOIN place ON place.store_no = 999999 - best_store.best % 1000000
LEFT JOIN best_channel ON best_channel.no = total.no
LEFT JOIN way ON way.channel_no = 99 - best_channel.best % 100
LEFT JOIN best_weekday ON best_weekday.no = total.no
LEFT JOIN best_hour ON best_hour.no = total.no
