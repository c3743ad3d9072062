-- The redemptions of each person since a day, as one text: rows of `segment/history.py: Redemption`.
SELECT
  person.person_id AS person_id,
  CAST(JSON_GROUP_ARRAY(JSON_ARRAY(
    DATE_DIFF('day', DATE '1970-01-01', redemption.redeemed_on) + 719163,
    redemption.offer_id,
    redemption.campaign_id
  )) AS VARCHAR) AS body
FROM redemption
JOIN person
  ON person.source = redemption.source
  AND person.customer_id = redemption.customer_id
  AND person.valid_to IS NULL
WHERE redemption.redeemed_on >= $since
GROUP BY person.person_id
ORDER BY person.person_id
