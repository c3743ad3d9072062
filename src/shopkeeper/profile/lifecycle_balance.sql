-- Active here is the fixed-day lifecycle's active or new. The home store is one a person, so nobody moves between the two ends.
WITH visit AS (
  SELECT person.person_id, basket.business_day, basket.store_id
  FROM basket
  JOIN person ON person.source = basket.source AND person.customer_id = basket.customer_id
  WHERE basket.business_day <= $as_of AND basket.all_lines > 0 AND person.valid_to IS NULL
), one AS (
  SELECT
    person_id,
    min(business_day) AS first_on,
    max(business_day) AS last_on,
    max(CASE WHEN business_day <= $open_7 THEN business_day END) AS last_7,
    max(CASE WHEN business_day <= $open_30 THEN business_day END) AS last_30,
    max(CASE WHEN business_day <= $open_90 THEN business_day END) AS last_90,
    max(CASE WHEN business_day <= $open_365 THEN business_day END) AS last_365
  FROM visit GROUP BY person_id
), home AS (
  SELECT visit.person_id, min(visit.store_id) AS store_id
  FROM visit JOIN one ON one.person_id = visit.person_id AND one.last_on = visit.business_day
  GROUP BY visit.person_id
), spanned AS (
  SELECT person_id, first_on, last_on, 7 AS days, last_7 AS before_on, $open_7 AS open_on FROM one
  UNION ALL
  SELECT person_id, first_on, last_on, 30 AS days, last_30 AS before_on, $open_30 AS open_on FROM one
  UNION ALL
  SELECT person_id, first_on, last_on, 90 AS days, last_90 AS before_on, $open_90 AS open_on FROM one
  UNION ALL
  SELECT person_id, first_on, last_on, 365 AS days, last_365 AS before_on, $open_365 AS open_on FROM one
), staged AS (
  SELECT
    person_id,
    days,
    coalesce(date_diff('day', before_on, open_on) <= $sleeping_days, false) AS opened,
    first_on > open_on AS joined,
    date_diff('day', last_on, $as_of) <= $sleeping_days AS closed,
    date_diff('day', last_on, $as_of) > $lapsed_days AS lapsed
  FROM spanned
)
SELECT
  $as_of AS as_of,
  home.store_id,
  CAST(days AS BIGINT) AS days,
  count(*) FILTER (WHERE opened) AS opening,
  count(*) FILTER (WHERE joined) AS new,
  count(*) FILTER (WHERE closed AND NOT opened AND NOT joined) AS recalled,
  count(*) FILTER (WHERE (opened OR joined) AND NOT closed AND NOT lapsed) AS sleeping,
  count(*) FILTER (WHERE (opened OR joined) AND lapsed) AS lapsed,
  count(*) FILTER (WHERE closed) AS closing,
  $lifecycle_version AS lifecycle_version
FROM staged JOIN home ON home.person_id = staged.person_id
GROUP BY home.store_id, days
