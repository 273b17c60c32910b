"""Search: tokens, dates in a query, ranking, and the pipeline that combines them."""
