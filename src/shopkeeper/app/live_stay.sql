-- The stays of each person in some segments, as one text: rows of `segment/history.py: Stay`.
SELECT
  segment_member.person_id AS person_id,
  CAST(JSON_GROUP_ARRAY(JSON_ARRAY(
    segment_member.segment,
    EPOCH_US(segment_member.entered_at),
    EPOCH_US(segment_member.left_at)
  )) AS VARCHAR) AS body
FROM segment_member
WHERE segment_member.segment IN $segments
GROUP BY segment_member.person_id
ORDER BY segment_member.person_id
