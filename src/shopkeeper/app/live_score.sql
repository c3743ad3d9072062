-- The scores of each person by some models, as one text: rows of `segment/history.py: Scored`.
SELECT
  score.person_id AS person_id,
  CAST(JSON_GROUP_ARRAY(JSON_ARRAY(
    score.model,
    score.subject,
    DATE_DIFF('day', DATE '1970-01-01', score.as_of) + 719163,
    score.value,
    score.decile
  )) AS VARCHAR) AS body
FROM score
WHERE score.model IN $models
GROUP BY score.person_id
ORDER BY score.person_id
