"""Operations of a store below the namespace of one user, and their results without it."""

from __future__ import annotations

from typing import Any

from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    Result,
    SearchOp,
)


def below_user(op: Any, user_id: str) -> Any:
    """Return the operation with the user as the first label of its namespaces.

    Anything that is not an operation comes back as it is.
    """
    if isinstance(op, (GetOp, PutOp)):
        return op._replace(namespace=(user_id, *op.namespace))
    if isinstance(op, SearchOp):
        return op._replace(namespace_prefix=(user_id, *op.namespace_prefix))
    if isinstance(op, ListNamespacesOp):
        conditions = tuple(op.match_conditions or ())
        if not any(condition.match_type == "prefix" for condition in conditions):
            conditions += (MatchCondition("prefix", ()),)
        return op._replace(
            match_conditions=tuple(_condition_below(each, user_id) for each in conditions),
            max_depth=None if op.max_depth is None else op.max_depth + 1,
        )
    return op


def without_user(result: Result) -> Result:
    """Return the result with namespaces that do not begin with the user."""
    if isinstance(result, Item):
        result.namespace = result.namespace[1:]
    elif isinstance(result, list):
        return [  # type: ignore[return-value]  # items or namespaces, as they came
            each[1:] if isinstance(each, tuple) else without_user(each) for each in result
        ]
    return result


def _condition_below(condition: MatchCondition, user_id: str) -> MatchCondition:
    if condition.match_type != "prefix":
        return condition
    return MatchCondition("prefix", (user_id, *condition.path))
