-- One row a person as JSON: traits, records, stays in segments, scores, baskets; `app/serving.py: Served` reads it.
-- Where the list of the traits stands Python puts those of the catalogue.
WITH record AS (
  SELECT
    person.person_id,
    string_agg(CAST(json_array(
      person.source, person.customer_id, person.method,
      concat_ws(
        ',',
        CASE WHEN customer.gender <> '' THEN 'gender' END,
        CASE WHEN customer.birth_year IS NOT NULL THEN 'birth_year' END,
        CASE WHEN customer.postcode <> '' THEN 'postcode' END,
        CASE WHEN customer.home_cell <> '' THEN 'home_cell' END,
        CASE WHEN cardinality(customer.attributes) > 0 THEN 'attributes' END
      )
    ) AS VARCHAR), ',') AS said
  FROM person
  LEFT JOIN customer ON customer.source = person.source AND customer.customer_id = person.customer_id
  WHERE person.valid_to IS NULL
  GROUP BY person.person_id
), stay AS (
  SELECT
    person_id,
    string_agg(CAST(json_array(segment, epoch_us(entered_at)) AS VARCHAR), ',') AS said
  FROM segment_member
  WHERE left_at IS NULL
  GROUP BY person_id
), latest AS (
  SELECT person_id, model, subject, as_of, value, decile, reasons, reasons_zh
  FROM score
  QUALIFY row_number() OVER (PARTITION BY person_id, model, subject ORDER BY as_of DESC, version DESC) = 1
), scored AS (
  SELECT
    person_id,
    string_agg(CAST(json_array(
      model, subject, CAST(as_of AS VARCHAR), value, decile, reasons, reasons_zh
    ) AS VARCHAR), ',') AS said
  FROM latest
  GROUP BY person_id
), bought AS (
  SELECT
    person.person_id,
    string_agg(concat(
      '["', left(md5(concat(basket.source, chr(31), basket.customer_id, chr(31), basket.order_id)), 8), '",',
      date_diff('day', CAST('1970-01-01' AS DATE), business_day) + 719163, ',', lines, ',', all_lines, ',',
      CAST(CAST(net AS DECIMAL(38,4)) * 10000 AS BIGINT), ',', CAST(CAST(returned AS DECIMAL(38,4)) * 10000 AS BIGINT), ']'
    ), ',') AS said
  FROM basket
  JOIN person ON person.source = basket.source AND person.customer_id = basket.customer_id
  WHERE business_day > $known_from AND person.valid_to IS NULL
  GROUP BY person.person_id
)
SELECT
  profile.person_id,
  concat(
    '[', CAST(json_array($traits) AS VARCHAR),
    ',[', coalesce(record.said, ''),
    '],[', coalesce(stay.said, ''),
    '],[', coalesce(scored.said, ''),
    '],[', coalesce(bought.said, ''), ']]'
  ) AS body
FROM profile
LEFT JOIN record ON record.person_id = profile.person_id
LEFT JOIN stay ON stay.person_id = profile.person_id
LEFT JOIN scored ON scored.person_id = profile.person_id
LEFT JOIN bought ON bought.person_id = profile.person_id
