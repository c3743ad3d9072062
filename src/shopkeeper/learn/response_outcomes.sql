-- One row a (campaign, person) that redeemed a coupon of the campaign, with the first day, as known on $as_of.
SELECT r.campaign_id, k.person_id, MIN(r.redeemed_on) AS first_redeemed_on, COUNT(*) AS redemptions
FROM redemption AS r
JOIN (
  SELECT source, customer_id, MIN(person_id) AS person_id FROM person WHERE valid_to IS NULL GROUP BY source, customer_id
) AS k ON k.source = r.source AND k.customer_id = r.customer_id
WHERE r.redeemed_on <= $as_of AND r.campaign_id IS NOT NULL
GROUP BY r.campaign_id, k.person_id
ORDER BY r.campaign_id, k.person_id
