SELECT
  CAST(sum(tickets) AS BIGINT) AS tickets,
  CAST(sum(member_tickets) AS BIGINT) AS member_tickets,
  CAST(sum(sales) AS DECIMAL(18,4)) AS sales,
  CAST(sum(member_sales) AS DECIMAL(18,4)) AS member_sales,
  CAST(sum(member_tickets) AS DOUBLE) / nullif(CAST(sum(tickets) AS DOUBLE), 0) AS ticket_share,
  CAST(sum(member_sales) AS DOUBLE) / nullif(CAST(sum(sales) AS DOUBLE), 0) AS sales_share
FROM coverage
WHERE business_day >= $first AND business_day <= $last
