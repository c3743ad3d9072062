-- Active here is the fixed-day lifecycle's active or new. The home store is one a person, so nobody moves between the two ends.
-- Who did not come since $since was active at no opening and is not now, so only visits after it are read; the first visit of all
-- stands in the habits. Visits are added up a record at a time before the person is looked up. The last day and the store's number
-- stand in one key, the number turned round so that the first by name wins a tie.
WITH place AS (
  SELECT store_id, row_number() OVER (ORDER BY store_id) AS store_no FROM (
    SELECT DISTINCT store_id FROM basket WHERE business_day > $since AND business_day <= $as_of
  ) AS s
), record AS (
  SELECT
    basket.source,
    basket.customer_id,
    max(business_day) AS last_on,
    max(CASE WHEN business_day <= $open_7 THEN business_day END) AS last_7,
    max(CASE WHEN business_day <= $open_30 THEN business_day END) AS last_30,
    max(CASE WHEN business_day <= $open_90 THEN business_day END) AS last_90,
    max(CASE WHEN business_day <= $open_365 THEN business_day END) AS last_365,
    max(date_diff('day', CAST('1970-01-01' AS DATE), business_day) * 1000000 + 999999 - place.store_no) AS home
  FROM basket JOIN place ON place.store_id = basket.store_id
  WHERE business_day > $since AND business_day <= $as_of AND all_lines > 0
  GROUP BY basket.source, basket.customer_id
), visitor AS (
  SELECT
    person.person_id,
    max(last_on) AS last_on,
    max(last_7) AS last_7,
    max(last_30) AS last_30,
    max(last_90) AS last_90,
    max(last_365) AS last_365,
    max(home) AS home
  FROM record JOIN person ON person.source = record.source AND person.customer_id = record.customer_id
  WHERE person.valid_to IS NULL
  GROUP BY person.person_id
), one AS (
  SELECT visitor.*, person_habit.first_visit_on AS first_on
  FROM visitor JOIN person_habit ON person_habit.person_id = visitor.person_id
), spanned AS (
  SELECT home, first_on, last_on, 7 AS days, last_7 AS before_on, $open_7 AS open_on FROM one
  UNION ALL
  SELECT home, first_on, last_on, 30 AS days, last_30 AS before_on, $open_30 AS open_on FROM one
  UNION ALL
  SELECT home, first_on, last_on, 90 AS days, last_90 AS before_on, $open_90 AS open_on FROM one
  UNION ALL
  SELECT home, first_on, last_on, 365 AS days, last_365 AS before_on, $open_365 AS open_on FROM one
), staged AS (
  SELECT
    999999 - home % 1000000 AS store_no,
    days,
    coalesce(date_diff('day', before_on, open_on) <= $sleeping_days, false) AS opened,
    first_on > open_on AS joined,
    date_diff('day', last_on, $as_of) <= $sleeping_days AS closed,
    date_diff('day', last_on, $as_of) > $lapsed_days AS lapsed
  FROM spanned
)
SELECT
  $as_of AS as_of,
  place.store_id,
  CAST(days AS BIGINT) AS days,
  count(*) FILTER (WHERE opened) AS opening,
  count(*) FILTER (WHERE joined) AS new,
  count(*) FILTER (WHERE closed AND NOT opened AND NOT joined) AS recalled,
  count(*) FILTER (WHERE (opened OR joined) AND NOT closed AND NOT lapsed) AS sleeping,
  count(*) FILTER (WHERE (opened OR joined) AND lapsed) AS lapsed,
  count(*) FILTER (WHERE closed) AS closing,
  $lifecycle_version AS lifecycle_version
FROM staged JOIN place ON place.store_no = staged.store_no
GROUP BY place.store_id, days
