# %% [markdown]
# # An analyst's notebook on Complete Journey
#
# Run the cells in any editor that knows `# %%`, or the whole file: `python docs/notebook.py SHOP`. `SHOP` is the folder
# that `make demo` made. Every figure comes from the shop; nothing here is typed in.

# %%
import sys
from datetime import timedelta

import pandas as pd

import shopkeeper
from shopkeeper.app.model import list_models
from shopkeeper.app.report import report
from shopkeeper.segment.compile import count, members
from shopkeeper.segment.line import parse
from shopkeeper.segment.sentence import sentence

shop = shopkeeper.open(sys.argv[1] if len(sys.argv) > 1 else "shop")
as_of = shop.last_day()
pd.set_option("display.width", 160, "display.max_columns", None)
print(shop, "as of", as_of)

# %% [markdown]
# ## Who are the customers?
# A table is a DuckDB relation: lazy until it is shown or asked for as a data frame.

# %%
profile = shop.table("profile")
lifecycle = profile.aggregate("lifecycle, count(*) AS people, sum(monetary_365d) AS spent").order("people DESC").df()
print(lifecycle)

# %% [markdown]
# ## How concentrated is spending?
# The share of the year's sales that each tenth of people makes, the best first.

# %%
tenths = shop.query(
    """
    WITH ranked AS (
      SELECT monetary_365d, ntile(10) OVER (ORDER BY monetary_365d DESC, person_id) AS tenth
      FROM profile WHERE as_of = $as_of
    )
    SELECT tenth, count(*) AS people, sum(monetary_365d) AS spent,
      sum(monetary_365d) / sum(sum(monetary_365d)) OVER () AS share
    FROM ranked GROUP BY tenth ORDER BY tenth
    """,
    as_of=as_of,
).df()
print(tenths)
assert abs(tenths["share"].sum() - 1) < 1e-9

# %% [markdown]
# ## Sales by week
# Values go in as parameters (`$first`), so that nothing is ever pasted into a query.

# %%
weeks = shop.query(
    """
    SELECT CAST(date_trunc('week', business_day) AS DATE) AS week, sum(net_amount) AS sales,
      count(DISTINCT order_id) AS tickets
    FROM order_line WHERE business_day > $first GROUP BY 1 ORDER BY 1
    """,
    first=as_of - timedelta(weeks=12),
).df()
print(weeks)

# %% [markdown]
# ## An audience, counted, listed, and taken elsewhere
# The text for Spark runs on tables of the same names anywhere.

# %%
audience = parse('lifecycle = "sleeping" and rfm_monetary >= 4')
print(sentence(audience, "en"))
print(sentence(audience, "zh"))
print(shop.query(count(audience, as_of)).df())
print(shop.query(members(audience, as_of)).limit(5).df())
print(members(audience, as_of).sql("spark"))

# %% [markdown]
# ## How well does the response model know them?
# The card holds what was measured on campaigns that the model had not seen, beside naive baselines.

# %%
for card in list_models(shop):
    print(card["name"], card["version"])
    print(pd.DataFrame({"the model": card["metrics"], **card["baselines"]}).T)
    print(pd.DataFrame(card["intervals"], index=["from", "to"]).T)
scores = shop.query(
    """
    SELECT subject AS campaign, count(*) AS people, avg(value) AS expected
    FROM score WHERE model = 'response' GROUP BY 1 ORDER BY 1
    """
).df()
print(scores)

# %% [markdown]
# ## What did campaigns bring, and whom does the next one offer what?
# `naive` is the plain difference to everybody who was not targeted; `placebo` asks the same of the weeks before.

# %%
effects = shop.query(
    """
    SELECT campaign_id, targeted, naive, value, value_low, value_high, placebo_low, placebo_high, verdict
    FROM effect ORDER BY campaign_id
    """
).df()
print(effects)
plan = shop.query("SELECT * FROM offer_plan WHERE NOT is_holdout ORDER BY expected_value DESC").df()
print(plan[["person_id", "offer_id", "probability", "expected_value", "reason"]].head())

# %% [markdown]
# ## The morning report as numbers
# What the terminal and the console show; `level` takes a region, an area or a store.

# %%
morning = report(shop).morning
print(morning.as_of, "against", morning.span.last_week, "and", morning.span.last_year.day)
print(pd.DataFrame(morning.measures).set_index("name"))
print(pd.DataFrame([{"place": each.place, "difference": each.difference} for each in morning.anomalies]))
shop.close()
